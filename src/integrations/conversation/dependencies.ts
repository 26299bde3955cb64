import type { Models } from '#shared/models/index.js';
import type { Settling } from '../../platform/concurrency/settling.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Clock } from '../../platform/time/clock.js';
import type { Work } from '../../realtime/work.js';
import type { Blocks } from '../users/index.js';
import type { CounterStore } from './counters/index.js';
import type { ConversationKind, Description, WireMessage } from './kind.js';
import type { Pages } from './pages.js';
import type { ConversationPublisher } from './publishing/conversation-publisher.js';
import type { Publish } from './publishing/publish.js';

/** What the operations on conversations of one kind share. */
export interface ConversationDependencies<D extends Description, M extends WireMessage>
  extends ConversationPublisher<D, M> {
  readonly models: Models;
  readonly kind: ConversationKind<D, M>;
  readonly counters: CounterStore;
  readonly blocks: Blocks;
  readonly publish: Publish;
  readonly settling: Settling;
  readonly pages: Pages;
  readonly work: Work;
  readonly clock: Clock;
  readonly logger: Logger;
}

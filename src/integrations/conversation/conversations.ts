import type { Context } from '../../framework/context.js';
import type { Settling } from '../../platform/concurrency/settling.js';
import { createWriteTogether } from '../../platform/mongo/write-together.js';
import type { Blocks } from '../users/index.js';
import { createChanges } from './changes.js';
import { ensureAccessToShow } from './consistent-access.js';
import type { CounterStore } from './counters/index.js';
import type { ConversationKind, Description, WireMessage } from './kind.js';
import { createConversationLists } from './lists.js';
import { createMembership } from './membership.js';
import { createMessageLists } from './messages.js';
import { createPages } from './pages.js';
import { createFindHearers, createHasOtherSockets } from './presence.js';
import { createConversationPublisher } from './publishing/conversation-publisher.js';
import { createPublish } from './publishing/publish.js';
import { createNotify } from './publishing/push.js';
import { createRepublish } from './publishing/republish.js';
import { createRead } from './read.js';
import { createResending } from './resending.js';
import { createSend } from './send.js';
import { createSnoozes } from './snoozes.js';
import { amountsOfShown, prepareToShow } from './to-wire.js';
import type { Viewer } from './viewer.js';

export type { ConversationKind, StoredMessage } from './kind.js';
export { readPeople } from './people.js';
export { madeAt } from './times.js';
export { toViewer, type Viewer } from './viewer.js';

/** The operations on conversations of one kind. */
export type Conversations<D extends Description, M extends WireMessage> = ReturnType<typeof createConversations<D, M>>;

interface Basis<D extends Description, M extends WireMessage> {
  kind: ConversationKind<D, M>;
  counters: CounterStore;
  blocks: Blocks;
  settling: Settling;
}

/** The rules of one kind of conversation. Every operation stores, then sends, then returns. */
export function createConversations<D extends Description, M extends WireMessage>(
  context: Context,
  { kind, counters, blocks, settling }: Basis<D, M>,
) {
  const { models, clock, logger, work } = context;
  const publish = createPublish(context.emitter);
  const pages = createPages(clock);
  const shared = { models, kind, counters, blocks, publish, settling, clock, logger, pages, work };
  const [findPresent, hasOtherSockets] = [createFindHearers(context), createHasOtherSockets(context)];
  const basis = { ...shared, ...createConversationPublisher({ ...shared, findPresent, hasOtherSockets }) };
  const messages = createMessageLists(basis);
  const membership = createMembership(basis);
  const snoozes = createSnoozes(basis);

  return {
    kind,
    publish,
    snoozes,
    lists: createConversationLists({ ...basis, messages, membership }),
    messages,
    membership,
    republish: createRepublish({ ...basis, membership }),
    changes: createChanges({ ...basis, snoozes }),
    read: createRead(basis),
    resending: createResending(basis),
    send: createSend({ ...basis, notify: createNotify(context), write: createWriteTogether(models.Member.db) }),

    /** One conversation from the viewer's point of view. */
    async get(viewer: Viewer, id: string) {
      const { conversation, member } = await ensureAccessToShow(models, kind, { viewer, id });
      await work.pay(viewer.principal, amountsOfShown([conversation]));
      return (await prepareToShow(models, kind, [conversation]))(conversation, member);
    },
  };
}

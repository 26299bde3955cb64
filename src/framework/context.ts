import type { Models } from '#shared/models/index.js';
import type { TokenSecrets } from '../auth/token-secrets.js';
import type { UserAuth } from '../auth/user.js';
import type { LiveSecrets } from '../config/live-secrets.js';
import type { Config } from '../config.js';
import type { Health } from '../platform/health.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Metrics } from '../platform/metrics.js';
import type { Clock } from '../platform/time/clock.js';
import type { Bus } from '../realtime/bus.js';
import type { Cluster } from '../realtime/cluster.js';
import type { Delivery } from '../realtime/delivery/index.js';
import type { Push } from '../realtime/delivery/push/index.js';
import type { OnEmitted } from '../realtime/emitted.js';
import type { Emitter } from '../realtime/emitter.js';
import type { LocalNode } from '../realtime/local-node.js';
import type { NodeCalls } from '../realtime/node-calls.js';
import type { PresenceStore } from '../realtime/presence/index.js';
import type { SocketDirectory } from '../realtime/presence/socket-directory.js';
import type { RateLimiter } from '../realtime/rate-limit.js';
import type { Revocations } from '../realtime/revocations.js';
import type { Watches } from '../realtime/watches.js';
import type { Work } from '../realtime/work.js';
import type { Machine } from './machine.js';

/** Dependencies of the integrations: primitives, models and external services. Created once by `src/app/realtime.ts`. */
export interface Context {
  readonly config: Config;
  readonly secrets: LiveSecrets;
  readonly clock: Clock;
  /** For limits of time within this process: it goes on evenly when the date of the machine is set. */
  readonly steadyClock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Of this gateway; of all behind its port: `machine`. */
  readonly health: Health;
  readonly machine: Machine;
  readonly models: Models;
  readonly userAuth: UserAuth;
  /** HS256 secrets of the user tokens; empty: a key set verifies them. */
  readonly tokenSecrets: TokenSecrets;
  /** Where the built page of the console is; the first directory that has it counts. */
  readonly consoleDirectories: readonly string[];
  readonly limiter: RateLimiter;
  readonly work: Work;
  readonly bus: Bus;
  readonly onHeard: Cluster['onHeard'];
  readonly emitter: Emitter;
  readonly presence: PresenceStore;
  /** Presence of the users of push sites. Started and stopped by their integration. */
  readonly sitePresence: PresenceStore;
  /** Sockets of the chats by room. Started and stopped by the community chat. */
  readonly chatPresence: PresenceStore;
  readonly sockets: SocketDirectory;
  readonly delivery: Delivery;
  readonly push: Push;
  readonly revocations: Revocations;
  readonly localNode: LocalNode;
  readonly nodeCalls: NodeCalls;
  readonly onEmitted: OnEmitted;
  /** What happens on all nodes. */
  readonly watches: Watches;
}

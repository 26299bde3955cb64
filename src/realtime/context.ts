import type { Models } from '#shared/models/index.js';
import type { UserAuth } from '../auth/user.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import type { Emitter } from './emitter.js';
import type { PresenceStore } from './presence/index.js';
import type { SocketDirectory } from './presence/socket-directory.js';

/** What an integration may use: the primitives, the models and the outside world. Made once by `app.ts`. */
export interface Context {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly models: Models;
  readonly userAuth: UserAuth;
  readonly emitter: Emitter;
  readonly presence: PresenceStore;
  readonly sockets: SocketDirectory;
}

import { userNamespaces } from '#shared/contracts/namespaces.js';
import { GatewayError } from '../../errors.js';
import { createBatcher } from '../../platform/batcher.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { GatewaySocket, SocketListener } from '../../sockets/socket.js';
import type { People } from './people.js';

/** How long it is remembered whether a user may enter. */
const REMEMBERED_MS = 5_000;
/** Users that are remembered. */
const REMEMBERED_MAX = 50_000;
/** Users that one query asks about. */
const GROUP_MAX = 1_000;

/** Keeps blocked and deactivated users out of the namespaces that know users by their tokens alone. */
export interface Admission {
  /** Looks at each socket that has connected, so that a connect waits for no database. */
  readonly listener: SocketListener;
  /** @throws GatewayError `FORBIDDEN` for a user who was found locked out a moment ago */
  ensureNotLocked(userId: string): void;
  /** Refuses a user for the next seconds who was found locked out. */
  noteLocked(userId: string): void;
}

/**
 * Users who are not in `_users` are allowed: these namespaces have always taken the token's word. The lookups of sockets
 * that connect together are one query.
 */
export function createAdmission(dependencies: { people: People; clock: Clock; logger: Logger }): Admission {
  const { people, clock, logger } = dependencies;
  /** user → whether they are locked out, and until when that is believed; oldest first */
  const remembered = new Map<string, { isLocked: boolean; until: number }>();

  // Tokens may spell an ObjectId in upper case. Users with ids of another kind are never locked out.
  const remember = (userId: string, isLocked: boolean): void => {
    const key = userId.toLowerCase();
    remembered.delete(key);
    remembered.set(key, { isLocked, until: clock.now() + REMEMBERED_MS });
    const [oldest] = remembered.keys();
    if (remembered.size > REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest);
  };

  const look = createBatcher<string, boolean>(async (userIds) => {
    const locked = await people.lockedOut([...new Set(userIds)]);
    return userIds.map((userId) => locked.has(userId.toLowerCase()));
  }, GROUP_MAX);

  const recall = (userId: string): boolean | undefined => {
    const found = remembered.get(userId.toLowerCase());
    return found === undefined || found.until <= clock.now() ? undefined : found.isLocked;
  };

  const check = async (socket: GatewaySocket, userId: string): Promise<void> => {
    try {
      const isLocked = recall(userId) ?? (await look(userId));
      remember(userId, isLocked);
      if (isLocked) endLocked(socket);
    } catch (error) {
      // The lock watch asks again.
      logger.warn({ err: error }, 'it could not be looked up whether a user may be connected');
    }
  };

  return {
    ensureNotLocked(userId) {
      if (recall(userId) === true) throw new GatewayError('FORBIDDEN');
    },
    noteLocked: (userId) => remember(userId, true),
    listener: {
      connected(socket) {
        const { principal } = socket.data;
        if (principal.kind !== 'user' || !userNamespaces.includes(socket.nsp.name)) return;
        void check(socket, principal.userId);
      },
      disconnected: () => undefined,
    },
  };
}

/** Ends a socket whose user may not be connected, and says why. */
export function endLocked(socket: GatewaySocket): void {
  socket.emit('disconnected', { reason: 'blocked' });
  socket.disconnect(true);
}

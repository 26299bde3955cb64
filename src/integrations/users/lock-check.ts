import { userNamespaces } from '#shared/contracts/namespaces.js';
import { GatewayError } from '../../errors.js';
import { createBatcher } from '../../platform/concurrency/batcher.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Clock } from '../../platform/time/clock.js';
import type { GatewaySocket, SocketListener } from '../../sockets/socket.js';
import { type People, toObjectId } from './people.js';

/** How long a lookup is cached. */
const REMEMBERED_MS = 5_000;
/** Maximum cached users. */
const REMEMBERED_MAX = 50_000;
/** Maximum users in one query. */
const GROUP_MAX = 1_000;
/** Time between two queries. Well under the second within which locked users are disconnected. */
const SPACING = { spacingMs: 100, crowdedSpacingMs: 250 };

/** Refuses blocked and deactivated users in namespaces that authenticate by token only. */
export interface LockCheck {
  /** Checks each socket after its connect, so that connects do not wait for the database. */
  readonly listener: Pick<SocketListener, 'connected'>;
  /** @throws GatewayError `FORBIDDEN` for a user who was recently found to be locked */
  ensureNotLocked(userId: string): void;
  /** Caches that a user is locked. */
  noteLocked(userId: string): void;
}

/**
 * Users who are not in `_users` are allowed: these namespaces have always trusted the token alone. Lookups of sockets
 * that connect at the same time share one query.
 */
export function createLockCheck(dependencies: { people: People; clock: Clock; logger: Logger }): LockCheck {
  const { people, clock, logger } = dependencies;
  /** user → whether they are locked, and when the entry expires; oldest first */
  const remembered = new Map<string, { isLocked: boolean; until: number }>();
  let willForget = false;

  /** After many have connected nothing is kept of them. */
  const forgetExpired = (): void => {
    for (const [key, { until }] of remembered) {
      if (until > clock.now()) break;
      remembered.delete(key);
    }
    willForget = remembered.size > 0;
    if (willForget) clock.after(REMEMBERED_MS, forgetExpired);
  };

  // Tokens may contain an ObjectId in upper case. Users with other ids are never locked.
  const remember = (userId: string, isLocked: boolean): void => {
    const key = userId.toLowerCase();
    remembered.delete(key);
    remembered.set(key, { isLocked, until: clock.now() + REMEMBERED_MS });
    const [oldest] = remembered.keys();
    if (remembered.size > REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest);
    if (willForget) return;
    willForget = true;
    clock.after(REMEMBERED_MS, forgetExpired);
  };

  const look = createBatcher<string, boolean>(
    async (userIds) => {
      const locked = await people.lockedOut([...new Set(userIds)].flatMap(toObjectId));
      return userIds.map((userId) => locked.has(userId.toLowerCase()));
    },
    { sizeMax: GROUP_MAX, ...SPACING },
  );

  const recall = (userId: string): boolean | undefined => {
    const found = remembered.get(userId.toLowerCase());
    return found === undefined || found.until <= clock.now() ? undefined : found.isLocked;
  };

  const lookUp = async (userId: string): Promise<boolean> => {
    const found = await look(userId);
    // The lock watch may have found the user since the query.
    const isLocked = found || recall(userId) === true;
    remember(userId, isLocked);
    return isLocked;
  };

  const check = async (socket: GatewaySocket, userId: string): Promise<void> => {
    try {
      const isLocked = recall(userId) ?? (await lookUp(userId));
      if (isLocked) endLocked(socket);
    } catch (error) {
      // The lock watch checks again.
      logger.warn({ err: error }, 'users: looking up whether a user is locked failed');
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
    },
  };
}

/** Disconnects a socket whose user is locked, with the reason. */
export function endLocked(socket: GatewaySocket): void {
  socket.emit('disconnected', { reason: 'blocked' });
  socket.disconnect(true);
}

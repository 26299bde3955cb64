import type { Model } from 'mongoose';
import type { Socket } from '#shared/models/socket.js';
import { groupBy } from '../../platform/lists.js';
import type { Logger } from '../../platform/logging/logger.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { type Clock, systemClock } from '../../platform/time/clock.js';

/** A socket as the directory knows it. */
interface SocketRef {
  userId: string;
  socketId: string;
}

/** Maintains the `Socket` documents: the active sockets of each user. */
export interface SocketDirectory {
  /** Adds a socket. Idempotent. @throws database errors */
  join(userId: string, socketId: string): Promise<void>;
  /** Removes a socket, later if the database is away. Never rejects. */
  leave(userId: string, socketId: string): Promise<void>;
  /** As {@link SocketDirectory.leave}, for the sockets of a node that died. */
  forget(sockets: readonly SocketRef[]): Promise<void>;
  /** Adds the sockets of this node again after another node took it for dead and removed them. */
  restore(sockets: readonly SocketRef[]): Promise<void>;
  /** Removes all sockets, when no other node is alive. @throws database errors */
  clear(): Promise<void>;
  /** Retries pending removals once, then stops. */
  close(): Promise<void>;
}

/** What {@link createSocketDirectory} needs. */
export interface SocketDirectoryOptions {
  model: Model<Socket>;
  logger: Pick<Logger, 'error' | 'warn'>;
  clock?: Clock;
}

const CHUNK = 500;
const RETRY_AFTER_MS = 2_000;
/** What another service stored in its place holds no socket, and cannot be changed as a list. */
const IS_LIST = { $type: 'array' } as const;
/** Sockets remembered while the database is away; about 30 MB. */
const WAITING_MAX = 200_000;

/**
 * A socket that left is remembered until it is removed from the database, because no other node removes it while this node
 * is alive.
 */
export function createSocketDirectory(options: SocketDirectoryOptions): SocketDirectory {
  const { model, logger, clock = systemClock } = options;
  /** Sockets to remove: socket → user. */
  const waiting = new Map<string, string>();
  /** A driver can send two commands over two connections, so a removal waits for the addition. */
  const joining = new Map<string, Promise<unknown>>();
  /** Sockets of this node that joined and have not left. */
  const joined = new Set<string>();
  let flushing: Promise<void> | undefined;
  let cancelRetry: (() => void) | undefined;
  let isClosed = false;

  const remember = (sockets: readonly SocketRef[]): void => {
    for (const { userId, socketId } of sockets) waiting.set(socketId, userId);
    if (waiting.size <= WAITING_MAX) return;
    let dropped = 0;
    for (const socketId of waiting.keys()) {
      if (waiting.size <= WAITING_MAX) break;
      waiting.delete(socketId);
      dropped += 1;
    }
    logger.error({ dropped }, 'socket directory: too many sockets left while the database was away; some stay');
  };

  const removeAll = async (sockets: readonly (readonly [string, string])[]): Promise<void> => {
    const updates = Array.from(
      groupBy(sockets, ([, userId]) => userId),
      ([user, own]) => ({
        updateOne: {
          filter: { user, socket_ids: IS_LIST },
          update: { $pull: { socket_ids: { $in: own.map(([socketId]) => socketId) } } },
        },
      }),
    );
    await model.bulkWrite(updates, { ordered: false });
    for (const [socketId] of sockets) waiting.delete(socketId);
  };

  const flush = async (): Promise<void> => {
    if (waiting.size === 0) return;
    flushing ??= flushAll();
    await flushing;
  };

  const flushAll = async (): Promise<void> => {
    cancelRetry?.();
    cancelRetry = undefined;
    try {
      while (waiting.size > 0) {
        const chunk = firstOf(waiting, CHUNK);
        await Promise.all(chunk.map(([socketId]) => joining.get(socketId)));
        await removeAll(chunk);
      }
    } catch (err) {
      logger.warn({ err, waiting: waiting.size }, 'socket directory: removing sockets failed; retrying');
      if (!isClosed) cancelRetry = clock.after(RETRY_AFTER_MS, () => void flush());
    } finally {
      flushing = undefined;
    }
  };

  /** @returns whether something else was in the place of the list */
  const repair = async (user: string): Promise<boolean> => {
    const filter = { user, socket_ids: { $not: IS_LIST } };
    const { modifiedCount } = await model.updateOne(filter, { $set: { socket_ids: [] } });
    return modifiedCount > 0;
  };

  const add = async (user: string, socketId: string): Promise<void> => {
    const addOnce = (): Promise<unknown> =>
      model.updateOne({ user }, { $addToSet: { socket_ids: socketId } }, { upsert: true });
    // Two first sockets of a user race to insert the document; the loser finds it the second time.
    const added = addOnce().catch(async (error: unknown) => {
      if (!isDuplicateKey(error) && !(await repair(user))) throw error;
      return addOnce();
    });
    const settled = added
      .catch(() => undefined)
      .finally(() => {
        if (joining.get(socketId) === settled) joining.delete(socketId);
      });
    joining.set(socketId, settled);
    await added;
  };

  return {
    join(userId, socketId) {
      joined.add(socketId);
      return add(userId, socketId);
    },
    leave(userId, socketId) {
      if (!joined.delete(socketId)) return Promise.resolve();
      remember([{ userId, socketId }]);
      return flush();
    },
    forget(sockets) {
      remember(sockets);
      return flush();
    },
    async restore(sockets) {
      const here = sockets.filter(({ socketId }) => joined.has(socketId));
      await Promise.all(here.map(({ userId, socketId }) => add(userId, socketId)));
    },
    async clear() {
      // Any text: `{ $exists: true }` on the first element would read the whole collection.
      await model.updateMany({ socket_ids: { $gt: '' } }, { $set: { socket_ids: [] } });
    },
    async close() {
      isClosed = true;
      await flushing;
      await flush();
      cancelRetry?.();
    },
  };
}

function firstOf<K, V>(map: ReadonlyMap<K, V>, count: number): [K, V][] {
  const first: [K, V][] = [];
  for (const pair of map) {
    if (first.length === count) break;
    first.push(pair);
  }
  return first;
}

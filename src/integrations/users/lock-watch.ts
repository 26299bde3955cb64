import { isObjectIdOrHexString, type Types } from 'mongoose';
import { tokenNamespaces } from '#shared/contracts/namespaces.js';
import type { Integration } from '../../framework/integration.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Clock } from '../../platform/time/clock.js';
import { startPolling } from '../../platform/time/poller.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import { endLocked, type LockCheck } from './lock-check.js';
import { type People, toObjectId } from './people.js';

/** How often a node checks its connected users. */
const INTERVAL_MS = 750;
/** With more users who may be locked than this and than are connected, the connected users are queried instead. */
const CANDIDATES_MIN = 1000;
/** How long the connected users are queried before the search for all who may be locked is tried again. */
const EACH_MS = 60_000;
/** Users in one query, and the maximum number of queries in one interval: with more users, a pass takes longer. */
const CHUNK = 4000;
const CHUNKS_PER_INTERVAL = 4;

interface Dependencies {
  people: People;
  lockCheck: LockCheck;
  clock: Clock;
  logger: Logger;
}

/**
 * Disconnects users who are blocked or deactivated while connected, on every namespace with users. Other services write
 * `_users` without notification, so it is polled. Users who may be locked are few, so they are searched for, and compared with
 * those who are connected. Where they are many, the connected users are looked up by `_id`.
 */
export function createLockWatch(dependencies: Dependencies): Required<Pick<Integration, 'listeners' | 'start'>> {
  const { people, lockCheck, clock, logger } = dependencies;
  const sockets = new Set<GatewaySocket>();
  /** Users of the current pass that are not checked yet. */
  let waiting: Types.ObjectId[] = [];
  /** ObjectIds of all users in lower case, as text, kept as long as no socket comes or goes. */
  let connected: ReadonlySet<string> | undefined;
  /** By the clock, until which each connected user is asked for. */
  let eachUntil = 0;

  // Users with other ids are never locked.
  const connectedUsers = (): ReadonlySet<string> => {
    const ids = new Set<string>();
    for (const { data } of sockets) {
      const { principal } = data;
      if (principal.kind === 'user' && isObjectIdOrHexString(principal.userId)) ids.add(principal.userId.toLowerCase());
    }
    return ids;
  };

  const end = (locked: ReadonlySet<string>): void => {
    for (const id of locked) lockCheck.noteLocked(id);
    for (const socket of [...sockets]) {
      const { principal } = socket.data;
      if (principal.kind === 'user' && locked.has(principal.userId.toLowerCase())) endLocked(socket);
    }
  };

  const check = async (users: readonly Types.ObjectId[]): Promise<void> => {
    const locked = await people.lockedOut(users);
    if (locked.size > 0) end(locked);
  };

  const checkCandidates = async (users: ReadonlySet<string>): Promise<boolean> => {
    const candidates = await people.lockCandidates(Math.max(CANDIDATES_MIN, users.size));
    if (candidates === undefined) return false;
    await check(candidates.filter((id) => users.has(id.toHexString())));
    return true;
  };

  const checkEach = async (users: ReadonlySet<string>): Promise<void> => {
    if (waiting.length === 0) waiting = [...users].flatMap(toObjectId);
    for (let chunks = 0; chunks < CHUNKS_PER_INTERVAL && waiting.length > 0; chunks += 1) {
      await check(waiting.splice(0, CHUNK));
    }
  };

  const poll = async (): Promise<void> => {
    connected ??= connectedUsers();
    const users = connected;
    if (users.size === 0) return;
    if (clock.now() >= eachUntil) {
      if (await checkCandidates(users)) return;
      eachUntil = clock.now() + EACH_MS;
    }
    await checkEach(users);
  };

  return {
    listeners: [
      {
        connected(socket) {
          if (!tokenNamespaces.includes(socket.nsp.name)) return;
          sockets.add(socket);
          connected = undefined;
        },
        disconnected(socket) {
          if (sockets.delete(socket)) connected = undefined;
        },
      },
    ],
    start() {
      const onError = (error: unknown): void =>
        logger.warn({ err: error }, 'users: checking connected users for locks failed; retrying');
      return startPolling({ clock, intervalMs: INTERVAL_MS, poll, onError });
    },
  };
}

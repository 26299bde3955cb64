import type { Types } from 'mongoose';
import { tokenNamespaces } from '#shared/contracts/namespaces.js';
import type { Integration } from '../../framework/integration.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import { startPolling } from '../../platform/poller.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import { type Admission, endLocked } from './admission.js';
import { type People, toObjectId } from './people.js';

/** How often a node checks its connected users. */
const INTERVAL_MS = 750;
/** Users in one query, and the maximum number of queries in one interval: with more users, a pass takes longer. */
const CHUNK = 4000;
const CHUNKS_PER_INTERVAL = 4;

interface Dependencies {
  people: People;
  admission: Admission;
  clock: Clock;
  logger: Logger;
}

/**
 * Disconnects users who are blocked or deactivated while connected, on every namespace with users. Other services write
 * `_users` without notification, so it is polled: by `_id`, and only locked users are returned.
 */
export function createLockWatch(dependencies: Dependencies): Required<Pick<Integration, 'listener' | 'start'>> {
  const { people, admission, clock, logger } = dependencies;
  const sockets = new Set<GatewaySocket>();
  /** Users of the current pass that are not checked yet. */
  let waiting: Types.ObjectId[] = [];
  /** All users, kept as long as no socket comes or goes. */
  let connected: readonly Types.ObjectId[] | undefined;

  const connectedUsers = (): readonly Types.ObjectId[] => {
    const ids = new Set<string>();
    for (const { data } of sockets) if (data.principal.kind === 'user') ids.add(data.principal.userId);
    return [...ids].flatMap(toObjectId);
  };

  const end = (locked: ReadonlySet<string>): void => {
    for (const id of locked) admission.noteLocked(id);
    for (const socket of [...sockets]) {
      const { principal } = socket.data;
      if (principal.kind === 'user' && locked.has(principal.userId.toLowerCase())) endLocked(socket);
    }
  };

  const poll = async (): Promise<void> => {
    if (waiting.length === 0) {
      connected ??= connectedUsers();
      waiting = [...connected];
    }
    for (let chunks = 0; chunks < CHUNKS_PER_INTERVAL && waiting.length > 0; chunks += 1) {
      const locked = await people.lockedOut(waiting.splice(0, CHUNK));
      if (locked.size > 0) end(locked);
    }
  };

  return {
    listener: {
      connected(socket) {
        if (!tokenNamespaces.includes(socket.nsp.name)) return;
        sockets.add(socket);
        connected = undefined;
      },
      disconnected(socket) {
        if (sockets.delete(socket)) connected = undefined;
      },
    },
    start() {
      const onError = (error: unknown): void =>
        logger.warn({ err: error }, 'checking connected users for locks failed');
      return startPolling({ clock, intervalMs: INTERVAL_MS, poll, onError });
    },
  };
}

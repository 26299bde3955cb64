import { tokenNamespaces } from '#shared/contracts/namespaces.js';
import type { Integration } from '../../framework/integration.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import { type Admission, endLocked } from './admission.js';
import type { People } from './people.js';

/** How often a node asks which of its connected users are locked out. */
const INTERVAL_MS = 750;
/** Users that are asked about in one query, and at most for each interval: with more connected, a pass takes longer. */
const CHUNK = 1000;
const CHUNKS_PER_INTERVAL = 8;

interface Dependencies {
  people: People;
  admission: Admission;
  clock: Clock;
  logger: Logger;
}

/**
 * Disconnects users who are blocked or deactivated while they are connected, on every namespace that knows users. Other
 * services write that into `_users` and tell no one, so it is polled: by `_id`, and only locked users are returned.
 */
export function createLockWatch(dependencies: Dependencies): Required<Pick<Integration, 'listener' | 'start'>> {
  const { people, admission, clock, logger } = dependencies;
  const sockets = new Set<GatewaySocket>();
  /** Users of the current pass who were not asked about yet. */
  let waiting: string[] = [];
  let running: Promise<void> | undefined;

  const connectedUsers = (): string[] => {
    const ids = new Set<string>();
    for (const { data } of sockets) if (data.principal.kind === 'user') ids.add(data.principal.userId);
    return [...ids];
  };

  const end = (locked: ReadonlySet<string>): void => {
    for (const id of locked) admission.noteLocked(id);
    for (const socket of [...sockets]) {
      const { principal } = socket.data;
      if (principal.kind === 'user' && locked.has(principal.userId.toLowerCase())) endLocked(socket);
    }
  };

  const look = async (): Promise<void> => {
    if (waiting.length === 0) waiting = connectedUsers();
    for (let chunks = 0; chunks < CHUNKS_PER_INTERVAL && waiting.length > 0; chunks += 1) {
      const locked = await people.lockedOut(waiting.splice(0, CHUNK));
      if (locked.size > 0) end(locked);
    }
  };

  return {
    listener: {
      connected: (socket) => void (tokenNamespaces.includes(socket.nsp.name) && sockets.add(socket)),
      disconnected: (socket) => void sockets.delete(socket),
    },
    start() {
      const cancel = clock.every(INTERVAL_MS, () => {
        running ??= look()
          .catch((error: unknown) => logger.warn({ err: error }, 'reading which connected users are locked out failed'))
          .finally(() => {
            running = undefined;
          });
      });
      return async () => {
        cancel();
        await running;
      };
    },
  };
}

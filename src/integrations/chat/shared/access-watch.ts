import { chatNamespaces } from '#shared/contracts/namespaces.js';
import { groupTypes } from '#shared/models/user.js';
import type { Context } from '../../../framework/context.js';
import type { Integration } from '../../../framework/integration.js';
import { startPolling } from '../../../platform/poller.js';
import { rooms } from '../../../realtime/rooms.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import { endLocked, type People } from '../../users/index.js';

/** How often a node checks its connected users. */
const INTERVAL_MS = 5000;
const CHUNK = 1000;

/**
 * Other services delete users and remove them from groups without notification. Each event checks its caller; this
 * watch stops what such users still receive. The lock watch finds locked users sooner.
 */
export function createAccessWatch(
  { clock, logger }: Context,
  people: People,
): Required<Pick<Integration, 'listeners' | 'start'>> {
  const sockets = new Set<GatewaySocket>();

  const byUser = (): Map<string, GatewaySocket[]> => {
    const found = new Map<string, GatewaySocket[]>();
    for (const socket of sockets) {
      const { principal } = socket.data;
      if (principal.kind !== 'user') continue;
      const own = found.get(principal.userId);
      if (own === undefined) found.set(principal.userId, [socket]);
      else own.push(socket);
    }
    return found;
  };

  const poll = async (): Promise<void> => {
    const users = byUser();
    const ids = [...users.keys()];
    for (let start = 0; start < ids.length; start += CHUNK) {
      const chunk = ids.slice(start, start + CHUNK);
      const persons = new Map((await people.findMany(chunk)).map((person) => [person.id, person]));
      for (const id of chunk) {
        const person = persons.get(id.toLowerCase());
        for (const socket of users.get(id) ?? []) {
          if (person === undefined) endLocked(socket);
          else leaveGroups(socket, person.groups);
        }
      }
    }
  };

  return {
    listeners: [
      {
        connected: (socket) => void (chatNamespaces.includes(socket.nsp.name) && sockets.add(socket)),
        disconnected: (socket) => void sockets.delete(socket),
      },
    ],
    start() {
      const onError = (error: unknown): void => logger.warn({ err: error }, 'chats: checking connected users failed');
      return startPolling({ clock, intervalMs: INTERVAL_MS, poll, onError });
    },
  };
}

/** Removes a socket from the rooms of groups that its user has left. */
function leaveGroups(socket: GatewaySocket, groups: readonly string[]): void {
  for (const type of groupTypes) {
    if (!groups.includes(type) && socket.rooms.has(rooms.group(type))) void socket.leave(rooms.group(type));
  }
}

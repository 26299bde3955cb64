import { chatNamespaces } from '#shared/contracts/namespaces.js';
import { groupTypes } from '#shared/models/user.js';
import type { Context } from '../../../framework/context.js';
import type { Integration } from '../../../framework/integration.js';
import { chunksOf, groupBy } from '../../../platform/lists.js';
import { startPolling } from '../../../platform/time/poller.js';
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

  const poll = async (): Promise<void> => {
    const ofUsers = [...sockets].flatMap((socket) => {
      const { principal } = socket.data;
      return principal.kind === 'user' ? { socket, userId: principal.userId } : [];
    });
    for (const chunk of chunksOf([...groupBy(ofUsers, ({ userId }) => userId)], CHUNK)) {
      const found = await people.findMany(chunk.map(([id]) => id));
      const persons = new Map(found.map((person) => [person.id, person]));
      for (const [id, own] of chunk) {
        const person = persons.get(id.toLowerCase());
        for (const { socket } of own) {
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
      const onError = (error: unknown): void =>
        logger.warn({ err: error }, 'chats: checking connected users failed; retrying');
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

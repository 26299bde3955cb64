import { chatNamespaces } from '#shared/contracts/namespaces.js';
import { groupTypes } from '#shared/models/user.js';
import type { Context } from '../../../framework/context.js';
import type { Integration } from '../../../framework/integration.js';
import { rooms } from '../../../realtime/rooms.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import { endLocked, type People } from '../../users/index.js';

/** How often a node reads the users who are connected to it. */
const INTERVAL_MS = 5000;
const CHUNK = 1000;

/**
 * Other services delete users and remove them from groups without telling the gateway. An event is checked when it comes;
 * this ends what such users still receive. Users who are locked out are found sooner, by the lock watch.
 */
export function createWatch(
  { clock, logger }: Context,
  people: People,
): Required<Pick<Integration, 'listener' | 'start'>> {
  const sockets = new Set<GatewaySocket>();
  let looking: Promise<void> | undefined;

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

  const look = async (): Promise<void> => {
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
    listener: {
      connected: (socket) => void (chatNamespaces.includes(socket.nsp.name) && sockets.add(socket)),
      disconnected: (socket) => void sockets.delete(socket),
    },
    start() {
      const cancel = clock.every(INTERVAL_MS, () => {
        looking ??= look()
          .catch((error: unknown) => logger.warn({ err: error }, 'chats: reading the connected users failed'))
          .finally(() => {
            looking = undefined;
          });
      });
      return async () => {
        cancel();
        await looking;
      };
    },
  };
}

/** Takes a socket out of the groups that its user has left. */
function leaveGroups(socket: GatewaySocket, groups: readonly string[]): void {
  for (const type of groupTypes) {
    if (!groups.includes(type) && socket.rooms.has(rooms.group(type))) void socket.leave(rooms.group(type));
  }
}

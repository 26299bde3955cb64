import type { GatewayServer } from '../../transport/socket.js';
import { everySocket, socketsIn } from '../../transport/socket.js';
import { userNamespaces } from '../namespaces.js';
import { rooms } from '../rooms.js';
import type { MailboxSockets } from './index.js';
import { GENERAL_SITE } from './message.js';

/** The sockets that have a mailbox are those in the room of their user: no list of their own has to be kept. */
export const createMailboxSockets = (io: GatewayServer): MailboxSockets => ({
  of: ({ userId }) => socketsIn(io, rooms.user(userId), userNamespaces),
  *all() {
    for (const socket of everySocket(io)) {
      const { principal } = socket.data;
      if (principal.kind !== 'user' || !userNamespaces.includes(socket.nsp.name)) continue;
      yield { recipient: { site: GENERAL_SITE, userId: principal.userId }, socket };
    }
  },
});

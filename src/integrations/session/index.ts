import { session } from '#shared/contracts/session.js';
import type { Context } from '../../realtime/context.js';
import { GENERAL_SITE, type Recipient } from '../../realtime/delivery/message.js';
import { type Integration, mountEvents } from '../../realtime/integration.js';
import { userNamespaces } from '../../realtime/namespaces.js';
import type { GatewaySocket } from '../../transport/dispatch.js';
import type { Admission } from '../chats/index.js';
import { handlers } from './handlers.js';

export { handlers as sessionHandlers } from './handlers.js';

/** Lets the users of the platform into their namespaces, and keeps the token of an open socket fresh. */
export const createSession = ({ userAuth, delivery }: Context, admission: Admission): Integration => ({
  name: session.name,
  namespaces: userNamespaces.map((name) => ({
    name,
    scopes: ['conversation'],
    async authenticate(handshake) {
      const principal = await userAuth.atHandshake(handshake);
      admission.ensureNotLocked(principal.userId);
      return principal;
    },
  })),
  mounts: [mountEvents(session, handlers, { namespaces: userNamespaces })],
  listener: {
    connected(socket) {
      admission.listener.connected(socket);
      withRecipient(socket, delivery.connect);
    },
    disconnected: (socket) => withRecipient(socket, delivery.disconnect),
  },
});

/** The sockets of the platform's users have a mailbox. */
function withRecipient(socket: GatewaySocket, act: (socket: GatewaySocket, recipient: Recipient) => void): void {
  const { principal } = socket.data;
  if (principal.kind !== 'user' || !userNamespaces.includes(socket.nsp.name)) return;
  act(socket, { site: GENERAL_SITE, userId: principal.userId });
}

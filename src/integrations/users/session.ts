import { userNamespaces } from '#shared/contracts/namespaces.js';
import { session } from '#shared/contracts/session.js';
import type { Context } from '../../framework/context.js';
import { type Handlers, mountEvents } from '../../framework/events.js';
import type { Integration } from '../../framework/integration.js';
import { GENERAL_SITE, type Recipient } from '../../realtime/delivery/message.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import type { LockCheck } from './lock-check.js';

/** The events of the session contract. */
export const sessionHandlers: Handlers<typeof session> = {
  refresh_token: ({ token }, context) => context.renew(token),
};

/** Authenticates users of the platform in their namespaces, and renews the tokens of open sockets. */
export const createSession = ({ userAuth, delivery }: Context, lockCheck: LockCheck): Integration => ({
  name: session.name,
  namespaces: userNamespaces.map((name) => ({
    name,
    scopes: ['conversation'],
    async authenticate(handshake, address) {
      const principal = await userAuth.atHandshake(handshake, address);
      lockCheck.ensureNotLocked(principal.userId);
      return principal;
    },
  })),
  mounts: [mountEvents(session, sessionHandlers, { namespaces: userNamespaces })],
  listeners: [
    lockCheck.listener,
    {
      connected: (socket) => withRecipient(socket, delivery.connect),
      disconnected: (socket) => withRecipient(socket, delivery.disconnect),
    },
  ],
});

/** Sockets of the platform's users have a mailbox. */
function withRecipient(socket: GatewaySocket, act: (socket: GatewaySocket, recipient: Recipient) => void): void {
  const { principal } = socket.data;
  if (principal.kind !== 'user' || !userNamespaces.includes(socket.nsp.name)) return;
  act(socket, { site: GENERAL_SITE, userId: principal.userId });
}

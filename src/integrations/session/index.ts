import { session } from '#shared/contracts/session.js';
import type { Context } from '../../realtime/context.js';
import { GENERAL_SITE } from '../../realtime/delivery/message.js';
import { type Integration, mountEvents } from '../../realtime/integration.js';
import { userNamespaces } from '../../realtime/namespaces.js';
import { handlers } from './handlers.js';

/** Lets the users of the platform into their namespaces, and keeps the token of an open socket fresh. */
export const createSession = ({ userAuth, delivery }: Context): Integration => ({
  name: session.name,
  namespaces: userNamespaces.map((name) => ({
    name,
    scopes: ['conversation'],
    authenticate: (handshake) => userAuth.atHandshake(handshake),
  })),
  mounts: [mountEvents(session, handlers, { namespaces: userNamespaces })],
  listener: {
    connected(socket) {
      const { principal, deviceId } = socket.data;
      if (principal.kind !== 'user' || !userNamespaces.includes(socket.nsp.name)) return;
      delivery.connect(socket, { site: GENERAL_SITE, userId: principal.userId, deviceId });
    },
    disconnected: (socket) => delivery.disconnect(socket),
  },
});

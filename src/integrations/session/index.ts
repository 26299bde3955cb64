import { session } from '#shared/contracts/session.js';
import type { Context } from '../../realtime/context.js';
import { type Integration, mountEvents } from '../../realtime/integration.js';
import { userNamespaces } from '../../realtime/namespaces.js';
import { handlers } from './handlers.js';

/** Lets the users of the platform into their namespaces, and keeps the token of an open socket fresh. */
export const createSession = ({ userAuth }: Context): Integration => ({
  name: session.name,
  namespaces: userNamespaces.map((name) => ({
    name,
    scopes: ['conversation'],
    authenticate: (handshake) => userAuth.atHandshake(handshake),
  })),
  mounts: [mountEvents(session, handlers, { namespaces: userNamespaces })],
});

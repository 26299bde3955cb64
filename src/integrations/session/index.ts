import { session } from '#shared/contracts/session.js';
import { type Integration, mountEvents } from '../../realtime/integration.js';
import { userNamespaces } from '../../realtime/namespaces.js';
import { handlers } from './handlers.js';

/** Keeps the token of an open socket fresh, on every namespace of users. */
export const createSession = (): Integration => ({
  name: session.name,
  mounts: [mountEvents(session, handlers, { namespaces: userNamespaces })],
  routes: [],
});

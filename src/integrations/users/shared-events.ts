import { sharedNamespace } from '#shared/contracts/namespaces.js';
import { sharedEvents } from '#shared/contracts/shared-events.js';
import { ensureUser } from '../../auth/principal.js';
import type { Context } from '../../framework/context.js';
import { type Handlers, mountEvents } from '../../framework/events.js';
import type { Integration } from '../../framework/integration.js';

/** The events of the shared contract. */
const createHandlers = ({ sockets }: Context): Handlers<typeof sharedEvents> => ({
  join: (_data, { principal, socketId }) => sockets.join(ensureUser(principal).userId, socketId),
});

/** `/v1/shared`: clients subscribe, backends emit. */
export const createSharedEvents = (context: Context): Integration => ({
  name: sharedEvents.name,
  mounts: [mountEvents(sharedEvents, createHandlers(context), { namespaces: [sharedNamespace] })],
});

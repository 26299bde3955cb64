import type { sharedEvents } from '#shared/contracts/shared-events.js';
import { ensureUser } from '../../auth/principal.js';
import type { Context } from '../../realtime/context.js';
import type { Handlers } from '../../realtime/integration.js';

/** The events of the shared contract. */
export const createHandlers = ({ sockets }: Context): Handlers<typeof sharedEvents> => ({
  join: (_data, { principal, socketId }) => sockets.join(ensureUser(principal).userId, socketId),
});

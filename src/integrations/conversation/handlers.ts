import type { conversation } from '#shared/contracts/conversation.js';
import { ensureUser } from '../../auth/principal.js';
import type { Context } from '../../realtime/context.js';
import type { Handlers } from '../../realtime/integration.js';
import type { ActiveStatus } from './active-status.js';

/** The events of the conversation contract. */
export const createHandlers = ({ sockets }: Context, activeStatus: ActiveStatus): Handlers<typeof conversation> => ({
  join: async (_data, { principal, socketId }) => {
    const user = ensureUser(principal);
    await sockets.join(user.userId, socketId);
    await activeStatus.set(user, 'active', socketId);
  },
  active_status: ({ status }, { principal, socketId }) => activeStatus.set(ensureUser(principal), status, socketId),
});

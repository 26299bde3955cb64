import type { session } from '#shared/contracts/session.js';
import type { Handlers } from '../../realtime/integration.js';

/** The events of the session contract. */
export const handlers: Handlers<typeof session> = {
  refresh_token: ({ token }, context) => context.renew(token),
};

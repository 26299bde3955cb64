import type { inspection } from '#shared/contracts/inspection.js';
import type { RouteHandlers } from '../../framework/routes.js';
import type { createLive } from './live.js';
import type { createMessageInspection } from './messages.js';
import type { createUserInspection } from './users.js';

/** Route handlers of the inspection. */
export const createRoutes = (
  users: ReturnType<typeof createUserInspection>,
  messages: ReturnType<typeof createMessageInspection>,
  live: ReturnType<typeof createLive>,
): RouteHandlers<typeof inspection> => ({
  users: ({ query: { search, limit } }) => users.search(search, Number(limit)),
  user: ({ params: { userId } }) => users.inspect(userId),
  messages: ({ query: { idempotencyKey } }) => messages.byKey(idempotencyKey),
  message: ({ params: { id } }) => messages.byId(id),
  live: ({ request, response, query, isStillValid }) =>
    live({ response, isStillValid: () => isStillValid(request) }, query),
});

import type { cluster } from '#shared/contracts/cluster.js';
import type { RouteHandlers } from '../../framework/routes.js';
import type { createClusterService } from './service.js';

/** Route handlers of the overview. */
export const createRoutes = (service: ReturnType<typeof createClusterService>): RouteHandlers<typeof cluster> => ({
  overview: () => service.overview(),
  history: ({ query: { steps } }) => service.history(Number(steps)),
});

import { emitApi } from '#shared/contracts/emit-api.js';
import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import { mountRoutes } from '../../framework/routes.js';
import { createRoutes } from './routes.js';
import { createEmitService } from './service.js';

/** REST routes for backends: emit, broadcast, disconnect, presence. */
export const createEmitApi = (context: Context): Integration => ({
  name: emitApi.name,
  routes: mountRoutes(emitApi, createRoutes(createEmitService(context))),
});

import { administration } from '#shared/contracts/administration.js';
import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import { mountRoutes } from '../../framework/routes.js';
import { createRoutes } from './routes.js';
import { createAdministrationService } from './service.js';

/** Routes for operators of the gateway, and for consoles. */
export const createAdministration = (context: Context): Integration => ({
  name: administration.name,
  routes: mountRoutes(administration, createRoutes(createAdministrationService(context))),
});

import { operations } from '#shared/contracts/operations.js';
import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import { mountRoutes } from '../../framework/routes.js';
import { createRoutes } from './routes.js';

/** Routes about the gateway itself: health, metrics, and the API documents. */
export const createOperations = (context: Context): Integration => ({
  name: operations.name,
  routes: mountRoutes(operations, createRoutes(context)),
});

import { inspection } from '#shared/contracts/inspection.js';
import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import { mountRoutes } from '../../framework/routes.js';
import type { UserServices } from '../users/index.js';
import { createLive } from './live.js';
import { createMessageInspection } from './messages.js';
import { createRoutes } from './routes.js';
import { createUserInspection } from './users.js';

/** Routes that explain why a user did not get a message. */
export const createInspection = (context: Context, { people }: UserServices): Integration => ({
  name: inspection.name,
  routes: mountRoutes(
    inspection,
    createRoutes(createUserInspection(context, people), createMessageInspection(context), createLive(context)),
  ),
});

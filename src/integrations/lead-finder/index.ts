import { leadFinder } from '#shared/contracts/lead-finder.js';
import { anonymous } from '../../auth/principal.js';
import type { Context } from '../../realtime/context.js';
import { type Integration, mountEvents, mountRoutes } from '../../realtime/integration.js';
import { leadFinderNamespace } from '../../realtime/namespaces.js';
import { handlers } from './handlers.js';
import { createRoutes } from './routes.js';

/** `/v1/lead-finder`: whoever knows a scraper's id follows it; the backend tells them how it gets on. */
export const createLeadFinder = (context: Context): Integration => ({
  name: leadFinder.name,
  namespaces: [{ name: leadFinderNamespace, scopes: [], authenticate: () => anonymous }],
  mounts: [mountEvents(leadFinder, handlers, { namespaces: [leadFinderNamespace] })],
  routes: mountRoutes(leadFinder, createRoutes(context)),
});

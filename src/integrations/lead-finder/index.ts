import { leadFinder } from '#shared/contracts/lead-finder.js';
import { leadFinderNamespace } from '#shared/contracts/namespaces.js';
import { anonymous } from '../../auth/principal.js';
import type { Context } from '../../framework/context.js';
import { mountEvents } from '../../framework/events.js';
import type { Integration } from '../../framework/integration.js';
import { mountRoutes } from '../../framework/routes.js';
import { handlers } from './handlers.js';
import { createRoutes } from './routes.js';

/** `/v1/lead-finder`: clients subscribe with the id of a scraper; backends send its progress. */
export const createLeadFinder = (context: Context): Integration => ({
  name: leadFinder.name,
  namespaces: [{ name: leadFinderNamespace, scopes: [], authenticate: () => anonymous }],
  mounts: [mountEvents(leadFinder, handlers, { namespaces: [leadFinderNamespace] })],
  routes: mountRoutes(leadFinder, createRoutes(context)),
});

import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import { prospect } from '#shared/contracts/prospect.js';
import type { Context } from '../../../framework/context.js';
import { mountEvents } from '../../../framework/events.js';
import type { Integration } from '../../../framework/integration.js';
import { mountRoutes } from '../../../framework/routes.js';
import type { ConversationServices } from '../service.js';
import { createHandlers } from './handlers.js';
import { createRoutes } from './routes.js';
import { createProspectService } from './service.js';

/** The `prospect_*` events on the namespaces of team conversations, and the REST routes by which backends emit them. */
export const createProspect = (context: Context, services: ConversationServices): Integration => {
  const service = createProspectService(context, services);
  return {
    name: prospect.name,
    mounts: [mountEvents(prospect, createHandlers(services, service), { namespaces: conversationNamespaces })],
    routes: mountRoutes(prospect, createRoutes(service)),
    resending: services.prospects.resending,
    start: services.prospects.snoozes.start,
  };
};

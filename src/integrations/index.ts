import type { Context } from '../framework/context.js';
import type { Integration } from '../framework/integration.js';
import { createAdministration } from './administration/index.js';
import { createChat } from './chat/index.js';
import { createCluster } from './cluster/index.js';
import { createConsole } from './console/index.js';
import { createConversation } from './conversation/index.js';
import { createEmitApi } from './emit-api/index.js';
import { createInspection } from './inspection/index.js';
import { createLeadFinder } from './lead-finder/index.js';
import { createOperations } from './operations/index.js';
import { createPushSites } from './push-sites/index.js';
import { createUserServices, createUsers } from './users/index.js';

/** Every integration, in mount order. A new one is a folder here and a line in this list. */
export function createIntegrations(context: Context): Integration[] {
  const users = createUserServices(context);
  return [
    ...createChat(context, users),
    ...createUsers(context, users),
    ...createConversation(context, users),
    createLeadFinder(context),
    createEmitApi(context),
    createAdministration(context),
    createCluster(context),
    createInspection(context, users),
    createPushSites(context),
    createOperations(context),
    ...createConsole(context),
  ];
}

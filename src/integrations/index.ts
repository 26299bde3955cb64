import type { Context } from '../realtime/context.js';
import type { Integration } from '../realtime/integration.js';
import { createChatServices, createChats } from './chats/index.js';
import { createCommunityChat } from './community/index.js';
import { createConversation, createConversationServices } from './conversation/index.js';
import { createEmitApi } from './emit-api/index.js';
import { createLeadFinder } from './lead-finder/index.js';
import { createProspect } from './prospect/index.js';
import { createPushSites } from './push-sites/index.js';
import { createSession } from './session/index.js';
import { createSharedEvents } from './shared-events/index.js';
import { createSupport } from './support/index.js';

/** Every integration, in mount order. A new one is a folder beside these and a line here. */
export const createIntegrations = (context: Context): Integration[] => {
  const conversations = createConversationServices(context);
  const chats = createChatServices(context);
  const support = createSupport(context, chats);
  const community = createCommunityChat(context, chats);
  return [
    createChats(context, chats, [support, community]),
    support,
    community,
    createSession(context, chats.admission),
    createConversation(context, conversations),
    createProspect(context, conversations),
    createLeadFinder(context),
    createSharedEvents(context),
    createEmitApi(context),
    createPushSites(context),
  ];
};

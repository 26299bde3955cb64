import { conversation } from '#shared/contracts/conversation.js';
import type { Context } from '../../realtime/context.js';
import { type Integration, mountEvents } from '../../realtime/integration.js';
import { conversationNamespaces } from '../../realtime/namespaces.js';
import { createActiveStatus } from './active-status.js';
import { createHandlers } from './handlers.js';
import type { ConversationServices } from './service.js';

export { toViewer, type Viewer } from './core/index.js';
export { type ConversationServices, createConversationServices } from './service.js';

/** `/v1/conversation` and `/v1/conversation/live`. */
export const createConversation = (context: Context, services: ConversationServices): Integration => {
  const activeStatus = createActiveStatus(context);
  const { snoozes } = services.team;
  return {
    name: conversation.name,
    mounts: [
      mountEvents(conversation, createHandlers(context, { ...services, activeStatus }), {
        namespaces: conversationNamespaces,
      }),
    ],
    onUserOffline: (user) => activeStatus.set(user, 'away'),
    start: snoozes.start,
  };
};

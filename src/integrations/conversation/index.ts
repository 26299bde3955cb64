import { conversation } from '#shared/contracts/conversation.js';
import type { Context } from '../../realtime/context.js';
import { type Integration, mountEvents } from '../../realtime/integration.js';
import { conversationNamespaces } from '../../realtime/namespaces.js';
import { createActiveStatus } from './active-status.js';
import { createHandlers } from './handlers.js';

/** `/v1/conversation` and `/v1/conversation/live`. */
export const createConversation = (context: Context): Integration => {
  const activeStatus = createActiveStatus(context);
  return {
    name: conversation.name,
    mounts: [mountEvents(conversation, createHandlers(context, activeStatus), { namespaces: conversationNamespaces })],
    onUserOffline: (user) => activeStatus.set(user, 'away'),
  };
};

import type { community } from '#shared/contracts/community.js';
import type { RouteHandlers } from '../../../framework/routes.js';
import type { CommunityServices } from './service.js';

const CHATS = 20;
const MESSAGES = 50;

/** The routes of the chats. They use the same services as the events. */
export const createRoutes = (services: CommunityServices): RouteHandlers<typeof community> => {
  const { lists, openDirect, history, send } = services;
  return {
    listChats: ({ principal, query }) => lists.page(principal, { ...query, limit: Number(query.limit ?? CHATS) }),
    openDirectChat: ({ principal, body }) => openDirect(principal, body.participantId),
    listMessages: ({ principal, params, query }) =>
      history(principal, { ...params, ...query, limit: Number(query.limit ?? MESSAGES) }),
    sendMessage: ({ principal, params, body }) => send(principal, { ...params, ...body }),
  };
};

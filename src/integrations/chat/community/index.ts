import { community } from '#shared/contracts/community.js';
import { communityNotifications, communityPeople } from '#shared/contracts/community-people.js';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../../framework/context.js';
import { mountEvents } from '../../../framework/events.js';
import type { Integration } from '../../../framework/integration.js';
import { mountRoutes } from '../../../framework/routes.js';
import { type ChatServices, toRequestFailure } from '../shared/index.js';
import { createChatHandlers, createNotificationHandlers, createPeopleHandlers } from './handlers.js';
import { communityReplyFormat } from './reply-format.js';
import { createResending } from './resending.js';
import { createRoutes } from './routes.js';
import { createCommunityServices } from './service.js';

/** The community chat on `/`: chats, notifications, groups and presence. */
export function createCommunityChat(context: Context, chats: ChatServices): Integration {
  const services = createCommunityServices(context, chats);
  const { authentication } = chats;
  const where = { namespaces: [chatNamespace], replyFormat: communityReplyFormat };
  return {
    name: community.name,
    mounts: [
      mountEvents(community, createChatHandlers(services), where),
      mountEvents(communityNotifications, createNotificationHandlers(services, authentication), where),
      mountEvents(communityPeople, createPeopleHandlers(services), where),
    ],
    routes: mountRoutes(community, createRoutes(services), {
      authenticate: authentication.authenticateRequest,
      toFailure: toRequestFailure,
    }),
    listeners: [services.typing.listener, services.activeViewers.listener],
    resending: createResending({ ...context, ...chats, summaries: services.summaries, services }),
    contactsOf: services.community.of,
    // Online users are found among many by `lastSeen`.
    onUsersOnline: (users) => chats.noteSeen(users.map(({ userId }) => userId)),
    start() {
      const end = services.activeViewers.start();
      return async () => {
        await Promise.all([services.coalescer.flush(), services.settling.stop()]);
        await Promise.all([end(), services.log.stop()]);
      };
    },
  };
}

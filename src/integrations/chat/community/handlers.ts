import type { community } from '#shared/contracts/community.js';
import type { communityNotifications, communityPeople } from '#shared/contracts/community-people.js';
import type { Handlers } from '../../../framework/events.js';
import type { Authentication } from '../shared/index.js';
import type { CommunityServices } from './service.js';

/** Handlers of chat events. */
export const createChatHandlers = (services: CommunityServices): Handlers<typeof community> => {
  const { room, send, typing, changes, pins, read } = services;
  return {
    'chat:join': ({ chatId }, here) => room.join(here, chatId),
    'chat:leave': ({ chatId }, here) => room.leave(here, chatId),
    'chat:send_message': async (data, { principal, socketId }) => {
      const message = await send(principal, data);
      // After sending: of two concurrent events, the one that starts typing may be handled second.
      typing.stop(socketId, message.chat);
      return message;
    },
    'chat:typing_start': ({ chatId }, here) => room.startTyping(here, chatId),
    'chat:typing_stop': ({ chatId }, here) => room.stopTyping(here, chatId),
    'chat:mark_read': (data, { principal }) => read(principal, data),
    'chat:edit_message': (data, { principal }) => changes.edit(principal, data),
    'chat:delete_message': (data, { principal }) => changes.remove(principal, data),
    'chat:add_reaction': (data, { principal }) => changes.react(principal, data),
    'chat:pin_message': (data, { principal }) => pins.pin(principal, data),
    'chat:unpin_message': (data, { principal }) => pins.unpin(principal, data),
  };
};

/** Handlers of notification events. */
export const createNotificationHandlers = (
  { notifications, rateLimits }: CommunityServices,
  { userOf }: Authentication,
): Handlers<typeof communityNotifications> => ({
  'notification:list': async (data, { principal }) => {
    await rateLimits.pay(principal, { rows: data.limit });
    return notifications.list(await userOf(principal), data);
  },
  'notification:mark_read': async ({ notificationId }, { principal }) =>
    notifications.markRead(await userOf(principal), notificationId),
  'notification:mark_all_read': async (_data, { principal }) => notifications.markAllRead(await userOf(principal)),
  'notification:get_unread_count': async (_data, { principal, send }) => {
    const unread = await notifications.count(await userOf(principal));
    send({ event: 'notification:unread_count', payload: unread });
    return unread;
  },
});

/** Handlers of group and presence events. */
export const createPeopleHandlers = ({ groups, statuses }: CommunityServices): Handlers<typeof communityPeople> => ({
  'group:join': ({ groupType }, here) => groups.join(here, groupType),
  'group:leave': ({ groupType }, here) => groups.leave(here, groupType),
  'group:get_online': (data, { principal }) => groups.getOnline(principal, data),
  'presence:update_status': ({ status }, { principal }) => statuses.update(principal, status),
  'presence:get_online': (data, { principal }) => statuses.getOnline(principal, data),
});

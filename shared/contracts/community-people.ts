import { z } from 'zod';
import {
  groupType,
  notification,
  communityPayloads as payloads,
  personPresence,
  presenceStatus,
  unreadCount,
} from './community-parts.js';
import { defineContract } from './contract.js';
import { isoTime } from './primitives.js';

/** How often one user may ask for anything. What is much work has a lower limit besides. */
const often = { points: 150, windowMs: 10_000 };

const member = z.object({ groupType, userId: z.string(), userName: z.string(), timestamp: isoTime });

/** The notifications of the community, on `/`. */
export const communityNotifications = defineContract({
  name: 'community-notifications',
  clientEvents: {
    'notification:list': {
      summary: "The user's notifications, newest first.",
      payload: payloads.notifications,
      answer: z.object({ notifications: z.array(notification), unreadCount: z.number().int(), hasMore: z.boolean() }),
      limit: often,
    },
    'notification:mark_read': {
      summary: 'A notification was read.',
      payload: payloads.notification,
      answer: unreadCount,
      limit: often,
    },
    'notification:mark_all_read': {
      summary: 'All notifications were read.',
      payload: payloads.nothing,
      answer: unreadCount,
      limit: often,
    },
    'notification:get_unread_count': {
      summary: 'How many notifications are unread; sent as notification:unread_count, too.',
      payload: payloads.nothing,
      answer: unreadCount,
      limit: often,
    },
  },
  serverEvents: {
    'notification:new': { summary: 'Something the user should come to know.', payload: notification },
    'notification:unread_count': {
      summary: 'How many notifications are unread, after a change.',
      payload: unreadCount,
    },
    'notification:read': {
      summary: 'A notification was read on one of the sockets; `null`: all of them were.',
      payload: z.object({ notificationId: z.string().nullable(), readAt: isoTime }),
    },
  },
});

/** The groups of the community and the status of its people, on `/`. */
export const communityPeople = defineContract({
  name: 'community-people',
  clientEvents: {
    'group:join': {
      summary: 'Hears a group of the user with this socket, as from the moment of connecting, and says so.',
      payload: payloads.group,
      limit: often,
    },
    'group:leave': { summary: 'Hears the group no more with this socket.', payload: payloads.group, limit: often },
    'group:get_online': {
      summary: 'Members of a group who are online, of those who were seen last.',
      payload: payloads.groupOnline,
      answer: z.object({ groupType, users: z.array(personPresence.extend({ userName: z.string() })) }),
      limit: often,
    },
    'presence:update_status': {
      summary: 'How the user wants to be seen.',
      payload: payloads.status,
      answer: personPresence,
      limit: often,
    },
    'presence:get_online': {
      summary: 'Who is online of a chat, or of these people, as far as they share a chat or a group with the user.',
      payload: payloads.online,
      answer: z.object({ online: z.array(z.string()), users: z.array(personPresence) }),
      limit: often,
    },
  },
  serverEvents: {
    'group:user_joined': { summary: 'Somebody hears the group.', payload: member },
    'group:user_left': { summary: 'Somebody hears the group no more.', payload: member },
    'presence:status_changed': {
      summary: 'Somebody who shares a chat or a group with the user wants to be seen differently.',
      payload: z.object({ userId: z.string(), status: presenceStatus, lastSeen: isoTime, timestamp: isoTime }),
    },
  },
});

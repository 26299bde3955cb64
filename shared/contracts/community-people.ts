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

/** General limit per user. Expensive operations have a lower limit as well. */
const often = { points: 150, windowMs: 10_000 };

/** A status is sent to all contacts. */
const statuses = { name: 'community:status', points: 20, windowMs: 60_000 };

/** Groups can have very many members. */
const members = { name: 'community:members', points: 10, windowMs: 10_000 };

const member = z.object({ groupType, userId: z.string(), userName: z.string(), timestamp: isoTime });

/** The notifications of the community, on `/`. */
export const communityNotifications = defineContract({
  name: 'community-notifications',
  clientEvents: {
    'notification:list': {
      summary: "Lists the user's notifications, newest first.",
      payload: payloads.notifications,
      answer: z.object({ notifications: z.array(notification), unreadCount: z.number().int(), hasMore: z.boolean() }),
      limit: often,
      costs: ['rows'],
    },
    'notification:mark_read': {
      summary: 'Marks a notification as read.',
      payload: payloads.notification,
      answer: unreadCount,
      limit: often,
    },
    'notification:mark_all_read': {
      summary: 'Marks all notifications as read.',
      payload: payloads.nothing,
      answer: unreadCount,
      limit: often,
    },
    'notification:get_unread_count': {
      summary: 'Returns the number of unread notifications; also sent as notification:unread_count.',
      payload: payloads.nothing,
      answer: unreadCount,
      limit: often,
    },
  },
  serverEvents: {
    'notification:new': { summary: 'A new notification.', payload: notification },
    'notification:unread_count': {
      summary: 'The number of unread notifications after a change.',
      payload: unreadCount,
    },
    'notification:read': {
      summary: 'A notification was marked as read on another socket; `null`: all were.',
      payload: z.object({ notificationId: z.string().nullable(), readAt: isoTime }),
    },
  },
});

/** Groups and user status of the community, on `/`. */
export const communityPeople = defineContract({
  name: 'community-people',
  clientEvents: {
    'group:join': {
      summary:
        'Subscribes this socket to a group of the user and notifies the group. A connect subscribes to all groups.',
      payload: payloads.group,
      limit: often,
      costs: ['receivers'],
    },
    'group:leave': {
      summary: 'Unsubscribes this socket from the group.',
      payload: payloads.group,
      limit: often,
      costs: ['receivers'],
    },
    'group:get_online': {
      summary: 'Lists online members of a group, among those seen most recently.',
      payload: payloads.groupOnline,
      answer: z.object({ groupType, users: z.array(personPresence.extend({ userName: z.string() })) }),
      limit: members,
      costs: ['examined'],
    },
    'presence:update_status': {
      summary: 'Sets the status of the user.',
      payload: payloads.status,
      answer: personPresence,
      limit: statuses,
      costs: ['receivers'],
    },
    'presence:get_online': {
      summary:
        'Lists online users of a chat, or of the given users, limited to users who share a chat or group with the caller.',
      payload: payloads.online,
      answer: z.object({ online: z.array(z.string()), users: z.array(personPresence) }),
      limit: often,
      costs: ['examined'],
    },
  },
  serverEvents: {
    'group:user_joined': { summary: 'A user subscribed to the group.', payload: member },
    'group:user_left': { summary: 'A user unsubscribed from the group.', payload: member },
    'presence:status_changed': {
      summary: 'A user who shares a chat or group with this user changed their status.',
      payload: z.object({ userId: z.string(), status: presenceStatus, lastSeen: isoTime, timestamp: isoTime }),
    },
  },
});

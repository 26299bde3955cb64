import type { z } from 'zod';
import { community } from '../community.js';
import type { chat, chatMessage, notification } from '../community-parts.js';
import { communityNotifications, communityPeople } from '../community-people.js';
import { defineExamples } from './example.js';
import { ADA, ADA_IMAGE, BEN, BEN_IMAGE } from './values.js';

const CHAT = '6aa59852f4eae28e42853518';
const INVITATION = '6aea2fe5199abd68e32b481d';
const REPLY = '6aea3073c15e54f5de26f3c9';
const NOTIFICATION = '6aea3074745182b15152b5e4';
const KEY = 'c-8f14e45f';

const invitation: z.input<typeof chatMessage> = {
  _id: INVITATION,
  chat: CHAT,
  sender: BEN,
  senderName: 'Ben Brown',
  senderImage: BEN_IMAGE,
  content: 'Are you coming to the evening on Thursday?',
  messageType: 'text',
  clientMessageId: null,
  replyTo: null,
  readBy: [{ user: ADA, readAt: '2026-11-03T19:04:40.120Z' }],
  reactions: [],
  isEdited: false,
  editedAt: null,
  isDeleted: false,
  createdAt: '2026-11-03T19:03:01.733Z',
};

const reply: z.input<typeof chatMessage> = {
  ...invitation,
  _id: REPLY,
  sender: ADA,
  senderName: 'Ada Adams',
  senderImage: ADA_IMAGE,
  content: 'Yes, I look forward to it.',
  clientMessageId: KEY,
  replyTo: INVITATION,
  readBy: [],
  createdAt: '2026-11-03T19:05:23.004Z',
};

const EDITED_AT = '2026-11-03T19:06:10.551Z';
const edited = { ...reply, content: 'Yes, I look forward to it!', isEdited: true, editedAt: EDITED_AT };
const reactions = [{ user: ADA, emoji: '👍' }];

const direct: z.input<typeof chat> = {
  _id: CHAT,
  type: 'direct',
  participants: [ADA, BEN],
  groupName: null,
  chatName: 'Ben Brown',
  chatImage: BEN_IMAGE,
  lastMessage: invitation,
  lastActivity: invitation.createdAt,
  pinnedMessages: [],
  isMuted: false,
  mutedUntil: null,
  unreadCount: 1,
};

const id = { chatId: CHAT };
const about = { chatId: CHAT, messageId: INVITATION };
const ben = { chatId: CHAT, userId: BEN, userName: 'Ben Brown' };
const timestamp = '2026-11-03T19:07:00.000Z';

export const communityExamples = defineExamples(community, {
  clientEvents: {
    'chat:join': { payload: id },
    'chat:leave': { payload: id },
    'chat:send_message': {
      payload: { ...id, content: reply.content, replyToId: INVITATION, clientMessageId: KEY },
      answer: reply,
    },
    'chat:typing_start': { payload: id },
    'chat:typing_stop': { payload: id },
    'chat:mark_read': { payload: { ...id, messageId: INVITATION } },
    'chat:edit_message': { payload: { messageId: REPLY, content: edited.content }, answer: edited },
    'chat:delete_message': { payload: { messageId: REPLY } },
    'chat:add_reaction': { payload: { messageId: INVITATION, emoji: '👍' }, answer: { ...invitation, reactions } },
    'chat:pin_message': { payload: { messageId: INVITATION } },
    'chat:unpin_message': { payload: { messageId: INVITATION } },
  },
  serverEvents: {
    'chat:user_joined': { payload: { ...ben, timestamp } },
    'chat:user_left': { payload: { ...ben, timestamp } },
    'chat:new_message': { payload: { message: invitation, chatId: CHAT, timestamp: invitation.createdAt } },
    'chat:message_read': { payload: { ...about, userId: BEN, readAt: timestamp } },
    'chat:read': { payload: { ...about, userId: ADA, readAt: timestamp } },
    'chat:user_typing': { payload: ben },
    'chat:user_stopped_typing': { payload: { chatId: CHAT, userId: BEN } },
    'chat:message_edited': {
      payload: { chatId: CHAT, messageId: REPLY, content: edited.content, editedAt: EDITED_AT, message: edited },
    },
    'chat:message_deleted': { payload: { chatId: CHAT, messageId: REPLY, deletedBy: ADA, timestamp } },
    'chat:message_reaction': { payload: { ...about, userId: ADA, emoji: '👍', action: 'added', reactions } },
    'chat:message_pinned': { payload: { ...about, pinnedBy: ADA, timestamp } },
    'chat:message_unpinned': { payload: { ...about, unpinnedBy: ADA, timestamp } },
    error: {
      payload: { message: 'There is no such chat', code: 'NOT_FOUND', event: 'chat:join', chatId: CHAT },
    },
  },
  routes: {
    listChats: { query: { limit: '20' }, answer: [direct] },
    openDirectChat: { body: { participantId: BEN }, answer: direct },
    listMessages: { params: id, query: { before: REPLY, limit: '50' }, answer: [invitation] },
    sendMessage: {
      params: id,
      body: { content: reply.content, replyToId: INVITATION, clientMessageId: KEY },
      answer: reply,
    },
  },
});

const news: z.input<typeof notification> = {
  _id: NOTIFICATION,
  type: 'message',
  title: 'Ben Brown',
  message: invitation.content,
  sender: BEN,
  chatId: CHAT,
  messageId: INVITATION,
  isRead: false,
  readAt: null,
  createdAt: '2026-11-03T19:03:01.733Z',
};

export const communityNotificationsExamples = defineExamples(communityNotifications, {
  clientEvents: {
    'notification:list': {
      payload: { limit: 20, unreadOnly: true },
      answer: { notifications: [news], unreadCount: 1, hasMore: false },
    },
    'notification:mark_read': { payload: { notificationId: NOTIFICATION }, answer: { count: 0 } },
    'notification:mark_all_read': { payload: {}, answer: { count: 0 } },
    'notification:get_unread_count': { payload: {}, answer: { count: 1 } },
  },
  serverEvents: {
    'notification:new': { payload: news },
    'notification:unread_count': { payload: { count: 1 } },
    'notification:read': { payload: { notificationId: NOTIFICATION, readAt: '2026-11-03T19:04:40.120Z' } },
  },
});

const online = { userId: BEN, status: 'online', lastSeen: '2026-11-03T19:06:58.210Z' } as const;
const member = { groupType: 'marriage', userId: BEN, userName: 'Ben Brown', timestamp } as const;

export const communityPeopleExamples = defineExamples(communityPeople, {
  clientEvents: {
    'group:join': { payload: { groupType: 'marriage' } },
    'group:leave': { payload: { groupType: 'marriage' } },
    'group:get_online': {
      payload: { groupType: 'marriage', limit: 50 },
      answer: { groupType: 'marriage', users: [{ ...online, userName: 'Ben Brown' }] },
    },
    'presence:update_status': {
      payload: { status: 'busy' },
      answer: { userId: ADA, status: 'busy', lastSeen: timestamp },
    },
    'presence:get_online': { payload: { userIds: [BEN] }, answer: { online: [BEN], users: [online] } },
  },
  serverEvents: {
    'group:user_joined': { payload: member },
    'group:user_left': { payload: member },
    'presence:status_changed': { payload: { userId: BEN, status: 'away', lastSeen: timestamp, timestamp } },
  },
});

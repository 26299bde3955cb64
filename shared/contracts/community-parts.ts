import { z } from 'zod';
import { toEmoji } from '../utilities/emoji.js';
import { isBlank } from '../utilities/visible-text.js';
import { idOrTime, isoTime, objectId, opaqueId, pageLimit, visibleText } from './primitives.js';

/* What the community is made of: the forms that come and go under the names of `community.ts`. */

/** The groups of the community. */
export const groupType = z.enum(['single', 'marriage', 'healing', 'motherhood']);

/** The status that an online user chose. */
export const presenceStatus = z.enum(['online', 'away', 'busy']);

/** The type of a message. */
const chatMessageTypes = ['text', 'image', 'video', 'audio', 'document', 'file', 'scripture', 'prayer'] as const;

/** Maximum number of users in one request. */
const USER_IDS_MAX = 100;

const chatId = { chatId: objectId };
/** The message id is enough. If the chat id is given too, it must match. */
const messageId = { messageId: objectId, chatId: objectId.optional() };
const content = visibleText(2000);
const draft = {
  content,
  messageType: z.enum(chatMessageTypes).default('text'),
  replyToId: objectId.nullish(),
  clientMessageId: opaqueId.nullish(),
};
const emoji = z
  .string()
  .min(1)
  .max(32)
  .regex(/^[^\p{Cc}\p{Cs}\p{Zs}]+$/u, 'must be an emoji')
  .refine((text) => !isBlank(text), 'must be visible')
  .transform(toEmoji);
const limit = z.number().int().min(1).max(100);
const pageSize = pageLimit.optional();
/** Cursor of a page: the id of the last entry of the previous page, or a time. */
const before = idOrTime.optional();

/** Payloads of the events and bodies of the routes, by operation. */
export const communityPayloads = {
  nothing: z.object({}),
  chat: z.object(chatId),
  message: z.object(messageId),
  send: z.object({ ...chatId, ...draft }),
  sendByRest: z.object(draft),
  read: z.object({ ...chatId, messageId: objectId.nullish() }),
  edit: z.object({ ...messageId, content }),
  react: z.object({ ...messageId, emoji }),
  page: z.object({ before, limit: pageSize }),
  messagePage: z.object({ before, after: before, limit: pageSize }),
  direct: z.object({ participantId: objectId }),
  notification: z.object({ notificationId: objectId }),
  notifications: z.object({ before, limit: limit.default(20), unreadOnly: z.boolean().default(false) }),
  group: z.object({ groupType }),
  groupOnline: z.object({ groupType, limit: limit.default(100) }),
  status: z.object({ status: presenceStatus }),
  online: z.union(
    [z.object(chatId), z.object({ userIds: z.array(objectId).max(USER_IDS_MAX) })],
    'must be { chatId }, or { userIds }',
  ),
};

/** A message of a chat; identical for all participants. */
export const chatMessage = z.object({
  _id: z.string(),
  chat: z.string(),
  sender: z.string(),
  senderName: z.string(),
  senderImage: z.string().nullable(),
  content: z.string(),
  messageType: z.string(),
  clientMessageId: z.string().nullable(),
  replyTo: z.string().nullable(),
  readBy: z.array(z.object({ user: z.string(), readAt: isoTime })),
  reactions: z.array(z.object({ user: z.string(), emoji: z.string() })),
  isEdited: z.boolean(),
  editedAt: isoTime.nullable(),
  isDeleted: z.boolean(),
  createdAt: isoTime,
});

/** A chat from the point of view of one participant. */
export const chat = z.object({
  _id: z.string(),
  type: z.enum(['direct', 'group']),
  participants: z.array(z.string()),
  groupName: z.string().nullable(),
  chatName: z.string().describe('The name of the group, or of the other participant.'),
  chatImage: z.string().nullable(),
  lastMessage: chatMessage.nullable(),
  lastActivity: isoTime,
  pinnedMessages: z.array(z.string()),
  isMuted: z.boolean(),
  mutedUntil: isoTime.nullable(),
  unreadCount: z.number().int().describe('Unread messages of others, counted up to 100.'),
});

/** A notification. */
export const notification = z.object({
  _id: z.string(),
  type: z.string(),
  title: z.string(),
  message: z.string(),
  sender: z.string().nullable(),
  chatId: z.string().nullable(),
  messageId: z.string().nullable(),
  isRead: z.boolean(),
  readAt: isoTime.nullable(),
  createdAt: isoTime,
});

/** Number of unread notifications, counted up to 100. */
export const unreadCount = z.object({ count: z.number().int() });

/** A user and their presence. */
export const personPresence = z.object({
  userId: z.string(),
  status: z.enum([...presenceStatus.options, 'offline']),
  lastSeen: isoTime.nullable(),
});

import { z } from 'zod';
import { idOrTime, isoTime, objectId, opaqueId, shownText, time, visibleText } from './primitives.js';

/*
 * Payloads and answers that team conversations (`conversation.ts`) and prospect conversations (`prospect.ts`) share.
 */

/** Maximum number of users in one conversation or call. */
export const USERS_MAX = 500;

/** Whether a team member is active or away. */
export const activeStatus = z.enum(['active', 'away']);

/** The id of a channel, issued by the platform. */
export const channelId = opaqueId;

const users = z.array(objectId).min(1).max(USERS_MAX);
const title = shownText(200);
/**
 * The URL of an image or file: http(s), or relative to the platform. Other schemes are refused because following them can
 * run code or read local data. Browsers ignore blanks and control characters inside a scheme, so this check does too.
 */
const url = z
  .string()
  .min(1)
  .max(2048)
  .refine((text) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that browsers ignore
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text.replaceAll(/[\u0000-\u0020\u007f-\u009f]/g, ''))?.[1];
    return scheme === undefined || /^https?$/i.test(scheme);
  }, 'must be http, https or relative');
const image = z.union([url, z.array(url).max(20)]);

/** The text of a message. */
const messageText = visibleText(10_000);

const conversationUuid = opaqueId
  .describe("The client's id of the conversation; a repeated one is a retry.")
  .optional();
const messageUuid = opaqueId.describe("The client's id of the message; a repeated one is a retry.");

/** An attachment of a message. */
export const attachment = z.union([
  url,
  z.object({
    url,
    name: shownText(256).optional(),
    type: z.string().max(128).optional(),
    size: z.number().int().min(0).optional(),
  }),
]);

/** Paging of a list, newest first. */
const page = {
  page: z.number().int().min(1).max(1_000_000).default(1),
  limit: z.number().int().min(1).max(100).default(20),
};

const conversationId = { conversation_id: objectId };

/** Payloads of the events, by operation. */
export const payloads = {
  nothing: z.object({}),
  /** A conversation of the caller and these users. */
  create: z.object({
    users,
    channel_id: channelId,
    title: title.optional(),
    image: image.optional(),
    UUID: conversationUuid,
  }),
  createProspect: z.object({
    contact_id: objectId,
    channel_id: channelId,
    users: users.optional(),
    title: title.optional(),
    UUID: conversationUuid,
  }),
  list: z.object({
    channel_id: channelId.optional(),
    ...page,
    search: z.string().max(200).optional(),
    message_limit: z.number().int().min(0).max(100).default(1),
  }),
  filter: z.object({
    channel_id: channelId.optional(),
    ...page,
    search: z.string().max(200).optional(),
    message_limit: z.number().int().min(0).max(100).default(1),
    status: z.enum(['open', 'closed', 'unread', 'priority', 'snoozed', 'archived']).optional(),
    users: z.array(objectId).max(50).optional(),
    from: time.optional(),
    to: time.optional(),
  }),
  channel: z.object({
    channel_id: channelId.optional(),
    ...page,
    message_limit: z.number().int().min(0).max(100).default(1),
  }),
  conversation: z.object(conversationId),
  messages: z.object({
    ...conversationId,
    ...page,
    before: idOrTime.describe('A message id or a time; returns older messages only.').optional(),
  }),
  messagesAround: z.object({ ...conversationId, message_id: objectId, limit: page.limit }),
  typing: z.object({ ...conversationId, is_typing: z.boolean().default(true) }),
  read: z.object({ ...conversationId, message_id: objectId.optional() }),
  snooze: z.object({ ...conversationId, until: time.nullable().describe('`null` shows it again.') }),
  archive: z.object({ ...conversationId, archive: z.boolean().default(true) }),
  pin: z.object({ ...conversationId, show_on_top: z.boolean().default(true) }),
  open: z.object({ ...conversationId, is_open: z.boolean() }),
  edit: z.object({ ...conversationId, title: title.optional(), image: image.optional() }),
  addParticipants: z.object({ ...conversationId, users }),
  message: z.object({
    ...conversationId,
    data: messageText,
    type: z.string().min(1).max(32).default('text'),
    UUID: messageUuid.optional(),
    mentions: z.array(objectId).max(USERS_MAX).default([]),
    attachments: z.array(attachment).max(20).default([]),
  }),
  note: z.object({ ...conversationId, data: messageText, UUID: messageUuid.optional() }),
};

const person = z.object({
  _id: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  image: z.string().nullable(),
});

/** A participant. */
export const participant = person.extend({ conversation_active_status: activeStatus });

/** A message of a team conversation, from the point of view of one participant. */
export const teamMessage = z.object({
  _id: z.string(),
  UUID: z.string().nullable(),
  conversation_id: z.string(),
  data: z.string(),
  type: z.string(),
  sent_by: person.omit({ email: true }),
  mentions: z.array(z.string()),
  attachments: z.array(attachment),
  is_sender: z.boolean(),
  createdAt: isoTime,
});

/** A message to or from a contact, or a note about them. `sent_by` is the contact when the type is `INCOMING`. */
export const prospectMessage = z.object({
  _id: z.string(),
  UUID: z.string().nullable(),
  type: z.enum(['INCOMING', 'OUTGOING', 'NOTE']),
  data: z.string(),
  sent_by: person.omit({ image: true }),
  conversation_id: z.string(),
  is_sender: z.boolean(),
  createdAt: isoTime,
});

/** A conversation from the point of view of one participant. */
const conversationOf = <M extends z.ZodType>(message: M) =>
  z.object({
    _id: z.string(),
    title: z.string(),
    image: z.array(z.string()),
    users: z.array(participant),
    channel_id: z.string(),
    created_by: z.string(),
    is_open: z.boolean(),
    show_on_top: z.boolean(),
    snoozed_until: time.nullable(),
    archived: z.boolean(),
    mentioned: z.boolean(),
    unread_count: z.number().int(),
    last_activity: message.nullable(),
    createdAt: isoTime,
    updatedAt: isoTime,
  });

/** A team conversation. */
export const teamConversation = conversationOf(teamMessage);

/** A conversation about a contact. */
export const prospectConversation = conversationOf(prospectMessage).extend({
  contact_id: person.extend({ phone: z.string().nullable() }).nullable(),
});

/** Where a page is in its list. */
export const paging = z.object({
  page: z.number().int(),
  limit: z.number().int(),
  total: z.number().int(),
  has_next: z.boolean(),
});

/** The counters of a channel. */
export const counters = z.object({
  open: z.number().int(),
  unread: z.number().int(),
  closed: z.number().int(),
  priority: z.number().int(),
  snoozed: z.number().int(),
});

/** Answers of the events for one kind of conversation. */
export const answersOf = <C extends z.ZodType, M extends z.ZodType>(conversation: C, message: M) => {
  const list = z.object({
    conversation: z.array(conversation),
    messageList: z.record(z.string(), z.array(message)),
    paging,
  });
  return {
    conversation: z.object({ conversation }),
    list,
    messages: z.object({ conversation, messageList: z.array(message), paging }),
    message: z.object({ message }),
  };
};

/** Payload of `update_conversation`. */
export const updateOf = <C extends z.ZodType>(conversation: C) =>
  z.object({ success: z.literal(true), message: z.literal('SUCCESS'), data: z.object({ conversation }) });

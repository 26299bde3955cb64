import { z } from 'zod';
import { chatError } from './chats.js';
import { chat, chatMessage, communityPayloads as payloads } from './community-parts.js';
import { defineContract } from './contract.js';
import { isoTime, objectId } from './primitives.js';
import { chatRequestFailure } from './wording.js';

/** How often one user may come and go, type, read or change: far above what people do. */
const often = { points: 150, windowMs: 10_000 };

const chatParams = z.object({ chatId: objectId });
const place = { chatId: z.string(), userId: z.string() };
const comingOrGoing = z.object({ ...place, userName: z.string(), timestamp: isoTime });
const aboutMessage = { chatId: z.string(), messageId: z.string() };

/** The chats of the community, on `/` and over REST. */
export const community = defineContract({
  name: 'community',
  clientEvents: {
    'chat:join': {
      summary: 'Is in the chat with this socket, as with every chat from the moment of connecting, and says so.',
      payload: payloads.chat,
      limit: often,
    },
    'chat:leave': {
      summary: 'Looks away from the chat with this socket: messages still come, and notifications with them.',
      payload: payloads.chat,
      limit: often,
    },
    'chat:send_message': {
      summary: 'Says something. The same `clientMessageId` again is the same message, and is answered as it is stored.',
      payload: payloads.send,
      answer: chatMessage,
    },
    'chat:typing_start': {
      summary: 'Tells the others that the user types: for five seconds, or until told otherwise.',
      payload: payloads.chat,
      limit: often,
    },
    'chat:typing_stop': { summary: 'The user types no more.', payload: payloads.chat, limit: often },
    'chat:mark_read': {
      summary: 'Has read everything, or everything up to a message; notifications about it count as read too.',
      payload: payloads.read,
      limit: often,
    },
    'chat:edit_message': {
      summary: 'Changes what the user has said, within 15 minutes.',
      payload: payloads.edit,
      answer: chatMessage,
      limit: often,
    },
    'chat:delete_message': {
      summary: 'Takes back what the user has said. An admin may do so for others in the same chat.',
      payload: payloads.message,
      limit: often,
    },
    'chat:add_reaction': {
      summary: 'Adds a reaction of the user to a message; the same again takes it away.',
      payload: payloads.react,
      answer: chatMessage,
      limit: often,
    },
    'chat:pin_message': {
      summary: 'Pins a message for everybody. Every participant may.',
      payload: payloads.message,
      limit: often,
    },
    'chat:unpin_message': {
      summary: 'The message is pinned no more. Every participant may say so.',
      payload: payloads.message,
      limit: often,
    },
  },
  serverEvents: {
    'chat:user_joined': { summary: 'Somebody is in the chat.', payload: comingOrGoing },
    'chat:user_left': { summary: 'Somebody looks away from the chat.', payload: comingOrGoing },
    'chat:new_message': {
      summary: 'Somebody has said something, the user perhaps.',
      payload: z.object({ message: chatMessage, chatId: z.string(), timestamp: isoTime }),
    },
    'chat:message_read': {
      summary: 'Somebody else has read up to a message.',
      payload: z.object({ ...aboutMessage, userId: z.string(), readAt: isoTime }),
    },
    'chat:user_typing': { summary: 'Somebody types.', payload: z.object({ ...place, userName: z.string() }) },
    'chat:user_stopped_typing': { summary: 'Somebody types no more.', payload: z.object(place) },
    'chat:message_edited': {
      summary: 'A message was changed.',
      payload: z.object({ ...aboutMessage, content: z.string(), editedAt: isoTime, message: chatMessage }),
    },
    'chat:message_deleted': {
      summary: 'A message was taken back.',
      payload: z.object({ ...aboutMessage, deletedBy: z.string(), timestamp: isoTime }),
    },
    'chat:message_reaction': {
      summary: 'Somebody has added a reaction, or taken it away; `reactions` are all of the message.',
      payload: z.object({
        ...aboutMessage,
        userId: z.string(),
        emoji: z.string(),
        action: z.enum(['added', 'removed']),
        reactions: chatMessage.shape.reactions,
      }),
    },
    'chat:message_pinned': {
      summary: 'A message is pinned.',
      payload: z.object({ ...aboutMessage, pinnedBy: z.string(), timestamp: isoTime }),
    },
    'chat:message_unpinned': {
      summary: 'A message is pinned no more.',
      payload: z.object({ ...aboutMessage, unpinnedBy: z.string(), timestamp: isoTime }),
    },
    error: {
      summary: 'An event of the community failed; sent beside the acknowledgement, too.',
      payload: chatError,
    },
  },
  requestFailure: chatRequestFailure,
  routes: {
    listChats: {
      summary: "The caller's chats, the last active first. A page that is not full is the last.",
      caller: 'user',
      method: 'get',
      path: '/api/chats',
      query: payloads.page,
      answer: z.array(chat),
    },
    openDirectChat: {
      summary: 'The chat with one other person, made when there is none.',
      caller: 'user',
      method: 'post',
      path: '/api/chats/direct',
      body: payloads.direct,
      answer: chat,
    },
    listMessages: {
      summary:
        'A page of messages, oldest first: the newest ones, or those next before or after a message or a time. The order is that in which they were stored.',
      caller: 'user',
      method: 'get',
      path: '/api/chats/:chatId/messages',
      params: chatParams,
      query: payloads.messagePage,
      answer: z.array(chatMessage),
    },
    sendMessage: {
      summary: 'Says something, as chat:send_message.',
      caller: 'user',
      method: 'post',
      path: '/api/chats/:chatId/messages',
      status: 201,
      message: 'Message sent successfully',
      params: chatParams,
      body: payloads.sendByRest,
      answer: chatMessage,
    },
  },
});

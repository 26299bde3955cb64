import { z } from 'zod';
import { chatError } from './chats.js';
import { chat, chatMessage, communityPayloads as payloads } from './community-parts.js';
import { defineContract } from './contract.js';
import { isoTime, objectId } from './primitives.js';
import { chatRequestFailure } from './reply-schemas.js';

/** Limit per user for joining, typing, reading and editing; well above human use. */
const often = { points: 150, windowMs: 10_000 };

/** Messages, as the original allows. */
const messages = { name: 'community:send', points: 30, windowMs: 10_000, sparesRetries: true };

/** Changes of messages. */
const changes = { name: 'community:change', points: 30, windowMs: 10_000 };

/** Pages of chats and messages. */
const pages = { name: 'community:page', points: 100, windowMs: 10_000 };

/** Chats with other users. */
const direct = { name: 'community:direct', points: 30, windowMs: 60_000 };

const chatParams = z.object({ chatId: objectId });
const place = { chatId: z.string(), userId: z.string() };
const comingOrGoing = z.object({ ...place, userName: z.string(), timestamp: isoTime });
const aboutMessage = { chatId: z.string(), messageId: z.string() };
const messageRead = z.object({ ...aboutMessage, userId: z.string(), readAt: isoTime });

/** The community chat, on `/` and over REST. */
export const community = defineContract({
  name: 'community',
  clientEvents: {
    'chat:join': {
      summary: 'Marks this socket as viewing the chat and notifies the others. A connect joins all chats.',
      payload: payloads.chat,
      limit: often,
      costs: ['receivers'],
    },
    'chat:leave': {
      summary: 'Marks this socket as no longer viewing the chat. Messages still arrive, and notifications with them.',
      payload: payloads.chat,
      limit: often,
      costs: ['receivers'],
    },
    'chat:send_message': {
      summary: 'Sends a message. A repeated `clientMessageId` returns the stored message.',
      payload: payloads.send,
      answer: chatMessage,
      limit: messages,
      costs: ['rows', 'receivers'],
    },
    'chat:typing_start': {
      summary: 'Shows the user as typing, for five seconds or until stopped.',
      payload: payloads.chat,
      limit: often,
      costs: ['receivers'],
    },
    'chat:typing_stop': { summary: 'Stops showing the user as typing.', payload: payloads.chat, limit: often },
    'chat:mark_read': {
      summary: 'Marks all messages, or those up to one message, as read, together with their notifications.',
      payload: payloads.read,
      limit: often,
      costs: ['examined', 'receivers'],
    },
    'chat:edit_message': {
      summary: 'Edits a message of the user, within 15 minutes.',
      payload: payloads.edit,
      answer: chatMessage,
      limit: changes,
      costs: ['rows', 'receivers', 'details'],
    },
    'chat:delete_message': {
      summary: 'Deletes a message of the user. An admin of the chat may delete messages of others.',
      payload: payloads.message,
      limit: changes,
      costs: ['rows', 'receivers'],
    },
    'chat:add_reaction': {
      summary: 'Toggles a reaction of the user on a message.',
      payload: payloads.react,
      answer: chatMessage,
      limit: changes,
      costs: ['receivers', 'details'],
    },
    'chat:pin_message': {
      summary: 'Pins a message for all participants. Every participant may.',
      payload: payloads.message,
      limit: changes,
      costs: ['receivers'],
    },
    'chat:unpin_message': {
      summary: 'Unpins a message. Every participant may.',
      payload: payloads.message,
      limit: changes,
      costs: ['receivers'],
    },
  },
  serverEvents: {
    'chat:user_joined': { summary: 'A user is viewing the chat.', payload: comingOrGoing },
    'chat:user_left': { summary: 'A user stopped viewing the chat.', payload: comingOrGoing },
    'chat:new_message': {
      summary: 'A new message, possibly of the user.',
      payload: z.object({ message: chatMessage, chatId: z.string(), timestamp: isoTime }),
    },
    'chat:message_read': {
      summary: 'Another user has read up to a message.',
      payload: messageRead,
    },
    'chat:read': { summary: 'The user has read up to a message, on this or another device.', payload: messageRead },
    'chat:user_typing': { summary: 'A user is typing.', payload: z.object({ ...place, userName: z.string() }) },
    'chat:user_stopped_typing': { summary: 'A user stopped typing.', payload: z.object(place) },
    'chat:message_edited': {
      summary: 'A message was edited.',
      payload: z.object({ ...aboutMessage, content: z.string(), editedAt: isoTime, message: chatMessage }),
    },
    'chat:message_deleted': {
      summary: 'A message was deleted.',
      payload: z.object({ ...aboutMessage, deletedBy: z.string(), timestamp: isoTime }),
    },
    'chat:message_reaction': {
      summary: 'A reaction was added or removed; `reactions` holds all reactions of the message.',
      payload: z.object({
        ...aboutMessage,
        userId: z.string(),
        emoji: z.string(),
        action: z.enum(['added', 'removed']),
        reactions: chatMessage.shape.reactions,
      }),
    },
    'chat:message_pinned': {
      summary: 'A message was pinned.',
      payload: z.object({ ...aboutMessage, pinnedBy: z.string(), timestamp: isoTime }),
    },
    'chat:message_unpinned': {
      summary: 'A message was unpinned.',
      payload: z.object({ ...aboutMessage, unpinnedBy: z.string(), timestamp: isoTime }),
    },
    error: {
      summary: 'A community event failed; sent in addition to the acknowledgement.',
      payload: chatError,
    },
  },
  requestFailure: chatRequestFailure,
  routes: {
    listChats: {
      summary: "Lists the caller's chats, last active first. A page that is not full is the last.",
      limit: pages,
      caller: 'user',
      method: 'get',
      path: '/api/chats',
      query: payloads.page,
      answer: z.array(chat),
      costs: ['rows', 'examined', 'details'],
    },
    openDirectChat: {
      summary: 'Returns the direct chat with another user, and creates it if needed.',
      limit: direct,
      caller: 'user',
      method: 'post',
      path: '/api/chats/direct',
      body: payloads.direct,
      answer: chat,
      costs: ['examined', 'details'],
    },
    listMessages: {
      summary:
        'Lists messages in the order they were stored, oldest first: the newest ones, or those before or after a message or time.',
      limit: pages,
      caller: 'user',
      method: 'get',
      path: '/api/chats/:chatId/messages',
      params: chatParams,
      query: payloads.messagePage,
      answer: z.array(chatMessage),
      costs: ['rows', 'details', 'text'],
    },
    sendMessage: {
      summary: 'Sends a message, as chat:send_message does.',
      event: 'chat:send_message',
      caller: 'user',
      method: 'post',
      path: '/api/chats/:chatId/messages',
      status: 201,
      message: 'Message sent successfully',
      params: chatParams,
      body: payloads.sendByRest,
      answer: chatMessage,
      costs: ['rows', 'receivers'],
    },
  },
});

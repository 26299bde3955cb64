import { z } from 'zod';
import { chatError } from './chats.js';
import { defineContract } from './contract.js';
import { isoTime, objectId } from './primitives.js';
import {
  supportAnswers as answers,
  supportPayloads as payloads,
  supportConversation,
  supportFile,
  supportMessage,
  supportRead,
} from './support-parts.js';
import { chatRequestFailure, errorCode } from './wording.js';

/** How often one user may come and go, type, read or ask: far above what people do. */
const often = { points: 150, windowMs: 10_000 };
/** How often one user may change what many are told of. */
const seldom = { points: 120, windowMs: 60_000 };

const conversationParams = z.object({ id: objectId });
const person = z.object({ userId: z.string(), conversationId: z.string(), userName: z.string(), timestamp: isoTime });
const assigned = z.object({
  conversationId: z.string(),
  assignedTo: z.string(),
  assignedBy: z.string(),
  conversation: supportConversation,
});
const closed = z.object({ conversationId: z.string(), closedBy: z.string(), conversation: supportConversation });

/** The support chat on `/`: customers, agents, departments and visitors. */
export const support = defineContract({
  name: 'support',
  clientEvents: {
    join_conversation: {
      summary: 'Opens a conversation. Participants hear it anyway; members of its department from now on.',
      payload: payloads.conversationOrId,
      limit: often,
    },
    leave_conversation: {
      summary: 'Closes a conversation that was joined.',
      payload: payloads.conversationOrId,
      limit: often,
    },
    send_message: {
      summary: 'Says something. The same `clientMessageId` again is the same message, and is answered as it is stored.',
      payload: payloads.send,
      answer: answers.message,
    },
    typing_start: {
      summary: 'Tells the others that the user types: for five seconds, or until told otherwise.',
      payload: payloads.conversation,
      limit: often,
    },
    typing_stop: { summary: 'The user types no more.', payload: payloads.conversation, limit: often },
    file_upload: {
      summary: 'Stores a file: its bytes, and to which conversation it is sent. Without the latter it is only kept.',
      payload: payloads.file,
      takesAllArguments: true,
      takesBinary: true,
      answer: supportFile,
    },
    mark_as_read: {
      summary: 'Everything up to a message has been read.',
      payload: payloads.read,
      limit: often,
    },
    edit_message: {
      summary: 'Changes what the user has said.',
      payload: payloads.edit,
      answer: answers.message,
      limit: often,
    },
    delete_message: { summary: 'Takes back what the user has said.', payload: payloads.remove, limit: often },
    get_messages: {
      summary:
        'A page of messages, oldest first: the newest ones, or those next before or after a message or a time. The order is that in which they were stored.',
      payload: payloads.messages,
      answer: answers.messages,
    },
    create_conversation: {
      summary: 'Makes a conversation of the user, those who are named, and a department.',
      payload: payloads.create,
      answer: answers.conversation,
      limit: seldom,
    },
    get_conversations: {
      summary: "The user's conversations, or those of a department they are in; last changed first.",
      payload: payloads.list,
      answer: answers.conversations,
    },
    assign_conversation: {
      summary: 'Gives a conversation to an agent.',
      payload: payloads.assign,
      answer: answers.conversation,
      limit: often,
    },
    claim_conversation: {
      summary: 'Takes a conversation that nobody has. One agent wins.',
      payload: payloads.conversation,
      answer: answers.conversation,
      limit: often,
    },
    close_conversation: {
      summary: 'Ends a conversation.',
      payload: payloads.conversation,
      answer: answers.conversation,
      limit: often,
    },
  },
  serverEvents: {
    user_joined: { summary: 'Somebody has opened the conversation.', payload: person },
    user_left: { summary: 'Somebody has closed it.', payload: person },
    new_message: { summary: 'Somebody has said something, the user perhaps.', payload: supportMessage },
    message_delivered: { summary: "The id of the user's own message, which is stored and sent.", payload: z.string() },
    message_edited: { summary: 'A message was changed.', payload: supportMessage },
    message_deleted: {
      summary: 'A message was taken back.',
      payload: z.object({ conversationId: z.string(), messageId: z.string(), deletedBy: z.string() }),
    },
    message_read: { summary: 'Somebody has read up to a message.', payload: supportRead },
    message_error: {
      summary: 'An event without an acknowledgement failed.',
      payload: z.looseObject({
        error: z.string(),
        code: errorCode,
        event: z.string(),
        conversationId: z.string().optional(),
        clientMessageId: z.string().optional(),
      }),
    },
    rate_limit_exceeded: {
      summary: 'The user does something too often; it was not done.',
      payload: z.object({
        event: z.string(),
        limit: z.number().int().optional(),
        windowMs: z.number().int().optional(),
        retryAfterMs: z.number().int(),
      }),
    },
    user_typing: {
      summary: 'Somebody types.',
      payload: z.object({ userId: z.string(), userName: z.string(), conversationId: z.string() }),
    },
    user_stopped_typing: {
      summary: 'Somebody types no more.',
      payload: z.object({ userId: z.string(), conversationId: z.string() }),
    },
    new_conversation: { summary: 'The user was put into a new conversation.', payload: supportConversation },
    conversation_assigned: { summary: 'An agent has the conversation now.', payload: assigned },
    conversation_closed: { summary: 'The conversation has ended.', payload: closed },
  },
  requestFailure: chatRequestFailure,
  routes: {
    createConversation: {
      summary: 'Makes a conversation, as create_conversation.',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations',
      status: 201,
      body: payloads.create,
      answer: answers.conversation,
    },
    listConversations: {
      summary: "The caller's conversations, as get_conversations.",
      caller: 'user',
      method: 'get',
      path: '/api/v1/conversations',
      query: payloads.listByRest,
      answer: answers.conversations,
    },
    listMessages: {
      summary: 'Messages of a conversation, as get_messages.',
      caller: 'user',
      method: 'get',
      path: '/api/v1/conversations/:id/messages',
      params: conversationParams,
      query: payloads.messagesByRest,
      answer: answers.messages,
    },
    sendMessage: {
      summary: 'Says something, as send_message.',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations/:id/messages',
      status: 201,
      params: conversationParams,
      body: payloads.sendByRest,
      answer: answers.message,
    },
    assignConversation: {
      summary: 'Gives a conversation to an agent, as assign_conversation.',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations/:id/assign',
      params: conversationParams,
      body: payloads.assignByRest,
      answer: answers.conversation,
    },
    closeConversation: {
      summary: 'Ends a conversation, as close_conversation.',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations/:id/close',
      params: conversationParams,
      answer: answers.conversation,
    },
    listDepartments: {
      summary: 'The departments that a conversation can be made with.',
      caller: 'user',
      method: 'get',
      path: '/api/v1/departments',
      answer: answers.departments,
    },
    readFile: {
      summary: 'The content of a file, for whoever may read its conversation.',
      caller: 'user',
      method: 'get',
      path: '/files/:id',
      sendsFile: true,
      params: conversationParams,
    },
  },
});

/** What a client of `/department` says beside its token: which one. */
export const departmentQuery = z.object({ departmentId: objectId });

const agent = z.object({ userId: z.string(), departmentId: z.string() });

/** What the agents of a department are told on `/department`. */
export const department = defineContract({
  name: 'department',
  serverEvents: {
    new_conversation: { summary: 'Somebody has asked the department for something.', payload: supportConversation },
    conversation_assigned: { summary: 'An agent has a conversation of the department now.', payload: assigned },
    conversation_closed: { summary: 'A conversation of the department has ended.', payload: closed },
    agent_online: { summary: 'Another agent of the department has come.', payload: agent },
    agent_offline: {
      summary: 'The same agent has gone, on every tab and node, and has not come back.',
      payload: agent,
    },
    presence_snapshot: {
      summary: 'Which agents of the department are online at the moment of connecting.',
      payload: z.object({ online: z.array(z.string()) }),
    },
    error: { summary: 'An event without an acknowledgement failed.', payload: chatError },
  },
});

import { z } from 'zod';
import { chatError } from './chats.js';
import { defineContract } from './contract.js';
import { isoTime, objectId } from './primitives.js';
import { chatRequestFailure, errorCode } from './reply-schemas.js';
import {
  supportAnswers as answers,
  supportPayloads as payloads,
  supportConversation,
  supportFile,
  supportMessage,
  supportRead,
} from './support-parts.js';

/** Limit per user for joining, typing, reading and listing; well above human use. */
const often = { points: 150, windowMs: 10_000 };
/** Limit per user for changes that are sent to many users. */
const seldom = { points: 120, windowMs: 60_000 };

/** Files of each user or visitor. */
const uploads = { name: 'support:file', points: 20, windowMs: 60_000, sparesRetries: true };

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
      summary:
        'Opens a conversation. Participants are subscribed already; members of its department subscribe by this.',
      payload: payloads.conversationOrId,
      limit: often,
      costs: ['receivers'],
    },
    leave_conversation: {
      summary: 'Leaves a conversation that was joined.',
      payload: payloads.conversationOrId,
      limit: often,
      costs: ['receivers'],
    },
    send_message: {
      summary: 'Sends a message. A repeated `clientMessageId` returns the stored message.',
      payload: payloads.send,
      answer: answers.message,
      costs: ['rows', 'receivers'],
    },
    typing_start: {
      summary: 'Shows the user as typing, for five seconds or until stopped.',
      payload: payloads.conversation,
      limit: often,
      costs: ['receivers'],
    },
    typing_stop: { summary: 'Stops showing the user as typing.', payload: payloads.conversation, limit: often },
    file_upload: {
      summary: 'Uploads a file. With a conversation id it is also sent as a message.',
      payload: payloads.file,
      takesAllArguments: true,
      takesBinary: true,
      answer: supportFile,
      limit: uploads,
      costs: ['rows', 'receivers'],
    },
    mark_as_read: {
      summary: 'Marks all messages up to a given one as read.',
      payload: payloads.read,
      limit: often,
      costs: ['receivers'],
    },
    edit_message: {
      summary: 'Edits a message of the user.',
      payload: payloads.edit,
      answer: answers.message,
      limit: often,
      costs: ['receivers'],
    },
    delete_message: {
      summary: 'Deletes a message of the user.',
      payload: payloads.remove,
      limit: often,
      costs: ['receivers'],
    },
    get_messages: {
      summary:
        'Lists messages in the order they were stored, oldest first: the newest ones, or those before or after a message or time.',
      payload: payloads.messages,
      answer: answers.messages,
      costs: ['rows', 'examined', 'text'],
    },
    create_conversation: {
      summary: 'Creates a conversation of the caller, the given users and a department.',
      payload: payloads.create,
      answer: answers.conversation,
      limit: seldom,
      costs: ['receivers'],
    },
    get_conversations: {
      summary: "Lists the caller's conversations, or those of a department of the caller, last changed first.",
      payload: payloads.list,
      answer: answers.conversations,
      costs: ['rows', 'examined'],
    },
    assign_conversation: {
      summary: 'Assigns a conversation to an agent.',
      payload: payloads.assign,
      answer: answers.conversation,
      limit: often,
      costs: ['receivers'],
    },
    claim_conversation: {
      summary: 'Assigns an unassigned conversation to the caller. One agent wins.',
      payload: payloads.conversation,
      answer: answers.conversation,
      limit: often,
      costs: ['receivers'],
    },
    close_conversation: {
      summary: 'Closes a conversation.',
      payload: payloads.conversation,
      answer: answers.conversation,
      limit: often,
      costs: ['receivers'],
    },
  },
  serverEvents: {
    user_joined: { summary: 'A user opened the conversation.', payload: person },
    user_left: { summary: 'A user left the conversation.', payload: person },
    new_message: { summary: 'A new message, possibly of the user.', payload: supportMessage },
    message_delivered: {
      summary: "The id of the user's own message after it was stored and sent.",
      payload: z.string(),
    },
    message_edited: { summary: 'A message was edited.', payload: supportMessage },
    message_deleted: {
      summary: 'A message was deleted.',
      payload: z.object({ conversationId: z.string(), messageId: z.string(), deletedBy: z.string() }),
    },
    message_read: { summary: 'Another participant has read up to a message.', payload: supportRead },
    conversation_read: {
      summary: 'The user has read up to a message, on this or another device.',
      payload: supportRead,
    },
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
      summary: 'A rate limit was reached; the event had no effect.',
      payload: z.object({
        event: z.string(),
        limit: z.number().int().optional(),
        windowMs: z.number().int().optional(),
        retryAfterMs: z.number().int(),
      }),
    },
    user_typing: {
      summary: 'A user is typing.',
      payload: z.object({ userId: z.string(), userName: z.string(), conversationId: z.string() }),
    },
    user_stopped_typing: {
      summary: 'A user stopped typing.',
      payload: z.object({ userId: z.string(), conversationId: z.string() }),
    },
    new_conversation: { summary: 'The user was put into a new conversation.', payload: supportConversation },
    conversation_assigned: { summary: 'The conversation was assigned to an agent.', payload: assigned },
    conversation_closed: { summary: 'The conversation has ended.', payload: closed },
  },
  requestFailure: chatRequestFailure,
  routes: {
    createConversation: {
      summary: 'Creates a conversation, as create_conversation does.',
      event: 'create_conversation',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations',
      status: 201,
      body: payloads.create,
      answer: answers.conversation,
      costs: ['receivers'],
    },
    listConversations: {
      summary: "The caller's conversations, as get_conversations.",
      event: 'get_conversations',
      caller: 'user',
      method: 'get',
      path: '/api/v1/conversations',
      query: payloads.listByRest,
      answer: answers.conversations,
      costs: ['rows', 'examined'],
    },
    listMessages: {
      summary: 'Lists the messages of a conversation, as get_messages does.',
      event: 'get_messages',
      caller: 'user',
      method: 'get',
      path: '/api/v1/conversations/:id/messages',
      params: conversationParams,
      query: payloads.messagesByRest,
      answer: answers.messages,
      costs: ['rows', 'examined', 'text'],
    },
    sendMessage: {
      summary: 'Sends a message, as send_message does.',
      event: 'send_message',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations/:id/messages',
      status: 201,
      params: conversationParams,
      body: payloads.sendByRest,
      answer: answers.message,
      costs: ['rows', 'receivers'],
    },
    assignConversation: {
      summary: 'Assigns a conversation to an agent, as assign_conversation does.',
      event: 'assign_conversation',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations/:id/assign',
      params: conversationParams,
      body: payloads.assignByRest,
      answer: answers.conversation,
      costs: ['receivers'],
    },
    closeConversation: {
      summary: 'Closes a conversation, as close_conversation does.',
      event: 'close_conversation',
      caller: 'user',
      method: 'post',
      path: '/api/v1/conversations/:id/close',
      params: conversationParams,
      answer: answers.conversation,
      costs: ['receivers'],
    },
    listDepartments: {
      summary: 'The departments with which a conversation can be created.',
      caller: 'user',
      method: 'get',
      path: '/api/v1/departments',
      answer: answers.departments,
      costs: ['rows'],
    },
    readFile: {
      summary: 'Downloads a file, for those who may read its conversation.',
      caller: 'user',
      method: 'get',
      path: '/files/:id',
      sendsFile: true,
      params: conversationParams,
      costs: ['bytes'],
    },
  },
});

/** What a client of `/department` says besides its token: which one. */
export const departmentQuery = z.object({ departmentId: objectId });

const agent = z.object({ userId: z.string(), departmentId: z.string() });

/** What the agents of a department are told on `/department`. */
export const department = defineContract({
  name: 'department',
  serverEvents: {
    new_conversation: { summary: 'A new conversation for the department.', payload: supportConversation },
    conversation_assigned: { summary: 'A conversation of the department was assigned to an agent.', payload: assigned },
    conversation_closed: { summary: 'A conversation of the department has ended.', payload: closed },
    agent_online: { summary: 'Another agent of the department is online.', payload: agent },
    agent_offline: {
      summary: 'The agent went offline: no tab on any node is connected, and none returned within the grace time.',
      payload: agent,
    },
    presence_snapshot: {
      summary: 'Which agents of the department are online at the moment of connecting.',
      payload: z.object({ online: z.array(z.string()) }),
    },
    error: { summary: 'An event without an acknowledgement failed.', payload: chatError },
  },
});

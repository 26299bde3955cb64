import type { z } from 'zod';
import { department, support } from '../support.js';
import type { supportConversation, supportFile, supportMessage, supportRead } from '../support-parts.js';
import { defineExamples } from './example.js';

const CUSTOMER = '67a1c5f8d0b94e6a2f7c3e81';
const AGENT = '68073aec828a7b35f3a9b65f';
const DEPARTMENT = '67ced4459fc55b3a2d82c3db';
const CONVERSATION = '6ae9e928a0a29f289926855c';
const QUESTION = '6ae9e94e4587e7af1260b9d2';
const FILE = '6ae9e9761b72f3309ff7d844';
const KEY = 'm-3b1f9c20';
const TEXT = 'My invoice is wrong: it shows 12 seats, we have 10.';

const question: z.input<typeof supportMessage> = {
  _id: QUESTION,
  conversationId: CONVERSATION,
  senderId: CUSTOMER,
  senderName: 'Yara Young',
  senderType: 'user',
  content: TEXT,
  type: 'text',
  file: null,
  metadata: { page: '/invoices', browser: 'Firefox 133' },
  clientMessageId: KEY,
  timestamp: '2026-11-03T14:01:50.402Z',
  editedAt: null,
  isDeleted: false,
};

const edited = { ...question, content: `${TEXT} Please check.`, editedAt: '2026-11-03T14:02:05.918Z' };

const conversation: z.input<typeof supportConversation> = {
  _id: CONVERSATION,
  participants: [CUSTOMER],
  assignedTo: null,
  departmentId: DEPARTMENT,
  visitorId: null,
  subject: 'Invoice of October',
  status: 'open',
  priority: 'normal',
  lastMessage: question,
  createdBy: CUSTOMER,
  createdAt: '2026-11-03T14:01:12.044Z',
  updatedAt: '2026-11-03T14:01:50.402Z',
};

const claimed = { ...conversation, assignedTo: AGENT, participants: [CUSTOMER, AGENT] };
const ended = { ...claimed, status: 'closed' as const };

const file: z.input<typeof supportFile> = {
  fileId: FILE,
  fileUrl: `/files/${FILE}`,
  fileName: 'invoice.png',
  fileSize: 48_211,
  fileType: 'image/png',
};

const read: z.input<typeof supportRead> = {
  conversationId: CONVERSATION,
  messageId: QUESTION,
  readBy: AGENT,
  readAt: '2026-11-03T14:02:20.771Z',
};

/** How a PNG begins. */
const bytes = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const id = { conversationId: CONVERSATION };
const params = { id: CONVERSATION };
const agent = { userId: AGENT, userName: 'Cleo Clark', conversationId: CONVERSATION };
const timestamp = '2026-11-03T14:02:18.000Z';
const draft = { content: TEXT, clientMessageId: KEY, metadata: { page: '/invoices', browser: 'Firefox 133' } };
const creation = { departmentId: DEPARTMENT, subject: 'Invoice of October', priority: 'normal' } as const;
const opened = { ...conversation, lastMessage: null, updatedAt: conversation.createdAt };
const messages = { messages: [question], hasMore: false, reads: [read] };
const conversations = { conversations: [conversation], hasMore: false };
const assigned = { conversationId: CONVERSATION, assignedTo: AGENT, assignedBy: AGENT, conversation: claimed };
const closed = { conversationId: CONVERSATION, closedBy: AGENT, conversation: ended };

export const supportExamples = defineExamples(support, {
  clientEvents: {
    join_conversation: { payload: id },
    leave_conversation: { payload: id },
    send_message: { payload: { ...id, ...draft }, answer: question },
    typing_start: { payload: id },
    typing_stop: { payload: id },
    file_upload: { payload: [bytes, { ...id, fileName: 'invoice.png', mimeType: 'image/png' }], answer: file },
    mark_as_read: { payload: { ...id, messageId: QUESTION } },
    edit_message: { payload: { ...id, messageId: QUESTION, content: edited.content }, answer: edited },
    delete_message: { payload: { ...id, messageId: QUESTION } },
    get_messages: { payload: { ...id, after: '2026-11-03T00:00:00Z', limit: 50 }, answer: messages },
    create_conversation: { payload: creation, answer: opened },
    get_conversations: { payload: { status: 'open', departmentId: DEPARTMENT, limit: 50 }, answer: conversations },
    assign_conversation: { payload: { ...id, agentId: AGENT }, answer: claimed },
    claim_conversation: { payload: id, answer: claimed },
    close_conversation: { payload: id, answer: ended },
  },
  serverEvents: {
    user_joined: { payload: { ...agent, timestamp } },
    user_left: { payload: { ...agent, timestamp } },
    new_message: { payload: question },
    message_delivered: { payload: QUESTION },
    message_edited: { payload: edited },
    message_deleted: { payload: { conversationId: CONVERSATION, messageId: QUESTION, deletedBy: CUSTOMER } },
    message_read: { payload: read },
    conversation_read: { payload: read },
    message_error: {
      payload: {
        error: 'There is no such conversation',
        code: 'NOT_FOUND',
        event: 'send_message',
        conversationId: CONVERSATION,
        clientMessageId: KEY,
      },
    },
    rate_limit_exceeded: { payload: { event: 'send_message', limit: 50, windowMs: 60_000, retryAfterMs: 12_400 } },
    user_typing: { payload: agent },
    user_stopped_typing: { payload: { userId: AGENT, conversationId: CONVERSATION } },
    new_conversation: { payload: opened },
    conversation_assigned: { payload: assigned },
    conversation_closed: { payload: closed },
  },
  routes: {
    createConversation: { body: creation, answer: opened },
    listConversations: { query: { status: 'open', limit: '50' }, answer: conversations },
    listMessages: { params, query: { before: QUESTION, limit: '50' }, answer: messages },
    sendMessage: { params, body: draft, answer: question },
    assignConversation: { params, body: { agentId: AGENT }, answer: claimed },
    closeConversation: { params, answer: ended },
    listDepartments: { answer: { departments: [{ _id: DEPARTMENT, name: 'Billing', isMember: false }] } },
    readFile: { params: { id: FILE } },
  },
});

export const departmentExamples = defineExamples(department, {
  serverEvents: {
    new_conversation: { payload: opened },
    conversation_assigned: { payload: assigned },
    conversation_closed: { payload: closed },
    agent_online: { payload: { userId: AGENT, departmentId: DEPARTMENT } },
    agent_offline: { payload: { userId: AGENT, departmentId: DEPARTMENT } },
    presence_snapshot: { payload: { online: [AGENT] } },
    error: { payload: { message: 'The event is unknown', code: 'NOT_FOUND', event: 'join_conversation' } },
  },
});

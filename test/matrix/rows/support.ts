import type { support } from '#shared/contracts/support.js';
import type { ContractRows } from '../kinds.js';

const own = { otherAccount: 'own', colleagues: 'own' } as const;
const isRefusedToPeer = { peers: 'FORBIDDEN' } as const;
/** Any colleague without a block may begin a conversation. */
const begins = { colleagues: 'told', peers: 'FORBIDDEN' } as const;

export const supportRows: ContractRows<typeof support> = {
  events: {
    join_conversation: { args: ({ support }) => [{ conversationId: support.id }] },
    leave_conversation: { args: ({ support }) => [support.id] },
    send_message: { args: ({ support }) => [{ conversationId: support.id, content: 'hi' }], outcomes: isRefusedToPeer },
    typing_start: { args: ({ support }) => [{ conversationId: support.id }], outcomes: isRefusedToPeer },
    // Stops what this socket has started. It does not open the conversation, so it does not reveal whether it exists.
    typing_stop: {
      args: ({ support }) => [{ conversationId: support.id }],
      outcomes: { ...own, locked: 'own', deactivated: 'own', visitor: 'own' },
    },
    file_upload: {
      args: ({ support }) => [Buffer.from('text'), { conversationId: support.id, fileName: 'a.txt' }],
      outcomes: isRefusedToPeer,
    },
    mark_as_read: { args: ({ support }) => [{ conversationId: support.id, messageId: support.messageId }] },
    edit_message: {
      args: ({ support }) => [{ conversationId: support.id, messageId: support.ownMessageId, content: 'changed' }],
      outcomes: isRefusedToPeer,
    },
    delete_message: { args: ({ support }) => [{ conversationId: support.id, messageId: support.ownMessageId }] },
    get_messages: { args: ({ support }) => [{ conversationId: support.id }] },
    create_conversation: { args: ({ owner }) => [{ participants: [owner] }], outcomes: begins },
    get_conversations: { args: () => [{}], outcomes: own },
    assign_conversation: {
      args: ({ support, agent }) => [{ conversationId: support.id, agentId: agent }],
      outcomes: isRefusedToPeer,
    },
    claim_conversation: { args: ({ support }) => [{ conversationId: support.id }], outcomes: isRefusedToPeer },
    close_conversation: { args: ({ support }) => [{ conversationId: support.id }] },
  },
  routes: {
    createConversation: { request: ({ owner }) => ({ body: { participants: [owner] } }), outcomes: begins },
    listConversations: { outcomes: own },
    listMessages: { request: ({ support }) => ({ params: { id: support.id } }) },
    sendMessage: {
      request: ({ support }) => ({ params: { id: support.id }, body: { content: 'hi' } }),
      outcomes: isRefusedToPeer,
    },
    assignConversation: {
      request: ({ support, agent }) => ({ params: { id: support.id }, body: { agentId: agent } }),
      outcomes: isRefusedToPeer,
    },
    closeConversation: { request: ({ support }) => ({ params: { id: support.id } }) },
    listDepartments: { outcomes: own },
    readFile: { request: ({ support }) => ({ params: { id: support.fileId } }) },
  },
};

import type { conversation } from '#shared/contracts/conversation.js';
import type { prospect } from '#shared/contracts/prospect.js';
import type { ContractRows, Ids } from '../kinds.js';

const own = { otherAccount: 'own', colleagues: 'own' } as const;
const isRefusedToPeer = { peers: 'FORBIDDEN' } as const;
/** Any colleague without a block may begin a conversation. */
const begins = { colleagues: 'told', peers: 'FORBIDDEN' } as const;
/** The whole account is told. */
const toldToAccount = {
  outcomes: { otherAccount: 'own', colleagues: 'told' },
  heardBy: ['owner', 'bystander'],
} as const;
const channel_id = 'general';

const team = ({ team: { id } }: Ids) => ({ conversation_id: id });
const contact = ({ prospect: { id } }: Ids) => ({ conversation_id: id });

export const conversationRows: ContractRows<typeof conversation> = {
  events: {
    join: { args: () => [], ...toldToAccount },
    active_status: { args: () => [{ status: 'active' }], ...toldToAccount },
    add_conversation: { args: ({ owner }) => [{ users: [owner], channel_id }], outcomes: begins },
    list_conversation: { args: () => [{}], outcomes: own },
    conversation_filter: { args: () => [{}], outcomes: own },
    get_conversation_by_id: { args: (ids) => [team(ids)] },
    list_message: { args: (ids) => [team(ids)] },
    list_message_by_id: { args: (ids) => [{ ...team(ids), message_id: ids.team.messageId }] },
    channel: { args: () => [{ channel_id }], outcomes: own },
    typing: { args: (ids) => [team(ids)] },
    read: { args: (ids) => [{ ...team(ids), message_id: ids.team.messageId }] },
    snooze: { args: (ids) => [{ ...team(ids), until: '2999-01-01T00:00:00Z' }] },
    archive: { args: (ids) => [team(ids)] },
    show_on_top: { args: (ids) => [team(ids)] },
    open: { args: (ids) => [{ ...team(ids), is_open: false }], outcomes: isRefusedToPeer },
    edit_conversation: { args: (ids) => [{ ...team(ids), title: 'changed' }], outcomes: isRefusedToPeer },
    add_participant: { args: (ids) => [{ ...team(ids), users: [ids.agent] }], outcomes: isRefusedToPeer },
    message: { args: (ids) => [{ ...team(ids), data: 'hi' }], outcomes: isRefusedToPeer },
  },
  routes: {},
};

export const prospectRows: ContractRows<typeof prospect> = {
  events: {
    prospect_add_conversation: {
      args: ({ contactId, owner }) => [{ contact_id: contactId, channel_id, users: [owner] }],
      outcomes: begins,
    },
    prospect_list_conversation: { args: () => [{}], outcomes: own },
    prospect_list_message: { args: (ids) => [contact(ids)] },
    prospect_list_message_by_id: { args: (ids) => [{ ...contact(ids), message_id: ids.prospect.messageId }] },
    prospect_get_conversation_by_id: { args: (ids) => [contact(ids)] },
    prospect_add_participant: { args: (ids) => [{ ...contact(ids), users: [ids.agent] }], outcomes: isRefusedToPeer },
    prospect_open: { args: (ids) => [{ ...contact(ids), is_open: false }], outcomes: isRefusedToPeer },
    prospect_snooze: { args: (ids) => [{ ...contact(ids), until: '2999-01-01T00:00:00Z' }] },
    prospect_show_on_top: { args: (ids) => [contact(ids)] },
    prospect_read: { args: (ids) => [{ ...contact(ids), message_id: ids.prospect.messageId }] },
    prospect_archive: { args: (ids) => [contact(ids)] },
    prospect_edit_conversation: { args: (ids) => [{ ...contact(ids), title: 'changed' }], outcomes: isRefusedToPeer },
    prospect_add_note: { args: (ids) => [{ ...contact(ids), data: 'hi' }], outcomes: isRefusedToPeer },
  },
  routes: {
    emitMessage: {
      request: ({ prospect }) => ({ params: { channel: 'prospect', messageID: prospect.messageId } }),
    },
    emitConversation: {
      request: ({ prospect }) => ({ params: { channel: 'prospect', convoID: prospect.id, isNew: 'existing' } }),
    },
  },
};

import type { community } from '#shared/contracts/community.js';
import type { communityNotifications, communityPeople } from '#shared/contracts/community-people.js';
import type { ContractRows, Ids } from '../kinds.js';

const own = { otherAccount: 'own', colleagues: 'own' } as const;
const isRefusedToPeer = { peers: 'FORBIDDEN' } as const;
const groupType = 'single';

const chatId = ({ chat }: Ids) => [{ chatId: chat.id }];
const messageOf = ({ chat }: Ids) => ({ chatId: chat.id, messageId: chat.messageId });
const ownMessageOf = ({ chat }: Ids) => ({ chatId: chat.id, messageId: chat.ownMessageId });

export const communityRows: ContractRows<typeof community> = {
  events: {
    'chat:join': { args: chatId },
    'chat:leave': { args: chatId },
    'chat:send_message': { args: ({ chat }) => [{ chatId: chat.id, content: 'hi' }], outcomes: isRefusedToPeer },
    'chat:typing_start': { args: chatId, outcomes: isRefusedToPeer },
    'chat:typing_stop': { args: chatId },
    'chat:mark_read': { args: (ids) => [messageOf(ids)] },
    'chat:edit_message': { args: (ids) => [{ ...ownMessageOf(ids), content: 'changed' }], outcomes: isRefusedToPeer },
    'chat:delete_message': { args: (ids) => [ownMessageOf(ids)] },
    'chat:add_reaction': { args: (ids) => [{ ...messageOf(ids), emoji: '👍' }], outcomes: isRefusedToPeer },
    'chat:pin_message': { args: (ids) => [messageOf(ids)], outcomes: isRefusedToPeer },
    'chat:unpin_message': { args: (ids) => [messageOf(ids)], outcomes: isRefusedToPeer },
  },
  routes: {
    listChats: { outcomes: own },
    openDirectChat: {
      request: ({ owner }) => ({ body: { participantId: owner } }),
      outcomes: { colleagues: 'told', ...isRefusedToPeer },
    },
    listMessages: { request: ({ chat }) => ({ params: { chatId: chat.id } }) },
    sendMessage: {
      request: ({ chat }) => ({ params: { chatId: chat.id }, body: { content: 'hi' } }),
      outcomes: isRefusedToPeer,
    },
  },
};

export const notificationRows: ContractRows<typeof communityNotifications> = {
  events: {
    'notification:list': { args: () => [{}], outcomes: own },
    'notification:mark_read': {
      args: ({ notificationId }) => [{ notificationId }],
      outcomes: { peers: 'NOT_FOUND' },
    },
    'notification:mark_all_read': { args: () => [], outcomes: own },
    'notification:get_unread_count': { args: () => [], outcomes: own },
  },
  routes: {},
};

export const peopleRows: ContractRows<typeof communityPeople> = {
  events: {
    'group:join': { args: () => [{ groupType }] },
    'group:leave': { args: () => [{ groupType }] },
    'group:get_online': {
      args: () => [{ groupType }],
      outcomes: { peers: 'own' },
      secrets: ({ owner }) => [owner],
    },
    'presence:update_status': { args: () => [{ status: 'busy' }], outcomes: own },
    'presence:get_online': {
      args: ({ owner }) => [{ userIds: [owner] }],
      outcomes: { ...own, peers: 'own' },
      secrets: ({ owner }) => [owner],
    },
  },
  routes: {},
};

import type { conversation } from '#shared/contracts/conversation.js';
import { ensureUser } from '../../auth/principal.js';
import type { Context } from '../../framework/context.js';
import type { Handlers } from '../../framework/events.js';
import type { ActiveStatus } from './active-status.js';
import { toViewer } from './conversations.js';
import { type ConversationServices, createChannelView, createSay } from './service.js';
import type { Typing } from './typing.js';

interface Services extends ConversationServices {
  activeStatus: ActiveStatus;
  typing: Typing;
}

/** Handlers of the conversation contract. */
export const createHandlers = (context: Context, services: Services): Handlers<typeof conversation> => {
  const { activeStatus, team, typing } = services;
  const viewChannel = createChannelView(services);
  const say = createSay(team, context);
  return {
    join: async (_data, { principal, socketId }) => {
      const user = ensureUser(principal);
      await context.sockets.join(user.userId, socketId);
      await activeStatus.set(user, 'active', socketId);
    },
    active_status: ({ status }, { principal, socketId }) => activeStatus.set(ensureUser(principal), status, socketId),

    add_conversation: async (data, caller) => ({ conversation: await team.membership.create(toViewer(caller), data) }),
    list_conversation: (data, caller) => team.lists.list(toViewer(caller), data),
    conversation_filter: (data, caller) => team.lists.list(toViewer(caller), data),
    get_conversation_by_id: async ({ conversation_id }, caller) => ({
      conversation: await team.get(toViewer(caller), conversation_id),
    }),
    list_message: (data, caller) => team.messages.list(toViewer(caller), data),
    list_message_by_id: (data, caller) => team.messages.around(toViewer(caller), data),
    channel: (data, caller) => viewChannel(toViewer(caller), data),
    // A socket that is gone is in no room.
    typing: (data, caller) => typing.set(toViewer(caller), data, caller.rooms.size > 0),
    read: (data, caller) => team.read(toViewer(caller), data),
    snooze: async (data, caller) => ({ conversation: await team.changes.snooze(toViewer(caller), data) }),
    archive: async (data, caller) => ({ conversation: await team.changes.archive(toViewer(caller), data) }),
    show_on_top: async (data, caller) => ({ conversation: await team.changes.showOnTop(toViewer(caller), data) }),
    open: async (data, caller) => ({ conversation: await team.changes.open(toViewer(caller), data) }),
    edit_conversation: async (data, caller) => ({ conversation: await team.changes.edit(toViewer(caller), data) }),
    add_participant: async (data, caller) => ({
      conversation: await team.membership.addParticipants(toViewer(caller), data),
    }),
    message: async (data, caller) => ({ message: await say(toViewer(caller), data) }),
  };
};

import type { prospect } from '#shared/contracts/prospect.js';
import type { Handlers } from '../../../framework/events.js';
import { toViewer } from '../conversations.js';
import type { ConversationServices } from '../service.js';
import type { ProspectService } from './service.js';

/** Handlers of the prospect contract. */
export const createHandlers = (
  { prospects }: ConversationServices,
  service: ProspectService,
): Handlers<typeof prospect> => ({
  prospect_add_conversation: (data, caller) => service.create(toViewer(caller), data),
  prospect_list_conversation: (data, caller) => prospects.lists.list(toViewer(caller), data),
  prospect_list_message: (data, caller) => prospects.messages.list(toViewer(caller), data),
  prospect_list_message_by_id: (data, caller) => prospects.messages.around(toViewer(caller), data),
  prospect_get_conversation_by_id: async ({ conversation_id }, caller) => ({
    conversation: await prospects.get(toViewer(caller), conversation_id),
  }),
  prospect_add_participant: async (data, caller) => ({
    conversation: await prospects.membership.addParticipants(toViewer(caller), data),
  }),
  prospect_open: async (data, caller) => ({ conversation: await prospects.changes.open(toViewer(caller), data) }),
  prospect_snooze: async (data, caller) => ({ conversation: await prospects.changes.snooze(toViewer(caller), data) }),
  prospect_show_on_top: async (data, caller) => ({
    conversation: await prospects.changes.showOnTop(toViewer(caller), data),
  }),
  prospect_read: (data, caller) => prospects.read(toViewer(caller), data),
  prospect_archive: async (data, caller) => ({
    conversation: await prospects.changes.archive(toViewer(caller), data),
  }),
  prospect_edit_conversation: async (data, caller) => ({
    conversation: await prospects.changes.edit(toViewer(caller), data),
  }),
  prospect_add_note: async (data, caller) => ({ message: await service.addNote(toViewer(caller), data) }),
});

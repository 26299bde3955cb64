import { z } from 'zod';
import { defineContract } from './contract.js';
import { answersOf, payloads, prospectConversation, prospectMessage } from './conversation-parts.js';
import { isoTime, opaqueId } from './primitives.js';

const answers = answersOf(prospectConversation, prospectMessage);

/** Team conversations about a contact: `prospect_*` events on the same namespaces as `conversation`. */
export const prospect = defineContract({
  name: 'prospect',
  clientEvents: {
    prospect_add_conversation: {
      summary: 'Creates a conversation about a contact and sends it to all participants, including the caller.',
      payload: payloads.createProspect,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    prospect_list_conversation: {
      summary: "Lists the caller's conversations: pinned first, then newest. Archived and snoozed ones are left out.",
      payload: payloads.list,
      answer: answers.list,
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    prospect_list_message: {
      summary: 'Lists the messages of the conversation, newest first.',
      payload: payloads.messages,
      answer: answers.messages,
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    prospect_list_message_by_id: {
      summary: 'Lists the messages around a given message, newest first.',
      payload: payloads.messagesAround,
      answer: answers.messages,
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    prospect_get_conversation_by_id: {
      summary: 'Returns one conversation.',
      payload: payloads.conversation,
      answer: answers.conversation,
      isEchoed: true,
      costs: ['rows', 'text'],
    },
    prospect_add_participant: {
      summary: 'Adds participants.',
      payload: payloads.addParticipants,
      answer: answers.conversation,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    prospect_open: {
      summary: 'Opens or closes the conversation for all participants.',
      payload: payloads.open,
      answer: answers.conversation,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    prospect_snooze: {
      summary: 'Hides the conversation from the caller until the given time; `null` shows it again.',
      payload: payloads.snooze,
      answer: answers.conversation,
      costs: ['rows'],
    },
    prospect_show_on_top: {
      summary: 'Pins or unpins the conversation for the caller.',
      payload: payloads.pin,
      answer: answers.conversation,
      costs: ['rows'],
    },
    prospect_read: {
      summary: 'Marks all messages, or those up to a given message, as read by the caller.',
      payload: payloads.read,
      costs: ['rows', 'receivers'],
    },
    prospect_archive: {
      summary: 'Archives or unarchives the conversation for the caller.',
      payload: payloads.archive,
      answer: answers.conversation,
      costs: ['rows'],
    },
    prospect_edit_conversation: {
      summary: 'Changes title and image for all participants.',
      payload: payloads.edit,
      answer: answers.conversation,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    prospect_add_note: {
      summary: 'Adds an internal note. The contact never sees it.',
      payload: payloads.note,
      answer: answers.message,
      costs: ['rows', 'receivers', 'text'],
    },
  },
  serverEvents: {
    prospect_add_conversation: {
      summary: 'The user was added to a prospect conversation; `is_new` is set by the backend.',
      payload: prospectConversation.extend({ is_new: z.boolean().optional() }),
    },
    prospect_message: { summary: 'A new message or note.', payload: prospectMessage },
    prospect_read: {
      summary: 'Another user has read up to a message.',
      payload: z.object({
        conversation_id: z.string(),
        userID: z.string(),
        message_id: z.string().nullable(),
        read_at: isoTime,
      }),
    },
  },
  routes: {
    emitMessage: {
      summary: 'Sends a stored communication to all participants of its conversations. The channel is `prospect`.',
      method: 'get',
      path: '/conversations/:channel/emit/message/:messageID',
      params: z.object({ channel: opaqueId, messageID: opaqueId }),
    },
    emitConversation: {
      summary: 'Sends a stored conversation to its participants. The channel is `prospect`.',
      method: 'get',
      path: '/conversations/:channel/emit/conversation/:convoID/:isNew',
      params: z.object({ channel: opaqueId, convoID: opaqueId, isNew: z.enum(['new', 'existing']) }),
    },
  },
});

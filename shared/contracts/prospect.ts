import { z } from 'zod';
import { defineContract } from './contract.js';
import { answersOf, payloads, prospectConversation, prospectMessage } from './conversation-parts.js';
import { isoTime, opaqueId } from './primitives.js';

const answers = answersOf(prospectConversation, prospectMessage);

/** Conversations of a team about a contact: `prospect_*` beside the events of `conversation`. */
export const prospect = defineContract({
  name: 'prospect',
  clientEvents: {
    prospect_add_conversation: {
      summary: 'Makes a conversation about a contact; everybody who takes part is sent it, the caller too.',
      payload: payloads.createProspect,
    },
    prospect_list_conversation: {
      summary: 'The conversations of the caller, pinned ones first, then the newest; no archived or snoozed ones.',
      payload: payloads.list,
      answer: answers.list,
      isEchoed: true,
    },
    prospect_list_message: {
      summary: 'What was said with the contact, newest first.',
      payload: payloads.messages,
      answer: answers.messages,
      isEchoed: true,
    },
    prospect_list_message_by_id: {
      summary: 'The messages around one, newest first, with that one in the middle.',
      payload: payloads.messagesAround,
      answer: answers.messages,
      isEchoed: true,
    },
    prospect_get_conversation_by_id: {
      summary: 'One conversation.',
      payload: payloads.conversation,
      answer: answers.conversation,
      isEchoed: true,
    },
    prospect_add_participant: {
      summary: 'Lets more users take part.',
      payload: payloads.addParticipants,
      answer: answers.conversation,
    },
    prospect_open: {
      summary: 'Opens or closes the conversation for everybody.',
      payload: payloads.open,
      answer: answers.conversation,
    },
    prospect_snooze: {
      summary: 'Hides the conversation from the caller until then; `null`: shows it again.',
      payload: payloads.snooze,
      answer: answers.conversation,
    },
    prospect_show_on_top: {
      summary: 'Pins the conversation for the caller, or not any more.',
      payload: payloads.pin,
      answer: answers.conversation,
    },
    prospect_read: {
      summary: 'The caller has read everything, or everything up to a message.',
      payload: payloads.read,
    },
    prospect_archive: {
      summary: 'Puts the conversation away for the caller, or takes it out again.',
      payload: payloads.archive,
      answer: answers.conversation,
    },
    prospect_edit_conversation: {
      summary: 'Changes title and image for everybody.',
      payload: payloads.edit,
      answer: answers.conversation,
    },
    prospect_add_note: {
      summary: 'Stores a note, which the team sees and the contact never does.',
      payload: payloads.note,
      answer: answers.message,
    },
  },
  serverEvents: {
    prospect_add_conversation: {
      summary: 'The user takes part in a conversation about a contact; `is_new` when a backend said so.',
      payload: prospectConversation.extend({ is_new: z.boolean().optional() }),
    },
    prospect_message: { summary: 'Something was said with the contact, or noted.', payload: prospectMessage },
    prospect_read: {
      summary: 'Somebody else has read up to a message.',
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
      summary: 'Sends a stored communication to everybody in its conversations. The channel is `prospect`.',
      method: 'get',
      path: '/conversations/:channel/emit/message/:messageID',
      params: z.object({ channel: opaqueId, messageID: opaqueId }),
    },
    emitConversation: {
      summary: 'Sends a stored conversation to everybody in it. The channel is `prospect`.',
      method: 'get',
      path: '/conversations/:channel/emit/conversation/:convoID/:isNew',
      params: z.object({ channel: opaqueId, convoID: opaqueId, isNew: z.enum(['new', 'existing']) }),
    },
  },
});

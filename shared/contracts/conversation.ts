import { z } from 'zod';
import { defineContract } from './contract.js';
import {
  activeStatus,
  answersOf,
  channelId,
  counters,
  payloads,
  prospectConversation,
  prospectMessage,
  teamConversation,
  teamMessage,
  updateOf,
} from './conversation-parts.js';
import { isoTime, userId } from './primitives.js';

export { activeStatus } from './conversation-parts.js';

const answers = answersOf(teamConversation, teamMessage);
/** A channel shows the conversations of the team; `prospect` shows those about contacts. */
const channelAnswers = answersOf(
  z.union([prospectConversation, teamConversation]),
  z.union([prospectMessage, teamMessage]),
);

/** What a user says of themselves goes to everybody of their account. */
const TOLD_TO_ACCOUNT = { points: 120, windowMs: 60_000 };
/** Clients say it once in a few seconds, for each conversation that the user types in. */
const TYPING = { points: 150, windowMs: 10_000 };

/** `/v1/conversation` and `/v1/conversation/live`. */
export const conversation = defineContract({
  name: 'conversation',
  clientEvents: {
    join: {
      summary: 'Says that the socket is active and tells the account.',
      payload: payloads.nothing,
      limit: TOLD_TO_ACCOUNT,
    },
    active_status: {
      summary: 'Tells the account whether the user is active or away.',
      payload: z.object({ status: activeStatus }),
      limit: TOLD_TO_ACCOUNT,
    },
    add_conversation: {
      summary: 'Makes a conversation of the caller and these users, who are told.',
      payload: payloads.create,
      answer: answers.conversation,
    },
    list_conversation: {
      summary: 'The conversations of the caller, pinned ones first, then the newest; no archived or snoozed ones.',
      payload: payloads.list,
      answer: answers.list,
      isEchoed: true,
    },
    conversation_filter: {
      summary: 'The same by status, by users who take part too, and by the time of the last activity.',
      payload: payloads.filter,
      answer: answers.list,
      isEchoed: true,
    },
    get_conversation_by_id: {
      summary: 'One conversation.',
      payload: payloads.conversation,
      answer: answers.conversation,
      isEchoed: true,
    },
    list_message: {
      summary: 'The messages of a conversation, newest first.',
      payload: payloads.messages,
      answer: answers.messages,
      isEchoed: true,
    },
    list_message_by_id: {
      summary: 'The messages around one, newest first, with that one in the middle.',
      payload: payloads.messagesAround,
      answer: answers.messages,
      isEchoed: true,
    },
    channel: {
      summary: 'The counters of a channel and its conversations; without an id the counters of all channels.',
      payload: payloads.channel,
      answer: z.union([
        channelAnswers.list.extend({ channel_id: channelId, counters }),
        z.object({ channels: z.record(z.string(), counters) }),
      ]),
      isEchoed: true,
    },
    typing: {
      summary: 'Tells the others that the caller is typing, or not any more.',
      payload: payloads.typing,
      limit: TYPING,
    },
    read: { summary: 'The caller has read everything, or everything up to a message.', payload: payloads.read },
    snooze: {
      summary: 'Hides the conversation from the caller until then; `null`: shows it again.',
      payload: payloads.snooze,
      answer: answers.conversation,
    },
    archive: {
      summary: 'Puts the conversation away for the caller, or takes it out again.',
      payload: payloads.archive,
      answer: answers.conversation,
    },
    show_on_top: {
      summary: 'Pins the conversation for the caller, or not any more.',
      payload: payloads.pin,
      answer: answers.conversation,
    },
    open: {
      summary: 'Opens or closes the conversation for everybody.',
      payload: payloads.open,
      answer: answers.conversation,
    },
    edit_conversation: {
      summary: 'Changes title and image for everybody.',
      payload: payloads.edit,
      answer: answers.conversation,
    },
    add_participant: {
      summary: 'Lets more users take part.',
      payload: payloads.addParticipants,
      answer: answers.conversation,
    },
    message: {
      summary: 'Says something. The same UUID again is the same message: it is stored and sent once.',
      payload: payloads.message,
      answer: answers.message,
    },
  },
  serverEvents: {
    active_status: {
      summary: 'A member of the account became active or away.',
      payload: z.object({ userID: userId, conversation_active_status: activeStatus }),
    },
    add_conversation: { summary: 'The user takes part in one more conversation.', payload: teamConversation },
    update_conversation: {
      summary: 'A conversation has changed, for everybody or for this user alone.',
      payload: updateOf(z.union([prospectConversation, teamConversation])),
    },
    message: { summary: 'Somebody said something.', payload: teamMessage },
    typing: {
      summary: 'Somebody else is typing, or not any more.',
      payload: z.object({ conversation_id: z.string(), user: z.string(), is_typing: z.boolean() }),
    },
    read: {
      summary: 'Somebody else has read up to a message.',
      payload: z.object({
        conversation_id: z.string(),
        userID: z.string(),
        message_id: z.string().nullable(),
        read_at: isoTime,
      }),
    },
    counters: {
      summary: 'The counters of a channel, after a change. One with a lower version than the last is out of date.',
      payload: z.object({ channel_id: channelId, counters, version: z.number().int() }),
    },
  },
});

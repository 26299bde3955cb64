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

const answers = answersOf(teamConversation, teamMessage);
/** A channel lists team conversations; the channel `prospect` lists prospect conversations. */
const channelAnswers = answersOf(
  z.union([prospectConversation, teamConversation]),
  z.union([prospectMessage, teamMessage]),
);

/** Limit of events that are sent to the whole account. */
const TOLD_TO_ACCOUNT = { points: 120, windowMs: 60_000 };
/** Clients send typing events every few seconds for each conversation. */
const TYPING = { points: 150, windowMs: 10_000 };

/** `/v1/conversation` and `/v1/conversation/live`. */
export const conversation = defineContract({
  name: 'conversation',
  clientEvents: {
    join: {
      summary: 'Marks the socket as active and notifies the account.',
      payload: payloads.nothing,
      limit: TOLD_TO_ACCOUNT,
      costs: ['receivers'],
    },
    active_status: {
      summary: 'Sets the user to active or away and notifies the account.',
      payload: z.object({ status: activeStatus }),
      limit: TOLD_TO_ACCOUNT,
      costs: ['receivers'],
    },
    add_conversation: {
      summary: 'Creates a conversation of the caller and the given users, and notifies them.',
      payload: payloads.create,
      answer: answers.conversation,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    list_conversation: {
      summary: "Lists the caller's conversations: pinned first, then newest. Archived and snoozed ones are left out.",
      payload: payloads.list,
      answer: answers.list,
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    conversation_filter: {
      summary: 'Lists conversations by status, other participants and time of the last activity.',
      payload: payloads.filter,
      answer: answers.list,
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    get_conversation_by_id: {
      summary: 'Returns one conversation.',
      payload: payloads.conversation,
      answer: answers.conversation,
      isEchoed: true,
      costs: ['rows', 'text'],
    },
    list_message: {
      summary: 'Lists the messages of a conversation, newest first.',
      payload: payloads.messages,
      answer: answers.messages,
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    list_message_by_id: {
      summary: 'Lists the messages around a given message, newest first.',
      payload: payloads.messagesAround,
      answer: answers.messages,
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    channel: {
      summary: 'Returns the counters and conversations of a channel; without an id, the counters of all channels.',
      payload: payloads.channel,
      answer: z.union([
        channelAnswers.list.extend({ channel_id: channelId, counters }),
        z.object({ channels: z.record(z.string(), counters) }),
      ]),
      isEchoed: true,
      costs: ['rows', 'examined', 'text'],
    },
    typing: {
      summary: 'Notifies the others that the caller started or stopped typing.',
      payload: payloads.typing,
      limit: TYPING,
      costs: ['receivers'],
    },
    read: {
      summary: 'Marks all messages, or those up to a given message, as read by the caller.',
      payload: payloads.read,
      costs: ['rows', 'receivers'],
    },
    snooze: {
      summary: 'Hides the conversation from the caller until the given time; `null` shows it again.',
      payload: payloads.snooze,
      answer: answers.conversation,
      costs: ['rows'],
    },
    archive: {
      summary: 'Archives or unarchives the conversation for the caller.',
      payload: payloads.archive,
      answer: answers.conversation,
      costs: ['rows'],
    },
    show_on_top: {
      summary: 'Pins or unpins the conversation for the caller.',
      payload: payloads.pin,
      answer: answers.conversation,
      costs: ['rows'],
    },
    open: {
      summary: 'Opens or closes the conversation for all participants.',
      payload: payloads.open,
      answer: answers.conversation,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    edit_conversation: {
      summary: 'Changes title and image for all participants.',
      payload: payloads.edit,
      answer: answers.conversation,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    add_participant: {
      summary: 'Adds participants.',
      payload: payloads.addParticipants,
      answer: answers.conversation,
      costs: ['rows', 'receivers', 'details', 'text'],
    },
    message: {
      summary: 'Sends a message. A repeated UUID is a retry: the message is stored and sent once.',
      payload: payloads.message,
      answer: answers.message,
      costs: ['rows', 'receivers', 'text'],
    },
  },
  serverEvents: {
    active_status: {
      summary: 'A user of the account became active or away.',
      payload: z.object({ userID: userId, conversation_active_status: activeStatus }),
    },
    add_conversation: { summary: 'The user was added to a conversation.', payload: teamConversation },
    update_conversation: {
      summary: 'A conversation changed, for all participants or for this user only.',
      payload: updateOf(z.union([prospectConversation, teamConversation])),
    },
    message: { summary: 'A new message.', payload: teamMessage },
    typing: {
      summary: 'Another user started or stopped typing.',
      payload: z.object({ conversation_id: z.string(), user: z.string(), is_typing: z.boolean() }),
    },
    read: {
      summary: 'Another user has read up to a message.',
      payload: z.object({
        conversation_id: z.string(),
        userID: z.string(),
        message_id: z.string().nullable(),
        read_at: isoTime,
      }),
    },
    counters: {
      summary: 'The counters of a channel after a change. Ignore a version lower than the last one.',
      payload: z.object({ channel_id: channelId, counters, version: z.number().int() }),
    },
  },
});

import type { z } from 'zod';
import type { prospectConversation, prospectMessage } from '../conversation-parts.js';
import { prospect } from '../prospect.js';
import { defineExamples } from './example.js';
import { ADA, ADA_IMAGE, BEN, BEN_IMAGE, CHANNEL } from './values.js';

const WENDY = '6abe3d5839a57a06fb06e5cf';
const OFFER = '6ae0a9b29b1c22bd796b9df0';
const REQUEST = '6ae9a5df0c6a1f4e7d2b8a90';
const NOTE = '6ae9a74ca6cff52c6987f3a8';
const UUID = '5f2c9a34-1d0e-4c1b-b0a5-92c3d8e7f610';

const request: z.input<typeof prospectMessage> = {
  _id: REQUEST,
  UUID: null,
  type: 'INCOMING',
  data: 'Could you send me an offer for ten seats?',
  sent_by: { _id: WENDY, name: 'Wendy Winter', email: 'wendy@example.net' },
  conversation_id: OFFER,
  is_sender: false,
  createdAt: '2026-11-03T09:14:07.655Z',
};

const note: z.input<typeof prospectMessage> = {
  _id: NOTE,
  UUID,
  type: 'NOTE',
  data: 'She has asked twice; please answer today.',
  sent_by: { _id: ADA, name: 'Ada Adams', email: 'ada@example.com' },
  conversation_id: OFFER,
  is_sender: true,
  createdAt: '2026-11-03T09:20:12.118Z',
};

const offer: z.input<typeof prospectConversation> = {
  _id: OFFER,
  title: 'Offer for ten seats',
  image: [],
  users: [
    { _id: ADA, name: 'Ada Adams', email: 'ada@example.com', image: ADA_IMAGE, conversation_active_status: 'active' },
    { _id: BEN, name: 'Ben Brown', email: 'ben@example.com', image: BEN_IMAGE, conversation_active_status: 'away' },
  ],
  channel_id: CHANNEL,
  created_by: ADA,
  is_open: true,
  show_on_top: false,
  snoozed_until: null,
  archived: false,
  mentioned: false,
  unread_count: 1,
  last_activity: request,
  createdAt: '2026-10-27T13:40:02.007Z',
  updatedAt: '2026-11-03T09:14:07.655Z',
  contact_id: { _id: WENDY, name: 'Wendy Winter', email: 'wendy@example.net', image: null, phone: '+1 555 0100' },
};

const paging = { page: 1, limit: 20, total: 1, has_next: false };
const id = { conversation_id: OFFER };
const messages = { conversation: offer, messageList: [note, request], paging: { ...paging, total: 2 } };

export const prospectExamples = defineExamples(prospect, {
  clientEvents: {
    prospect_add_conversation: {
      payload: { contact_id: WENDY, channel_id: CHANNEL, users: [BEN], title: 'Offer for ten seats' },
    },
    prospect_list_conversation: {
      payload: { channel_id: CHANNEL, search: 'wendy', limit: 20 },
      answer: { conversation: [offer], messageList: { [OFFER]: [request] }, paging },
    },
    prospect_list_message: { payload: { ...id, limit: 20 }, answer: messages },
    prospect_list_message_by_id: { payload: { ...id, message_id: REQUEST, limit: 20 }, answer: messages },
    prospect_get_conversation_by_id: { payload: id, answer: { conversation: offer } },
    prospect_add_participant: { payload: { ...id, users: [BEN] }, answer: { conversation: offer } },
    prospect_open: { payload: { ...id, is_open: false }, answer: { conversation: { ...offer, is_open: false } } },
    prospect_snooze: {
      payload: { ...id, until: '2026-11-09T08:00:00Z' },
      answer: { conversation: { ...offer, snoozed_until: '2026-11-09T08:00:00.000Z' } },
    },
    prospect_show_on_top: {
      payload: { ...id, show_on_top: true },
      answer: { conversation: { ...offer, show_on_top: true } },
    },
    prospect_read: { payload: { ...id, message_id: REQUEST } },
    prospect_archive: { payload: { ...id, archive: true }, answer: { conversation: { ...offer, archived: true } } },
    prospect_edit_conversation: {
      payload: { ...id, title: 'Offer for twelve seats' },
      answer: { conversation: { ...offer, title: 'Offer for twelve seats' } },
    },
    prospect_add_note: { payload: { ...id, data: note.data, UUID }, answer: { message: note } },
  },
  serverEvents: {
    prospect_add_conversation: { payload: { ...offer, is_new: true } },
    prospect_message: { payload: request },
    prospect_read: {
      payload: { conversation_id: OFFER, userID: BEN, message_id: REQUEST, read_at: '2026-11-03T09:21:40.300Z' },
    },
  },
  routes: {
    emitMessage: { params: { channel: 'prospect', messageID: REQUEST } },
    emitConversation: { params: { channel: 'prospect', convoID: OFFER, isNew: 'new' } },
  },
});

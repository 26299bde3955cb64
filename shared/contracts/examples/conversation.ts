import type { z } from 'zod';
import { conversation } from '../conversation.js';
import type { counters, teamConversation, teamMessage } from '../conversation-parts.js';
import { defineExamples } from './example.js';
import { ADA, ADA_IMAGE, BEN, BEN_IMAGE, CHANNEL, CLEO } from './values.js';

const LAUNCH = '6adf198c4f6423d729466177';
const QUESTION = '6ae9a5df6ebd46ee899efaad';
const ANSWER = '6ae9a6335d5cf5de41d549ff';
const UUID = '0b7e1f7a-7c55-4b53-8a0e-3d6d7f0b2c11';

const ada = { _id: ADA, name: 'Ada Adams', image: ADA_IMAGE };
const ben = { _id: BEN, name: 'Ben Brown', image: BEN_IMAGE };

const question: z.input<typeof teamMessage> = {
  _id: QUESTION,
  UUID: null,
  conversation_id: LAUNCH,
  data: 'Are the release notes ready?',
  type: 'text',
  sent_by: ben,
  mentions: [ADA],
  attachments: [],
  is_sender: false,
  createdAt: '2026-11-03T09:14:07.214Z',
};

const answer: z.input<typeof teamMessage> = {
  _id: ANSWER,
  UUID,
  conversation_id: LAUNCH,
  data: 'Yes, see the attachment.',
  type: 'text',
  sent_by: ada,
  mentions: [BEN],
  attachments: [
    {
      url: 'https://cdn.example.com/files/release-notes.pdf',
      name: 'release-notes.pdf',
      type: 'application/pdf',
      size: 48_211,
    },
  ],
  is_sender: true,
  createdAt: '2026-11-03T09:15:31.902Z',
};

const launch: z.input<typeof teamConversation> = {
  _id: LAUNCH,
  title: 'Launch',
  image: [],
  users: [
    { ...ada, email: 'ada@example.com', conversation_active_status: 'active' },
    { ...ben, email: 'ben@example.com', conversation_active_status: 'away' },
  ],
  channel_id: CHANNEL,
  created_by: BEN,
  is_open: true,
  show_on_top: false,
  snoozed_until: null,
  archived: false,
  mentioned: true,
  unread_count: 1,
  last_activity: question,
  createdAt: '2026-10-26T09:12:44.031Z',
  updatedAt: '2026-11-03T09:14:07.214Z',
};

const salesCounters: z.input<typeof counters> = { open: 7, unread: 1, closed: 23, priority: 2, snoozed: 0 };
const paging = { page: 1, limit: 20, total: 1, has_next: false };
const id = { conversation_id: LAUNCH };
const list = { conversation: [launch], messageList: { [LAUNCH]: [question] }, paging };
const messages = { conversation: launch, messageList: [answer, question], paging: { ...paging, total: 2 } };
const read = { conversation_id: LAUNCH, userID: BEN, message_id: ANSWER, read_at: '2026-11-03T09:16:02.480Z' };

export const conversationExamples = defineExamples(conversation, {
  clientEvents: {
    join: { payload: {} },
    active_status: { payload: { status: 'away' } },
    add_conversation: {
      payload: { users: [BEN], channel_id: CHANNEL, title: 'Launch' },
      answer: { conversation: { ...launch, mentioned: false, unread_count: 0, last_activity: null } },
    },
    list_conversation: { payload: { channel_id: CHANNEL, search: 'launch', limit: 20 }, answer: list },
    conversation_filter: {
      payload: { status: 'unread', users: [BEN], from: '2026-11-01T00:00:00+01:00', limit: 20 },
      answer: list,
    },
    get_conversation_by_id: { payload: id, answer: { conversation: launch } },
    list_message: { payload: { ...id, limit: 20, before: '2026-11-04T00:00:00Z' }, answer: messages },
    list_message_by_id: { payload: { ...id, message_id: QUESTION, limit: 20 }, answer: messages },
    channel: { payload: { channel_id: CHANNEL }, answer: { ...list, channel_id: CHANNEL, counters: salesCounters } },
    typing: { payload: { ...id, is_typing: true } },
    read: { payload: { ...id, message_id: QUESTION } },
    snooze: {
      payload: { ...id, until: '2026-11-09T08:00:00Z' },
      answer: { conversation: { ...launch, snoozed_until: '2026-11-09T08:00:00.000Z' } },
    },
    archive: { payload: { ...id, archive: true }, answer: { conversation: { ...launch, archived: true } } },
    show_on_top: { payload: { ...id, show_on_top: true }, answer: { conversation: { ...launch, show_on_top: true } } },
    open: { payload: { ...id, is_open: false }, answer: { conversation: { ...launch, is_open: false } } },
    edit_conversation: {
      payload: { ...id, title: 'Launch in spring' },
      answer: { conversation: { ...launch, title: 'Launch in spring' } },
    },
    add_participant: {
      payload: { ...id, users: [CLEO] },
      answer: {
        conversation: {
          ...launch,
          users: [
            ...launch.users,
            {
              _id: CLEO,
              name: 'Cleo Clark',
              email: 'cleo@example.com',
              image: null,
              conversation_active_status: 'away',
            },
          ],
        },
      },
    },
    message: {
      payload: { ...id, data: answer.data, UUID, mentions: [BEN], attachments: answer.attachments },
      answer: { message: answer },
    },
  },
  serverEvents: {
    active_status: { payload: { userID: BEN, conversation_active_status: 'active' } },
    add_conversation: { payload: launch },
    update_conversation: { payload: { success: true, message: 'SUCCESS', data: { conversation: launch } } },
    message: { payload: question },
    typing: { payload: { conversation_id: LAUNCH, user: BEN, is_typing: true } },
    read: { payload: read },
    counters: { payload: { channel_id: CHANNEL, counters: salesCounters, version: 118 } },
  },
});

import { type Connection, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { foldText } from '#shared/utilities/fold-text.js';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { type Access, accessesOf, expectBoundedAccess, READ_MAX } from '../query-plans.js';

/** Of these a list without the archived and the snoozed ones has more than a search looks at. */
const CONVERSATIONS = 8000;
const MESSAGES = 3000;
/** What a search looks at, by `search.ts`. */
const SEARCHED_MAX = 5000;
/** A participant of more conversations is looked for in the list. */
const CANDIDATES_MAX = 500;
const BEGINNING = 1_700_000_000_000;

let environment: TestEnvironment;
let connection: Connection;
let a: TestClient;
/** The newest conversation, which has many messages, and one of its participants. */
let id: string;
let bobId: string;
let colleagueId: string;
let middle: string;
let about: string;
const used = new Map<string, Set<string>>();

beforeAll(async () => {
  environment = await createTestEnvironment({ overrides: { clock: createTestClock() } });
  connection = environment.models.Member.db;
  const [ann, bob, colleague] = await environment.people('Ann', 'Bob', 'Colleague');
  [bobId, colleagueId] = [bob.id, colleague.id];
  const account = new Types.ObjectId(ann.accountId);
  const users = [ann, bob].map((user) => new Types.ObjectId(user.id));
  const [own] = users;
  const conversations = Array.from({ length: CONVERSATIONS }, (_, n) => ({
    _id: new Types.ObjectId(),
    account,
    users,
    title: `Talk ${n}`,
    image: [],
    channel_id: n % 2 ? 'odd' : 'even',
    created_by: own,
    is_open: n % 3 > 0,
    last_activity: null,
    last_activity_at: new Date(BEGINNING + n * 1000),
    createdAt: new Date(),
    updatedAt: new Date(),
  }));
  await environment.models.Conversation.collection.insertMany(conversations as never[]);
  const members = conversations.flatMap(({ _id, channel_id, is_open, last_activity_at, title }, n) =>
    users.map((user) => ({
      _id: new Types.ObjectId(),
      conversation: _id,
      kind: 'team',
      user,
      account,
      channel_id,
      is_open,
      last_activity_at,
      unread_count: n % 5 ? 0 : 1,
      show_on_top: n % 100 === 0,
      archived: n % 7 === 0,
      snoozed_until: n % 11 ? null : new Date('2090-01-01'),
      mentioned: n % 4 === 0,
      last_read: null,
      last_read_at: null,
      search_key: foldText(title),
    })),
  );
  await environment.models.Member.collection.insertMany(members as never[]);
  const newest = conversations.findLast((_, n) => n % 7 > 0 && n % 11 > 0);
  id = String(newest?._id);
  const messages = Array.from({ length: MESSAGES }, (_, n) => ({
    _id: new Types.ObjectId(),
    UUID: `m${n}`,
    conversation_id: newest?._id,
    data: 'text',
    type: 'text',
    sent_by: users[1],
    mentions: [],
    attachments: [],
    createdAt: new Date(BEGINNING + n * 1000),
  }));
  await environment.models.Message.collection.insertMany(messages as never[]);
  middle = String(messages[MESSAGES / 2]?._id);
  a = await environment.open(ann);
  const contact = await environment.models.Contact.create({ account: ann.accountId, name: 'Carla' });
  await a.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'odd', users: [bob.id] });
  about = (await a.next('prospect_add_conversation'))[0]._id;
});
afterAll(() => environment.close());

async function look(event: string, data: object): Promise<Access[]> {
  const all = await accessesOf(connection, async () => dataOf(await a.ask(event, data)));
  // Delivery looks after its queues by itself, at any moment.
  const accesses = all.filter(({ collection }) => !collection.startsWith('delivery.'));
  for (const { collection, indexes } of accesses) {
    const names = used.get(collection) ?? new Set();
    used.set(collection, names);
    for (const name of indexes) names.add(name);
  }
  return accesses;
}

/** Holds when an event reads no more than it needs. */
async function expectBounded(event: string, data: object, most?: number): Promise<void> {
  for (const access of await look(event, data)) expectBoundedAccess(access, `${event} ${JSON.stringify(data)}`, most);
}

test('the first read counts everything once', async () => {
  const [first] = await look('channel', {});
  expect(first).toBeDefined();
  await expectBounded('channel', {});
});

test('every list is an index range', async () => {
  for (const channel of [{}, ...['odd', 'you', 'mentions', 'prospect'].map((channel_id) => ({ channel_id }))]) {
    await expectBounded('channel', channel);
    for (const event of ['list_conversation', 'prospect_list_conversation']) await expectBounded(event, channel);
  }
  for (const status of ['open', 'closed', 'unread', 'priority', 'snoozed', 'archived']) {
    for (const channel of [{}, { channel_id: 'odd' }]) {
      await expectBounded('conversation_filter', { status, ...channel });
    }
  }
  await expectBounded('list_conversation', { limit: 100, message_limit: 2 });
  for (const page of [1, 2, 3, 4]) await expectBounded('list_conversation', { page, limit: 40 });
});

test('time filters are index bounds', async () => {
  const from = new Date(BEGINNING + 10_000).toISOString();
  const to = new Date(BEGINNING + 60_000).toISOString();
  for (const status of [{}, { status: 'open' }, { status: 'priority' }, { status: 'closed', channel_id: 'odd' }]) {
    await expectBounded('conversation_filter', { ...status, from, to });
    await expectBounded('conversation_filter', { ...status, to });
  }
});

test('a search examines a bounded number of conversations', async () => {
  for (const query of [
    { search: 'nothing is called so' },
    { search: 'bob' },
    { search: 'Talk 5' },
    { users: [bobId] },
    { users: [bobId, colleagueId], status: 'open' },
    { search: 'a', users: [bobId], to: new Date().toISOString() },
  ]) {
    await expectBounded('conversation_filter', query, SEARCHED_MAX);
  }
});

test('a search ends when the page is full, and begins with the conversations of a participant who has few', async () => {
  await expectBounded('list_conversation', { search: 'talk' });
  await expectBounded('list_conversation', { search: 'talk', page: 2 });
  await expectBounded('list_conversation', { search: 'talk', limit: 100 });
  await expectBounded('list_conversation', { search: 'BOB' });
  await expectBounded('conversation_filter', { users: [colleagueId] });
  await expectBounded('conversation_filter', { users: [bobId, colleagueId] }, CANDIDATES_MAX + 1);
  await expectBounded('conversation_filter', { users: [bobId] }, CANDIDATES_MAX + 1);
});

test('message pages are index ranges', async () => {
  const conversation_id = id;
  // Totals count each message.
  const most = MESSAGES + READ_MAX;
  const time = new Date(BEGINNING + 10_000).toISOString();
  for (const data of [
    {},
    { limit: 100 },
    { page: 2 },
    { before: middle },
    { before: middle, page: 2 },
    { before: time },
  ]) {
    await expectBounded('list_message', { conversation_id, ...data }, most);
  }
  await expectBounded('prospect_list_message', { conversation_id: about });
  await expectBounded('list_message_by_id', { conversation_id, message_id: middle, limit: 50 }, most);
});

test('no other operation reads more than it shows', async () => {
  const UUID = 'twice';
  const until = new Date('2080-01-01').toISOString();
  for (const [event, data] of [
    ['get_conversation_by_id', {}],
    ['typing', {}],
    ['read', {}],
    ['snooze', { until }],
    ['snooze', { until: null }],
    ['archive', { archive: false }],
    ['show_on_top', {}],
    ['open', { is_open: true }],
    ['edit_conversation', { title: 'New' }],
    ['add_participant', { users: [colleagueId] }],
  ] as const) {
    await expectBounded(event, { conversation_id: id, ...data });
    await expectBounded(`prospect_${event}`.replace('prospect_typing', 'typing'), {
      conversation_id: event === 'typing' ? id : about,
      ...data,
    });
  }
  for (let n = 0; n < 2; n += 1) {
    await expectBounded('message', { conversation_id: id, data: 'text', UUID, mentions: [bobId] });
    await expectBounded('prospect_add_note', { conversation_id: about, data: 'text', UUID });
  }
  await expectBounded('add_conversation', { users: [bobId], channel_id: 'odd' });
});

test('every index is used', async () => {
  const { Conversation, ConversationProspect, Member, Message, Communication, Counter } = environment.models;
  for (const model of [Conversation, ConversationProspect, Member, Message, Communication, Counter]) {
    const { collectionName } = model.collection;
    const indexes = (await model.collection.indexes()).map(({ name }) => name);
    const unused = indexes.filter((name) => name !== '_id_' && used.get(collectionName)?.has(name ?? '') !== true);
    expect([collectionName, unused]).toEqual([collectionName, []]);
  }
});

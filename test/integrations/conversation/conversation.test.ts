import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { until } from '../../support/until.js';
import { outsiderCalls } from './outsider-calls.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ overrides: { clock } });
});
afterAll(() => environment.close());

/** Three people of one account with a conversation of the first two. */
async function talk() {
  const [ann, bob, eve] = await environment.people('Ann', 'Bob', 'Eve');
  const a = await environment.open(ann);
  const b = await environment.open(bob);
  const { conversation } = dataOf(
    await a.ask('add_conversation', { users: [bob.id], channel_id: 'general', title: 'Launch (v1.0)' }),
  );
  return { ann, bob, eve, a, b, id: conversation._id as string, conversation };
}

test('add_conversation creates a conversation of the caller and the given users, and notifies all of them', async () => {
  const { ann, bob, a, b, id, conversation } = await talk();
  expect(conversation).toMatchObject({
    title: 'Launch (v1.0)',
    image: [],
    channel_id: 'general',
    created_by: ann.id,
    is_open: true,
    show_on_top: false,
    snoozed_until: null,
    archived: false,
    mentioned: false,
    unread_count: 0,
    last_activity: null,
  });
  expect(conversation.users).toEqual([
    expect.objectContaining({ _id: ann.id, name: 'Ann', email: 'ann@example.com' }),
    expect.objectContaining({ _id: bob.id, conversation_active_status: 'away' }),
  ]);
  expect(await a.next('add_conversation')).toEqual([conversation]);
  expect(await b.next('add_conversation')).toEqual([expect.objectContaining({ _id: id })]);
  expect((await b.next('counters'))[0]).toMatchObject({ counters: { open: 1 }, version: 1 });
});

test('a message is stored, then reaches all participants on both namespaces and the other sockets of its sender', async () => {
  const { ann, bob, a, b, id } = await talk();
  const otherTab = await environment.open(ann, { namespace: '/v1/conversation/live' });
  const { message } = dataOf(
    await a.ask('message', { conversation_id: id, data: 'Hello', mentions: [bob.id], attachments: [{ url: 'x' }] }),
  );
  expect(message).toMatchObject({
    conversation_id: id,
    data: 'Hello',
    type: 'text',
    sent_by: { _id: ann.id, name: 'Ann' },
    mentions: [bob.id],
    attachments: [{ url: 'x' }],
    is_sender: true,
  });
  expect(await environment.models.Message.countDocuments({ _id: message._id })).toBe(1);
  expect(await b.next('message')).toEqual([{ ...message, is_sender: false }]);
  expect(await otherTab.next('message')).toEqual([message]);
  expect(a.received('message')).toEqual([]);

  const { conversation } = dataOf(await b.ask('get_conversation_by_id', { conversation_id: id }));
  expect(conversation).toMatchObject({ unread_count: 1, mentioned: true, last_activity: { _id: message._id } });
  expect((await b.next('get_conversation_by_id'))[0]).toEqual({
    success: true,
    message: 'SUCCESS',
    data: { conversation },
  });
});

test('a repeated UUID is stored and sent once', async () => {
  const { a, b, id } = await talk();
  const say = () => a.ask('message', { conversation_id: id, data: 'once', UUID: 'u-1' });
  const answers = await Promise.all([say(), say(), say()]);
  expect(new Set(answers.map((answer) => dataOf(answer).message._id)).size).toBe(1);
  await a.ask('message', { conversation_id: id, data: 'barrier' });
  await until(() => b.received('message').some(([message]) => message.data === 'barrier'));
  expect(b.received('message').map(([message]) => message.data)).toEqual(['once', 'barrier']);
  const { conversation } = dataOf(await b.ask('get_conversation_by_id', { conversation_id: id }));
  expect(conversation.unread_count).toBe(2);
});

test('a retry is answered even when a new message would be refused, except for a removed user', async () => {
  const { ann, bob, a, id } = await talk();
  const draft = { conversation_id: id, data: '@Bob', UUID: 'u-1', mentions: [bob.id] };
  const { message } = dataOf(await a.ask('message', draft));
  await environment.models.User.updateOne({ _id: bob.id }, { blockedUsers: [ann.id] });
  expect(dataOf(await a.ask('message', draft)).message).toEqual(message);
  expect(await a.ask('message', { ...draft, UUID: 'u-2' })).toMatchObject({ success: false, message: 'FORBIDDEN' });
  await environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: ann.id } });
  expect(await a.ask('message', draft)).toMatchObject({ success: false, message: 'NOT_FOUND' });
});

test('read notifies the others, clears the unread count, and never moves back', async () => {
  const { bob, a, b, id } = await talk();
  const ids: string[] = [];
  for (const data of ['1', '2', '3', '4']) {
    clock.advance(1);
    ids.push(dataOf(await a.ask('message', { conversation_id: id, data })).message._id);
  }
  const unread = async () =>
    dataOf(await b.ask('get_conversation_by_id', { conversation_id: id })).conversation.unread_count;
  expect(await unread()).toBe(4);
  dataOf({ success: true, ...(await b.ask('read', { conversation_id: id, message_id: ids[1] })) });
  expect(await unread()).toBe(2);
  await b.ask('read', { conversation_id: id, message_id: ids[0] });
  expect(await unread()).toBe(2);
  expect((await a.next('read'))[0]).toMatchObject({ conversation_id: id, userID: bob.id, message_id: ids[1] });
  const tab = await environment.open(bob);
  await b.ask('read', { conversation_id: id });
  expect(await unread()).toBe(0);
  expect((await tab.next('update_conversation'))[0].data.conversation).toMatchObject({ _id: id, unread_count: 0 });
  await until(() => a.received('read').some(([event]) => event.message_id === ids[3]));
});

test('conversations of others are not found', async () => {
  const { eve, bob, a, b, id } = await talk();
  const [stranger] = await environment.people('Mallory');
  const outsiders = [await environment.open(eve), await environment.open(stranger ?? eve)];
  const { message } = dataOf(await a.ask('message', { conversation_id: id, data: 'secret' }));
  for (const outsider of outsiders) {
    for (const [event, data] of outsiderCalls(message._id, [bob.id])) {
      expect(await outsider.ask(event, { conversation_id: id, ...data }), event).toMatchObject({
        success: false,
        message: 'NOT_FOUND',
      });
    }
    expect(dataOf(await outsider.ask('list_conversation', {})).conversation).toEqual([]);
    expect(outsider.received('message')).toEqual([]);
  }
  const { conversation } = dataOf(await b.ask('get_conversation_by_id', { conversation_id: id }));
  expect(conversation).toMatchObject({ title: 'Launch (v1.0)', is_open: true });
  expect(b.received('typing')).toEqual([]);
});

test('a removed user receives nothing more on an open socket', async () => {
  const { bob, a, b, id } = await talk();
  await a.ask('typing', { conversation_id: id });
  await b.next('typing');
  await environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: bob.id } });
  await a.ask('message', { conversation_id: id, data: 'without you' });
  await a.ask('typing', { conversation_id: id });
  expect(await b.ask('list_message', { conversation_id: id })).toMatchObject({ message: 'NOT_FOUND' });
  expect(dataOf(await b.ask('list_conversation', {})).conversation).toEqual([]);
  expect([b.received('message'), b.received('typing')]).toEqual([[], []]);
});

test('snoozed conversations are hidden, and return once', async () => {
  const { a, b, id } = await talk();
  const wakeAt = new Date(clock.now() + 60_000).toISOString();
  const { conversation } = dataOf(await a.ask('snooze', { conversation_id: id, until: wakeAt }));
  expect(conversation.snoozed_until).toBe(wakeAt);
  await a.next('update_conversation');
  expect(dataOf(await a.ask('list_conversation', {})).conversation).toEqual([]);
  expect(dataOf(await a.ask('conversation_filter', { status: 'snoozed' })).conversation).toHaveLength(1);
  expect(dataOf(await a.ask('channel', { channel_id: 'general' })).counters).toMatchObject({ open: 0, snoozed: 1 });
  expect(dataOf(await b.ask('list_conversation', {})).conversation).toHaveLength(1);
  expect(await a.ask('snooze', { conversation_id: id, until: new Date(clock.now() - 1).toISOString() })).toMatchObject({
    message: 'VALIDATION_ERROR',
  });
  await clock.advanceUntil(61_000, () => a.received('update_conversation').length > 0);
  expect((await a.next('update_conversation'))[0].data.conversation.snoozed_until).toBeNull();
  expect(dataOf(await a.ask('channel', { channel_id: 'general' })).counters).toMatchObject({ open: 1, snoozed: 0 });
  expect(dataOf(await a.ask('list_conversation', {})).conversation).toHaveLength(1);
  expect(a.received('update_conversation')).toEqual([]);
});

test('odd snoozes end, and keep no other from ending', async () => {
  const { ann, a, id } = await talk();
  const { collection } = environment.models.Member;
  const past = new Date(clock.now() - 86_400_000);
  const of = () => ({ _id: new Types.ObjectId(), kind: 'team' });
  const ofSomebody = () => ({ ...of(), user: new Types.ObjectId(), conversation: new Types.ObjectId() });
  const odd = [
    { ...ofSomebody(), snoozed_until: [past, new Date('2999-01-01')] },
    { ...ofSomebody(), snoozed_until: [past, null, 'odd'] },
    // More than are ended together.
    ...Array.from({ length: 101 }, (_, n) => ({ ...of(), user: `odd ${n}`, snoozed_until: past })),
    { ...ofSomebody(), user: String(new Types.ObjectId()), snoozed_until: past },
  ];
  await collection.insertMany(odd as never[]);
  const own = { user: new Types.ObjectId(ann.id), conversation: new Types.ObjectId(id) };
  await collection.updateOne(own, { $set: { snoozed_until: new Date(clock.now() + 30_000) } });
  await clock.advanceUntil(1000, async () => (await collection.findOne(own))?.['snoozed_until'] === null);
  expect(dataOf(await a.ask('list_conversation', {})).conversation).toHaveLength(1);
  const ids = { $in: odd.map(({ _id }) => _id) };
  await clock.advanceUntil(
    1000,
    async () => (await collection.countDocuments({ _id: ids, snoozed_until: null })) === odd.length,
  );
  await collection.deleteMany({ _id: ids });
});

test('shared changes reach all participants, personal changes only the user', async () => {
  const { a, b, id } = await talk();
  await b.ask('show_on_top', { conversation_id: id });
  expect((await b.next('update_conversation'))[0].data.conversation.show_on_top).toBe(true);
  await a.ask('open', { conversation_id: id, is_open: false });
  expect((await b.next('update_conversation'))[0]).toMatchObject({
    success: true,
    data: { conversation: { _id: id, is_open: false, show_on_top: true } },
  });
  const { conversation } = dataOf(await a.ask('edit_conversation', { conversation_id: id, title: 'Done', image: 'i' }));
  expect(conversation).toMatchObject({ title: 'Done', image: ['i'], show_on_top: false });
  expect((await b.next('update_conversation'))[0].data.conversation.title).toBe('Done');
  await b.ask('archive', { conversation_id: id });
  expect((await b.next('update_conversation'))[0].data.conversation.archived).toBe(true);
  expect(dataOf(await b.ask('conversation_filter', { status: 'archived' })).conversation).toHaveLength(1);
  expect(dataOf(await a.ask('conversation_filter', { status: 'closed' })).paging).toMatchObject({ total: 1 });
});

test('added participants receive the conversation, and the others an update', async () => {
  const { eve, a, b, id } = await talk();
  const e = await environment.open(eve);
  await a.ask('message', { conversation_id: id, data: 'before' });
  const { conversation } = dataOf(await b.ask('add_participant', { conversation_id: id, users: [eve.id] }));
  expect(conversation.users).toHaveLength(3);
  expect((await e.next('add_conversation'))[0]).toMatchObject({ _id: id, unread_count: 0 });
  expect((await a.next('update_conversation'))[0].data.conversation.users).toHaveLength(3);
  await a.ask('message', { conversation_id: id, data: 'welcome' });
  expect((await e.next('message'))[0].data).toBe('welcome');
  expect(dataOf(await e.ask('channel', {})).channels).toMatchObject({
    you: { open: 1, unread: 1 },
    general: { open: 1, unread: 1 },
    mentions: { open: 0 },
    prospect: { open: 0 },
  });
});

test('pages return every conversation once, by channel, search, users, status and time', async () => {
  const [ann, bob, cid] = await environment.people('Ann', 'Bob', 'Cid Charisse');
  const a = await environment.open(ann);
  const ids: string[] = [];
  for (let n = 0; n < 25; n += 1) {
    clock.advance(1000);
    const users = n % 5 === 0 ? [bob.id, cid.id] : [bob.id];
    const data = { users, channel_id: n % 2 === 0 ? 'even' : 'odd', title: `Talk ${n} [a.*b]` };
    ids.unshift(dataOf(await a.ask('add_conversation', data)).conversation._id);
  }
  const walk = async (query: object): Promise<string[]> => {
    const found: string[] = [];
    for (let page = 1; ; page += 1) {
      const { conversation, paging } = dataOf(await a.ask('conversation_filter', { ...query, page, limit: 4 }));
      found.push(...conversation.map(({ _id }: { _id: string }) => _id));
      if (!paging.has_next) {
        expect(paging.total).toBe(found.length);
        return found;
      }
    }
  };
  expect(await walk({})).toEqual(ids);
  await a.ask('show_on_top', { conversation_id: ids[7] });
  await a.ask('show_on_top', { conversation_id: ids[20] });
  expect((await walk({})).slice(0, 2)).toEqual([ids[7], ids[20]]);
  expect(await walk({ channel_id: 'odd' })).toHaveLength(12);
  expect(await walk({ status: 'priority' })).toEqual([ids[7], ids[20]]);
  expect(await walk({ search: 'charis' })).toHaveLength(5);
  expect(await walk({ search: 'tALK 1' })).toHaveLength(11);
  expect(await walk({ search: '[a.*b]' })).toHaveLength(25);
  expect(await walk({ search: '.*' })).toHaveLength(25);
  expect(await walk({ search: '(.+)+$' })).toEqual([]);
  expect(await walk({ users: [cid.id], channel_id: 'even' })).toHaveLength(3);
  const from = new Date(clock.now() - 4500).toISOString();
  expect(await walk({ from })).toEqual(ids.slice(0, 5));
  const jump = dataOf(await a.ask('list_conversation', { page: 3, limit: 10, channel_id: 'you' }));
  expect(jump.conversation).toHaveLength(5);
  expect(jump.paging).toEqual({ page: 3, limit: 10, total: 25, has_next: false });
});

test('messages are returned in pages, before a message, and around a message', async () => {
  const { a, b, id } = await talk();
  const ids: string[] = [];
  for (let n = 0; n < 30; n += 1) {
    if (n % 3 === 0) clock.advance(1);
    ids.unshift(dataOf(await a.ask('message', { conversation_id: id, data: String(n) })).message._id);
  }
  const stored = await environment.models.Message.find({ conversation_id: id }).sort({ createdAt: -1, _id: -1 }).lean();
  expect(stored.map(({ _id }) => String(_id))).toEqual(ids);
  const idsOf = (data: { messageList: { _id: string }[] }) => data.messageList.map(({ _id }) => _id);
  const list = async (query: object) => dataOf(await b.ask('list_message', { conversation_id: id, ...query }));
  expect(idsOf(await list({}))).toEqual(ids.slice(0, 20));
  for (const page of [1, 2, 3, 4, 5]) {
    const data = await list({ page, limit: 7 });
    expect(idsOf(data)).toEqual(ids.slice((page - 1) * 7, page * 7));
    expect(data.paging).toEqual({ page, limit: 7, total: 30, has_next: page < 5 });
  }
  expect(idsOf(await list({ before: ids[9], limit: 5 }))).toEqual(ids.slice(10, 15));
  expect(idsOf(await list({ before: ids[9], limit: 5, page: 2 }))).toEqual(ids.slice(15, 20));
  const around = dataOf(await b.ask('list_message_by_id', { conversation_id: id, message_id: ids[13], limit: 9 }));
  expect(idsOf(around)).toEqual(ids.slice(9, 18));
  expect(around.conversation._id).toBe(id);
  const withMessages = dataOf(await b.ask('list_conversation', { message_limit: 3 }));
  expect(withMessages.messageList[id].map(({ _id }: { _id: string }) => _id)).toEqual(ids.slice(0, 3));
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { outsiderCalls } from './outsider-calls.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock: createTestClock() } });
});
afterAll(() => environment.close());

const STATES = ['message', 'typing', 'read', 'update_conversation', 'add_conversation', 'counters'] as const;
const PROSPECT_STATES = [...STATES, 'prospect_message', 'prospect_read', 'prospect_add_conversation'] as const;

/** What a client was sent of all that conversations send. */
const heardBy = (client: TestClient): Record<string, number> =>
  Object.fromEntries(PROSPECT_STATES.map((event) => [event, client.received(event).length]));

/** Three people in one conversation; the last has a socket on each node and each namespace. */
async function talk() {
  const [ann, bob, eve] = await environment.people('Ann', 'Bob', 'Eve');
  const a = await environment.open(ann);
  const b = await environment.open(bob, { node: 1 });
  const eves = await Promise.all(
    [0, 1].flatMap((node) =>
      ['/v1/conversation', '/v1/conversation/live'].map((namespace) => environment.open(eve, { node, namespace })),
    ),
  );
  const made = await a.ask('add_conversation', { users: [bob.id, eve.id], channel_id: 'general', title: 'Secret' });
  const id: string = dataOf(made).conversation._id;
  const { message } = dataOf(await a.ask('message', { conversation_id: id, data: 'for all three' }));
  for (const e of eves) {
    await e.next('message');
    // The last of the numbers that the message has changed.
    let told: { channel_id: string; counters: { unread: number } };
    do [told] = (await e.next('counters')) as [typeof told];
    while (told.channel_id !== 'you' || told.counters.unread !== 1);
  }
  return { ann, bob, eve, a, b, eves, id, message };
}

/** Holds when everything sent before has arrived: an event of another kind, sent from each node, has come too. */
async function barrier({ eve, eves }: { eve: TestUser; eves: readonly TestClient[] }): Promise<void> {
  for (const [node, gateway] of environment.nodes.entries()) {
    await gateway.call('POST', `/emit/${eve.id}/barrier?namespace=*`, { node });
    for (const e of eves) await e.next('barrier');
  }
}

test('a removed user receives nothing more of a conversation, on any node, namespace or tab', async () => {
  const scene = await talk();
  const { eve, a, b, eves, id, message } = scene;
  await barrier(scene);
  const before = eves.map(heardBy);
  await environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: eve.id } });

  await a.ask('message', { conversation_id: id, data: 'of this Eve knows nothing' });
  await b.ask('message', { conversation_id: id, data: 'nor of this' });
  await a.ask('typing', { conversation_id: id });
  await b.ask('read', { conversation_id: id });
  await a.ask('open', { conversation_id: id, is_open: false });
  await b.ask('edit_conversation', { conversation_id: id, title: 'Still secret' });
  await barrier(scene);
  expect(eves.map(heardBy)).toEqual(before);

  const conversation_id = id;
  for (const [event, data] of outsiderCalls(message._id, [scene.bob.id])) {
    for (const e of eves) {
      expect(await e.ask(event, { conversation_id, ...data }), event).toMatchObject({ message: 'NOT_FOUND' });
    }
  }
  const [e] = eves;
  expect(dataOf(await e?.ask('list_conversation', {}))).toMatchObject({ conversation: [], paging: { total: 0 } });
  expect(dataOf(await e?.ask('channel', {})).channels.you).toMatchObject({ open: 0, unread: 0, closed: 0 });
  expect(await environment.models.Member.countDocuments({ conversation: id })).toBe(2);
});

test('counters of a removed user are right without any further event in the conversation', async () => {
  const { eve, eves, id } = await talk();
  await environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: eve.id } });
  const [e] = eves;
  expect(dataOf(await e?.ask('list_conversation', {}))).toMatchObject({ conversation: [], paging: { total: 0 } });
  expect(dataOf(await e?.ask('channel', {})).channels).toMatchObject({ you: { open: 0, unread: 0 } });
});

test('a user who is added again starts with a new member', async () => {
  const { eve, a, eves, id } = await talk();
  const [e] = eves;
  await e?.ask('archive', { conversation_id: id });
  await environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: eve.id } });
  await a.ask('message', { conversation_id: id, data: 'in the meantime' });
  await a.ask('add_participant', { conversation_id: id, users: [eve.id] });
  const { conversation } = dataOf(await e?.ask('get_conversation_by_id', { conversation_id: id }));
  expect(conversation).toMatchObject({ unread_count: 0, archived: false });
  expect(dataOf(await e?.ask('channel', {})).channels.you).toMatchObject({ open: 1, unread: 0 });
});

test('users of another account see nothing, even with known ids', async () => {
  const { ann, bob, a, id, message } = await talk();
  const contact = await environment.models.Contact.create({ account: ann.accountId, name: 'Carla' });
  await a.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'x', users: [bob.id] });
  const [about] = await a.next('prospect_add_conversation');
  const { message: note } = dataOf(await a.ask('prospect_add_note', { conversation_id: about._id, data: 'n' }));
  const [mallory] = await environment.people('Mallory');
  // Names another account's ids, and even the account itself in a token that says who else it is.
  const outsiders = [
    await environment.open(mallory),
    await environment.open({ ...mallory, accountId: ann.accountId }, { node: 1 }),
  ];
  const counts = () =>
    Promise.all([
      environment.models.Conversation.countDocuments(),
      environment.models.ConversationProspect.countDocuments(),
      environment.models.Message.countDocuments(),
      environment.models.Communication.countDocuments(),
      environment.models.Member.countDocuments(),
    ]);
  const before = await counts();
  const events = [
    ['get_conversation_by_id', {}],
    ['list_message', {}],
    ['list_message_by_id', { message_id: message._id }],
    ['read', { message_id: message._id }],
    ['snooze', { until: null }],
    ['archive', {}],
    ['show_on_top', {}],
    ['open', { is_open: false }],
    ['edit_conversation', { title: 'mine' }],
    ['add_participant', { users: [mallory.id] }],
  ] as const;
  for (const outsider of outsiders) {
    for (const [event, data] of events) {
      const team = await outsider.ask(event, { conversation_id: id, ...data });
      expect(team, event).toMatchObject({ success: false, message: 'NOT_FOUND' });
      const own = 'message_id' in data ? { message_id: note._id } : data;
      const prospect = await outsider.ask(`prospect_${event}`, { conversation_id: about._id, ...own });
      expect(prospect, `prospect_${event}`).toMatchObject({ success: false, message: 'NOT_FOUND' });
    }
    for (const [event, data] of [
      ['typing', { conversation_id: id }],
      ['message', { conversation_id: id, data: 'hi' }],
      ['prospect_add_note', { conversation_id: about._id, data: 'hi' }],
    ] as const) {
      expect(await outsider.ask(event, data), event).toMatchObject({ message: 'NOT_FOUND' });
    }
    for (const event of ['list_conversation', 'conversation_filter', 'prospect_list_conversation']) {
      const list = dataOf(await outsider.ask(event, { search: 'e' }));
      expect(list, event).toMatchObject({ conversation: [], messageList: {}, paging: { total: 0 } });
    }
    expect(Object.values(dataOf(await outsider.ask('channel', {})).channels)).toEqual(
      Array(3).fill({ open: 0, unread: 0, closed: 0, priority: 0, snoozed: 0 }),
    );
  }
  const [stranger] = outsiders;
  for (const users of [[ann.id], [mallory.id, bob.id], [String(new Types.ObjectId())]]) {
    expect(await stranger?.ask('add_conversation', { users, channel_id: 'x' })).toMatchObject({ message: 'NOT_FOUND' });
  }
  const taken = await stranger?.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'x' });
  expect(taken).toMatchObject({ message: 'NOT_FOUND' });
  expect(await counts()).toEqual(before);
});

test('messages of other conversations are refused, and only participants are mentioned', async () => {
  const one = await talk();
  const other = await talk();
  const { a, id } = one;
  for (const [event, data] of [
    ['list_message_by_id', { message_id: other.message._id }],
    ['list_message', { before: other.message._id }],
    ['read', { message_id: other.message._id }],
  ] as const) {
    expect(await a.ask(event, { conversation_id: id, ...data }), event).toMatchObject({ message: 'NOT_FOUND' });
  }
  const left = one.bob.id;
  const mentions = [other.bob.id, one.eve.id, left, String(new Types.ObjectId())];
  await environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: left } });
  const { message } = dataOf(await a.ask('message', { conversation_id: id, data: 'hi', mentions }));
  expect(message.mentions).toEqual([one.eve.id]);
  expect(
    await environment.models.Member.find(
      { conversation: { $in: [id, other.id] }, mentioned: true },
      { user: 1 },
    ).lean(),
  ).toMatchObject([{ user: new Types.ObjectId(one.eve.id) }]);
});

test('status and typing are limited per user over tabs and nodes', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const tabs = [await environment.open(ann), await environment.open(ann, { node: 1 })];
  const made = await tabs[0]?.ask('add_conversation', { users: [bob.id], channel_id: 'x' });
  const conversation_id = dataOf(made).conversation._id;
  for (const [event, data, most] of [
    ['active_status', { status: 'away' }, 120],
    ['typing', { conversation_id }, 150],
  ] as const) {
    // All at once, or on a slow machine the window would be over before the last.
    const answers = await Promise.all(Array.from({ length: most + 1 }, (_, n) => tabs[n % 2]?.ask(event, data)));
    const refused = answers.filter(({ success }) => !success);
    expect(refused).toMatchObject([{ message: 'RATE_LIMITED', additional_info: { errno: 429 } }]);
  }
});

import { mongo, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { conversation } from '#shared/contracts/conversation.js';
import { prospect } from '#shared/contracts/prospect.js';
import { session } from '#shared/contracts/session.js';
import type { TestClient } from '../../support/client.js';
import { refusal } from '../../support/client.js';
import { holdToContracts } from '../../support/contract.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { signToken } from '../../support/gateway.js';
import { askGently, nameOf, storeVariants } from '../foreign.js';

let environment: TestEnvironment;
let ann: TestUser;
let bob: TestUser;
let a: TestClient;
let b: TestClient;
let account: Types.ObjectId;
let users: Types.ObjectId[];

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** Two people of an account of their own, so that every test has empty lists. */
async function begin(): Promise<void> {
  [ann, bob] = await environment.people('Ann', 'Bob');
  account = new Types.ObjectId(ann.accountId);
  users = [ann, bob].map(({ id }) => new Types.ObjectId(id));
  a = holdToContracts(await environment.open(ann), [conversation, prospect, session]);
  b = holdToContracts(await environment.open(bob), [conversation, prospect, session]);
}

/** A conversation as it should be. */
const toConversation = (_id: Types.ObjectId, fields: object = {}) => ({
  _id,
  account,
  users,
  title: 'Good',
  image: [],
  channel_id: 'x',
  created_by: users[0],
  is_open: true,
  last_activity: null,
  last_activity_at: new Date(),
  createdAt: new Date(),
  updatedAt: new Date(),
  ...fields,
});

/** The state of a user in it. */
const toMember = (conversationId: Types.ObjectId, user: Types.ObjectId | undefined, kind = 'team') => ({
  _id: new Types.ObjectId(),
  conversation: conversationId,
  kind,
  user,
  account,
  channel_id: 'x',
  unread_count: 0,
  show_on_top: false,
  snoozed_until: null,
  archived: false,
  mentioned: false,
  is_open: true,
  last_read: null,
  last_read_at: null,
  last_activity_at: new Date(),
  search_key: null,
});

/** Walks through a list of conversations. @returns the ids, in order */
async function walk(client: TestClient, event: string, data: object = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let page = 1; ; page += 1) {
    const { conversation: found, paging } = dataOf(await client.ask(event, { limit: 41, ...data, page }));
    ids.push(...found.map(({ _id }: { _id: string }) => _id));
    if (!paging.has_next) return ids;
  }
}

async function walkMessages(client: TestClient, event: string, data: object): Promise<string[]> {
  const ids: string[] = [];
  for (let page = 1; ; page += 1) {
    const { messageList, paging } = dataOf(await client.ask(event, { limit: 41, ...data, page }));
    ids.push(...messageList.map(({ _id }: { _id: string }) => _id));
    if (!paging.has_next) return ids;
  }
}

const textsOf = (variants: readonly { _id: Types.ObjectId }[]): string[] =>
  variants.map(({ _id }) => String(_id)).sort();

test('team conversations with odd fields can be listed, opened, changed and written to', async () => {
  await begin();
  const { Conversation, Member } = environment.models;
  const variants = await storeVariants(Conversation, ['account', 'users'], async ({ _id }) => {
    await Member.collection.insertMany(users.map((user) => toMember(_id, user)) as never[]);
    return toConversation(_id);
  });
  expect((await walk(a, 'list_conversation')).sort()).toEqual(textsOf(variants));
  expect((await walk(a, 'conversation_filter', { status: 'open' })).length).toBe(variants.length);
  await askGently(a, 'channel', {}, 'channels');
  await askGently(a, 'list_conversation', { search: 'good' }, 'search');
  for (const variant of variants) {
    const conversation_id = String(variant._id);
    for (const [event, data] of [
      ['message', { data: 'text' }],
      ['edit_conversation', { title: 'New', image: 'i.png' }],
    ] as const) {
      const answer = await askGently(a, event, { conversation_id, ...data }, nameOf(variant));
      expect([nameOf(variant), event, answer.message]).toEqual([nameOf(variant), event, 'SUCCESS']);
    }
  }
  expect((await walk(b, 'list_conversation')).length).toBe(variants.length);
});

test('prospect conversations with odd fields are sent by the backend route, and listed', async () => {
  await begin();
  const contact = await environment.models.Contact.create({ account, name: 'Carla' });
  const variants = await storeVariants(
    environment.models.ConversationProspect,
    ['account', 'users'],
    ({ _id }) => toConversation(_id, { contact_id: contact._id }) as never,
  );
  for (const variant of variants) {
    const answer = await environment.nodes[0]?.call(
      'GET',
      `/conversations/prospect/emit/conversation/${variant._id}/new`,
    );
    expect([nameOf(variant), answer?.status]).toEqual([nameOf(variant), 200]);
    expect((await a.next('prospect_add_conversation'))[0]).toMatchObject({ _id: String(variant._id), is_new: true });
  }
  expect((await walk(a, 'prospect_list_conversation')).sort()).toEqual(textsOf(variants));
  for (const variant of variants) {
    const data = { conversation_id: String(variant._id), data: 'note' };
    expect(await askGently(b, 'prospect_add_note', data, nameOf(variant))).toMatchObject({ success: true });
  }
  expect((await walk(b, 'prospect_list_conversation')).sort()).toEqual(textsOf(variants));
});

test('a prospect conversation with only its users is sent and listed', async () => {
  await begin();
  const bare = {
    _id: new Types.ObjectId(),
    account: ann.accountId,
    users: [ann.id, bob.id, null, 'text', { _id: ann.id }],
  };
  await environment.models.ConversationProspect.collection.insertOne(bare as never);
  const answer = await environment.nodes[0]?.call(
    'GET',
    `/conversations/prospect/emit/conversation/${bare._id}/existing`,
  );
  expect([answer?.status, answer?.json]).toEqual([200, { success: true, message: 'SUCCESS' }]);
  const [shown] = await a.next('prospect_add_conversation');
  expect(shown).toMatchObject({
    _id: String(bare._id),
    title: '',
    image: [],
    contact_id: null,
    created_by: '',
    last_activity: null,
    createdAt: bare._id.getTimestamp().toISOString(),
    is_open: true,
    unread_count: 0,
    is_new: false,
  });
  expect(shown.users.map((user: { name: string }) => user.name)).toEqual(['Ann', 'Bob']);
  expect(await walk(a, 'prospect_list_conversation')).toEqual([String(bare._id)]);
  await askGently(a, 'channel', {}, 'channels');
  const conversation_id = String(bare._id);
  expect(await a.ask('prospect_add_note', { conversation_id, data: 'note' })).toMatchObject({ success: true });
  expect(await b.ask('prospect_get_conversation_by_id', { conversation_id })).toMatchObject({ success: true });
  expect(await walk(b, 'prospect_list_conversation')).toEqual([conversation_id]);
});

test('members with odd fields are counted, listed and receive messages', async () => {
  await begin();
  const { Conversation, Member } = environment.models;
  const variants = await storeVariants(Member, ['user', 'conversation', 'account', 'kind'], async ({ _id }) => {
    await Conversation.collection.insertOne(toConversation(_id) as never);
    await Member.collection.insertOne(toMember(_id, users[1]) as never);
    return { ...toMember(_id, users[0]), _id };
  });
  await askGently(a, 'channel', {}, 'channels');
  for (const variant of variants) {
    const conversation_id = String(variant._id);
    const said = await askGently(b, 'message', { conversation_id, data: 'text' }, nameOf(variant));
    expect([nameOf(variant), said.message]).toEqual([nameOf(variant), 'SUCCESS']);
    for (const event of ['show_on_top', 'archive'] as const) {
      const data = event === 'archive' ? { conversation_id, archive: false } : { conversation_id };
      expect(await askGently(a, event, data, nameOf(variant))).toMatchObject({ success: true });
    }
  }
  expect((await walk(a, 'conversation_filter', { status: 'priority' })).sort()).toEqual(textsOf(variants));
  const { channels } = dataOf(await a.ask('channel', {}));
  expect(channels.you.priority).toBe(variants.length);
});

test('counters with odd fields are recounted', async () => {
  await begin();
  const { _id: conversation_id } = dataOf(
    await a.ask('add_conversation', { users: [bob.id], channel_id: 'x' }),
  ).conversation;
  const { Counter } = environment.models;
  const good = await Counter.collection.findOne({ user: users[0] as never, channel_id: 'you' });
  let unread = 0;
  const look = async ({ field, kind }: { field: string; kind: string }): Promise<void> => {
    dataOf(await b.ask('message', { conversation_id, data: 'text' }));
    unread += 1;
    const { channels } = dataOf(await a.ask('channel', {}));
    expect([field, kind, channels.you]).toEqual([
      field,
      kind,
      { open: 1, unread: 1, closed: 0, priority: 0, snoozed: 0 },
    ]);
    dataOf(await a.ask('list_conversation', {}));
  };
  let before: { field: string; kind: string } | undefined;
  await storeVariants(Counter, ['user', 'channel_id'], async (variant) => {
    if (before !== undefined) await look(before);
    before = variant;
    await Counter.collection.deleteOne({ user: users[0] as never, channel_id: 'you' });
    return { ...good, _id: variant._id };
  });
  if (before !== undefined) await look(before);
  expect(dataOf(await a.ask('get_conversation_by_id', { conversation_id })).conversation.unread_count).toBe(unread);
});

test('messages with odd fields are listed once each, together with the others', async () => {
  await begin();
  const conversation_id = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'x' })).conversation
    ._id;
  const conversationId = new Types.ObjectId(conversation_id);
  const variants = await storeVariants(environment.models.Message, ['conversation_id'], ({ _id }) => ({
    _id,
    UUID: String(_id),
    conversation_id: conversationId,
    data: 'text',
    type: 'text',
    sent_by: users[1],
    mentions: [],
    attachments: [],
    createdAt: new Date(),
  }));
  const walked = await walkMessages(a, 'list_message', { conversation_id });
  expect(walked.sort()).toEqual(textsOf(variants));
  const first = variants.find(({ field }) => field === 'type');
  expect(
    (await walkMessages(a, 'list_message', { conversation_id, before: String(first?._id) })).length,
  ).toBeGreaterThan(0);
  for (const { _id } of variants) {
    const data = { conversation_id, message_id: String(_id), limit: 9 };
    const { messageList } = dataOf(await a.ask('list_message_by_id', data));
    expect(messageList.map((message: { _id: string }) => message._id)).toContain(String(_id));
    await askGently(a, 'read', { conversation_id, message_id: String(_id) }, String(_id));
    await environment.models.Conversation.updateOne({ _id: conversation_id }, { last_activity: _id });
    dataOf(await a.ask('list_conversation', { message_limit: 1 }));
  }
  dataOf(await a.ask('list_conversation', { message_limit: 100 }));
});

test('messages whose id no request could name take no place on a page', async () => {
  await begin();
  const conversation_id = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'x' })).conversation
    ._id;
  const documents = Array.from({ length: 12 }, (_, place) => ({
    _id: place < 4 || place > 7 ? new Types.ObjectId() : `${new Types.ObjectId()}-${place}`,
    conversation_id: new Types.ObjectId(conversation_id),
    data: 'text',
    type: 'text',
    sent_by: users[1],
    createdAt: new Date(Date.UTC(2020, 0, 1, 0, place)),
  }));
  await environment.models.Message.collection.insertMany(documents as never[]);
  const wanted = documents.map(({ _id }) => String(_id)).filter((id) => Types.ObjectId.isValid(id));
  const walked: string[] = [];
  for (let before: string | undefined; ; ) {
    const page = { conversation_id, limit: 3, ...(before !== undefined && { before }) };
    const { messageList, paging } = dataOf(await a.ask('list_message', page));
    walked.push(...messageList.map(({ _id }: { _id: string }) => _id));
    if (!paging.has_next || messageList.length === 0) break;
    before = walked.at(-1);
  }
  expect(walked).toEqual(wanted.reverse());
});

test('paging returns messages and conversations with every type of sort value once, in index order', async () => {
  await begin();
  const { Conversation, Member, Message } = environment.models;
  const times = [
    new Date(3),
    new Date(2),
    new Date(2),
    undefined,
    null,
    '2',
    'b',
    7,
    9.5,
    { a: 1 },
    true,
    new Types.ObjectId(),
    [],
    [new Date(1), new Date(5)],
    [null, 'odd'],
    Number.NaN,
    new mongo.Timestamp({ t: 1, i: 1 }),
  ];
  const conversationIds: Types.ObjectId[] = [];
  for (const last_activity_at of [...times, ...times, ...times]) {
    const _id = new Types.ObjectId();
    conversationIds.push(_id);
    await Conversation.collection.insertOne(toConversation(_id, { last_activity_at }) as never);
    await Member.collection.insertOne({ ...toMember(_id, users[0]), last_activity_at } as never, {
      ignoreUndefined: true,
    });
  }
  const conversation_id = String(conversationIds[0]);
  const messages = Array.from({ length: 5 * times.length }, (_, n) => ({
    _id: new Types.ObjectId(),
    conversation_id: conversationIds[0],
    data: String(n),
    sent_by: users[1],
    ...(times[n % times.length] === undefined ? {} : { createdAt: times[n % times.length] }),
  }));
  await Message.collection.insertMany(messages as never[]);
  const inOrder = await Message.collection
    .find({ conversation_id: conversationIds[0] } as never)
    .sort({ createdAt: -1, _id: -1 })
    .toArray();
  const expected = inOrder.map(({ _id }) => String(_id));
  for (const limit of [1, 3, 7, 50]) {
    expect(await walkMessages(a, 'list_message', { conversation_id, limit }), String(limit)).toEqual(expected);
    const listed = await walk(a, 'list_conversation', { limit });
    expect([...listed].sort(), String(limit)).toEqual(conversationIds.map(String).sort());
  }
  // An array sorts by another element in the other direction, so only its place in the list above is certain.
  await Message.collection.deleteMany({ createdAt: { $type: 'array' } } as never);
  const rest = new Set((await Message.collection.find({}).toArray()).map(({ _id }) => String(_id)));
  const remaining = expected.filter((id) => rest.has(id));
  for (const [index, before] of remaining.entries()) {
    // One page from each message: the walks above have continued after each of them.
    const older = dataOf(await a.ask('list_message', { conversation_id, before, limit: 9 }));
    const found = older.messageList.map(({ _id }: { _id: string }) => _id);
    expect(found, String(index)).toEqual(remaining.slice(index + 1, index + 10));
    const around = dataOf(await a.ask('list_message_by_id', { conversation_id, message_id: before, limit: 5 }));
    const from = Math.max(0, index - 2);
    expect(around.messageList.map(({ _id }: { _id: string }) => _id)).toEqual(remaining.slice(from, index + 3));
  }
});

test('communications with odd fields are sent and listed once each', async () => {
  await begin();
  const contact = await environment.models.Contact.create({ account, name: 'Carla' });
  await a.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'x', users: [bob.id] });
  const conversation_id = (await a.next('prospect_add_conversation'))[0]._id;
  const conversationId = new Types.ObjectId(conversation_id);
  const variants = await storeVariants(environment.models.Communication, ['conversation_id'], ({ _id }) => ({
    _id,
    UUID: String(_id),
    conversation_id: [conversationId],
    account,
    type: 'INCOMING',
    data: 'text',
    sent_by: contact._id,
    createdAt: new Date(),
  }));
  for (const variant of variants) {
    const answer = await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/message/${variant._id}`);
    expect([nameOf(variant), answer?.status]).toEqual([nameOf(variant), 200]);
    expect((await b.next('prospect_message'))[0]._id).toBe(String(variant._id));
  }
  expect((await walkMessages(a, 'prospect_list_message', { conversation_id })).sort()).toEqual(textsOf(variants));
});

test('contacts and users with odd fields are shown in conversations, and such users connect', async () => {
  await begin();
  const { Contact, User, ConversationProspect } = environment.models;
  const contacts = await storeVariants(Contact, ['account'], async ({ _id }) => ({
    _id,
    account,
    name: 'Carla',
    email: 'c@example.com',
    phone: '1',
    image: 'i',
  }));
  for (const { _id } of contacts) {
    const made = { ...toConversation(new Types.ObjectId(), { contact_id: _id }), title: '' };
    await ConversationProspect.collection.insertOne(made as never);
    await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/conversation/${made._id}/new`);
  }
  expect((await walk(a, 'prospect_list_conversation')).length).toBe(contacts.length);
  expect((await walk(a, 'prospect_list_conversation', { search: 'carla' })).length).toBeGreaterThan(
    contacts.length / 2,
  );

  const people = await storeVariants(User, ['account'], async ({ _id }) => ({
    _id,
    account,
    name: 'Odd',
    email: 'o@example.com',
    image: 'i',
    conversation_active_status: 'active',
  }));
  const everyone = { users: people.map(({ _id }) => String(_id)), channel_id: 'x' };
  const { conversation: made } = dataOf(await a.ask('add_conversation', everyone));
  expect(made.users).toHaveLength(people.length + 1);
  for (const { _id } of people) {
    // What of a user decides whether they may enter the chats; a block that cannot be read is none.
    const own = { id: String(_id), accountId: ann.accountId, name: '' };
    (await environment.open(own, { namespace: '/' })).close();
  }
  expect(await walk(a, 'list_conversation', { search: 'odd' })).toEqual([made._id]);
});

test('an API session with odd fields admits only its user, and is refused with a code', async () => {
  await begin();
  const token = signToken({ uid: ann.id, account_id: ann.accountId });
  const { ApiSession } = environment.models;
  for (const field of ['access_token', 'refresh_token', 'expires_at']) {
    for (const value of [null, 'odd', 42, [], [token], {}, true, new Types.ObjectId(), undefined]) {
      const session_id = String(new Types.ObjectId());
      const document = { _id: session_id, access_token: token, [field]: value };
      await ApiSession.collection.insertOne(document as never, { ignoreUndefined: true });
      const options = { namespace: '/v1/conversation', claims: null, auth: { session_id } };
      const isUnusable = field === 'access_token' || (field === 'expires_at' && value != null);
      if (isUnusable) expect((await refusal(environment.nodes[0] as never, options)).message).toBe('INVALID_TOKEN');
      else (await environment.open(ann, options)).close();
    }
  }
  const later = ['2999-01-01T00:00:00+01:00', 32_472_140_400, 32_472_140_400_000, new Date('2999-01-01')];
  for (const expires_at of [...later, new Date(8.64e15)]) {
    const session_id = String(new Types.ObjectId());
    await ApiSession.collection.insertOne({ _id: session_id, access_token: token, expires_at } as never);
    (await environment.open(ann, { claims: null, auth: { session_id } })).close();
  }
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Recorder } from '../../queries/recorder.js';
import { connect, type TestClient } from '../../support/client.js';
import type { TestClock } from '../../support/clock.js';
import { dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { startMongoProxy } from '../../support/mongo-proxy.js';
import { createRecordedEnvironment } from '../../support/recorded-environment.js';
import { refuseCommands } from '../../support/refused-commands.js';
import { until } from '../../support/until.js';
import { countFresh, countUnread, numbersOf, ZERO } from './counters/history.js';

/*
 * A node stores the messages of a conversation that it knows without reading it. Whatever another node or another service
 * changes in between, the result is that of the documents as they are.
 */

let clock: TestClock;
let recorder: Recorder;
let environment: TestEnvironment;

beforeAll(async () => {
  ({ clock, recorder, environment } = await createRecordedEnvironment());
});
afterAll(() => environment.close());

/** A conversation of three, of which node 0 knows that Bob and Cid have unread messages. Dan is of the same account. */
interface Scene {
  readonly id: string;
  readonly filter: { conversation: Types.ObjectId };
  readonly people: readonly TestUser[];
  /** Ann, Bob, Cid and Dan: Ann on node 0, the others on node 1. */
  readonly clients: readonly [TestClient, TestClient, TestClient, TestClient];
}

const say = (client: TestClient, conversation_id: string, data: string, more: object = {}) =>
  client.ask('message', { conversation_id, data, ...more });

/** The names of the commands that some work causes. */
async function commandsOf(work: () => Promise<unknown>): Promise<string[]> {
  const before = recorder.commands.length;
  await work();
  return recorder.commands.slice(before).map(({ name }) => name);
}

async function createScene(): Promise<Scene> {
  const people = await environment.people('Ann', 'Bob', 'Cid', 'Dan');
  const [ann, bob, cid, dan] = people;
  const clients = [
    await environment.open(ann),
    await environment.open(bob, { node: 1 }),
    await environment.open(cid, { node: 1 }),
    await environment.open(dan, { node: 1 }),
  ] as const;
  const made = await clients[0].ask('add_conversation', { users: [bob.id, cid.id], channel_id: 'general' });
  const id: string = dataOf(made).conversation._id;
  for (const n of [1, 2]) dataOf(await say(clients[0], id, `before ${n}`));
  const commands = await commandsOf(async () => dataOf(await say(clients[0], id, 'before 3')));
  expect(commands).toContain('bulkWrite');
  expect(commands).not.toContain('findAndModify');
  return { id, filter: { conversation: new Types.ObjectId(id) }, people, clients };
}

/** Holds for every member, counter and client: the database is the only witness. */
async function ensureRight({ id, filter, people, clients }: Scene, messageId: string): Promise<void> {
  const { Conversation, Member, Message, Counter } = environment.models;
  const conversation = await Conversation.findById(id).lean();
  const message = await Message.findById(messageId).lean();
  expect(String(conversation?.last_activity)).toBe(messageId);
  const times = (await Message.find({ conversation_id: id }).lean()).map(({ createdAt }) => Number(createdAt));
  expect(Math.max(...times)).toBe(Number(message?.createdAt));
  expect(new Set(times).size).toBe(times.length);
  const named = (conversation?.users ?? []).map(String);
  for (const member of await Member.find(filter).lean()) {
    if (!named.includes(String(member.user))) continue;
    expect(Number(member.last_activity_at)).toBe(Number(message?.createdAt));
    expect(member.unread_count).toBe(await countUnread(environment, member));
  }
  for (const [index, { id: user }] of people.entries()) {
    const isMember = named.includes(user) && (await Member.exists({ ...filter, user })) !== null;
    const heard = (): boolean => clients[index]?.received('message').some(([{ _id }]) => _id === messageId) === true;
    // Ann asked for it.
    if (isMember && index > 0) await until(heard);
    else expect(heard()).toBe(false);
    // What another service has removed is counted when the user asks.
    if (!isMember) continue;
    const fresh = countFresh(await Member.find({ user }).lean());
    for (const counter of await Counter.find({ user }).lean()) {
      expect(numbersOf(counter), counter.channel_id).toEqual(fresh.get(counter.channel_id) ?? ZERO);
    }
  }
}

type Change = [name: string, change: (scene: Scene) => Promise<unknown>];

const byGateway: Change[] = [
  ['nothing', async () => undefined],
  ['Bob has read it', ({ id, clients }) => clients[1].ask('read', { conversation_id: id })],
  ['the sender has read it', ({ id, clients }) => clients[0].ask('read', { conversation_id: id })],
  ['Bob has answered', ({ id, clients }) => say(clients[1], id, 'answer')],
  ['Bob has answered twice', ({ id, clients }) => say(clients[1], id, '1').then(() => say(clients[1], id, '2'))],
  [
    'Bob has archived it and read it',
    async ({ id, clients }) => {
      await clients[1].ask('archive', { conversation_id: id });
      await clients[1].ask('read', { conversation_id: id });
    },
  ],
  ['Bob has closed it', ({ id, clients }) => clients[1].ask('open', { conversation_id: id, is_open: false })],
  [
    'it has another title',
    ({ id, clients }) => clients[1].ask('edit_conversation', { conversation_id: id, title: 'B' }),
  ],
  [
    'Bob has added Dan',
    ({ id, clients, people }) => clients[1].ask('add_participant', { conversation_id: id, users: [people[3]?.id] }),
  ],
];

const byOthers: Change[] = [
  [
    'Bob is no user of it',
    ({ id, people }) => environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: people[1]?.id } }),
  ],
  [
    'Bob is no member of it',
    ({ filter, people }) => environment.models.Member.deleteOne({ ...filter, user: new Types.ObjectId(people[1]?.id) }),
  ],
  [
    'Dan is user and member, with unread messages',
    async ({ id, filter, people }) => {
      const { Conversation, Member } = environment.models;
      const own = await Member.findOne(filter).lean();
      const user = new Types.ObjectId(people[3]?.id);
      const unread_count = await environment.models.Message.countDocuments({ conversation_id: id });
      await Member.collection.insertOne({
        ...own,
        _id: new Types.ObjectId(),
        user,
        unread_count,
        last_read_at: null,
      } as never);
      await Conversation.updateOne({ _id: id }, { $push: { users: user } });
    },
  ],
  [
    'users are text',
    ({ id, people }) =>
      environment.models.Conversation.collection.updateOne(
        { _id: new Types.ObjectId(id) },
        { $set: { users: people.slice(0, 3).map((one) => one.id) } },
      ),
  ],
  [
    'its newest message is of a later time',
    ({ id }) =>
      environment.models.Conversation.updateOne({ _id: id }, { last_activity_at: new Date(clock.now() + 3_600_000) }),
  ],
  [
    'Dan is a member without being a user',
    async ({ filter, people }) => {
      const own = await environment.models.Member.findOne(filter).lean();
      const stray = { ...own, _id: new Types.ObjectId(), user: new Types.ObjectId(people[3]?.id), unread_count: 4 };
      await environment.models.Member.collection.insertOne(stray as never);
    },
  ],
];

test.each([...byGateway, ...byOthers])('a message is stored and counted right when %s', async (_name, change) => {
  const scene = await createScene();
  await change(scene);
  for (const n of [1, 2, 3]) {
    const { message } = dataOf(await say(scene.clients[0], scene.id, `after ${n}`));
    await ensureRight(scene, message._id);
  }
});

test('a message with a mention, and one with a UUID that was sent before, are those of a conversation that is read', async () => {
  const scene = await createScene();
  const [ann] = scene.clients;
  const UUID = 'twice';
  const { message } = dataOf(await say(ann, scene.id, 'once', { UUID }));
  expect(dataOf(await say(ann, scene.id, 'again', { UUID })).message._id).toBe(message._id);
  await ensureRight(scene, message._id);
  const mentions = [scene.people[2]?.id];
  const mentioning = dataOf(await say(ann, scene.id, 'Cid', { mentions })).message._id;
  await ensureRight(scene, mentioning);
  expect(await environment.models.Member.countDocuments({ ...scene.filter, mentioned: true })).toBe(1);
});

test('a sender who is no user of it any more, or of another account, is refused', async () => {
  const { Conversation, Message } = environment.models;
  for (const change of [{ account: new Types.ObjectId() }, { users: [] }]) {
    const { id, clients } = await createScene();
    await Conversation.updateOne({ _id: id }, { $set: change });
    expect(await say(clients[0], id, 'refused')).toMatchObject({ success: false, message: 'NOT_FOUND' });
    expect(await Message.countDocuments({ conversation_id: id })).toBe(3);
  }
});

test('a block in a conversation of two refuses the message, and nothing of it is stored', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await environment.open(ann);
  const { conversation } = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'general' }));
  for (const n of [1, 2, 3]) dataOf(await say(a, conversation._id, String(n)));
  await environment.models.User.updateOne({ _id: bob.id }, { $set: { blockedUsers: [ann.id] } });
  expect(await say(a, conversation._id, 'refused')).toMatchObject({ success: false, message: 'FORBIDDEN' });
  await environment.models.User.updateOne({ _id: bob.id }, { $set: { blockedUsers: [] } });
  const { message } = dataOf(await say(a, conversation._id, '4'));
  const member = await environment.models.Member.findOne({ conversation: conversation._id, user: bob.id }).lean();
  expect(member?.unread_count).toBe(4);
  expect(Number(member?.last_activity_at)).toBe(Date.parse(message.createdAt));
});

const heard = (client: TestClient, id: string): Promise<unknown> =>
  until(() => client.received('message').some(([{ _id }]) => _id === id));

test.each([
  ['Ann', 0, 1],
  ['Bob', 1, 0],
])('a block by %s, stored by another service, separates the two in a group at once', async (_name, by, of) => {
  const { id, people, clients } = await createScene();
  const blockedUsers = [new Types.ObjectId(people[of]?.id)];
  await environment.models.User.updateOne({ _id: people[by]?.id }, { $set: { blockedUsers } });
  const { message } = dataOf(await say(clients[0], id, 'apart'));
  await heard(clients[2], message._id);
  await environment.models.User.updateOne({ _id: people[by]?.id }, { $unset: { blockedUsers: 1 } });
  const { message: again } = dataOf(await say(clients[0], id, 'together'));
  await heard(clients[1], again._id);
  expect(clients[1].received('message').map(([{ _id }]) => _id)).not.toContain(message._id);
});

test('a sender is shown as another service has stored them last, or not at all', async () => {
  const { id, people, clients } = await createScene();
  const { User } = environment.models;
  const shown = async (): Promise<unknown> => dataOf(await say(clients[0], id, 'from')).message.sent_by;
  await User.updateOne({ _id: people[0]?.id }, { $set: { name: 'Anna', image: 'https://a.test/a.png' } });
  expect(await shown()).toEqual({ _id: people[0]?.id, name: 'Anna', image: 'https://a.test/a.png' });
  await User.collection.updateOne({ _id: new Types.ObjectId(people[0]?.id) }, { $set: { image: 7, name: 'Ann' } });
  for (let times = 0; times < 2; times += 1) expect(await shown()).toMatchObject({ name: 'Ann' });
  await User.deleteOne({ _id: people[0]?.id });
  for (let times = 0; times < 2; times += 1) expect(await shown()).toMatchObject({ _id: people[0]?.id, name: '' });
});

test('a server without bulkWrite gets a command for each write', async () => {
  // Not a fail point of the server: it would hold for every test that runs on it.
  const proxy = await startMongoProxy(environment.database.url);
  environment.defer(() => proxy.close());
  const node = await environment.startNode({ MONGODB_URL: proxy.url('directConnection=true') });
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await connect(node, { namespace: '/v1/conversation', claims: { uid: ann.id, account_id: ann.accountId } });
  const { conversation } = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'general' }));
  const stop = refuseCommands(proxy, ['bulkWrite'], { code: 59 });
  try {
    const ids: string[] = [];
    const commands = await commandsOf(async () => {
      for (const n of [1, 2, 3, 4]) ids.push(dataOf(await say(a, conversation._id, String(n))).message._id);
    });
    expect(commands.filter((name) => name === 'bulkWrite')).toHaveLength(1);
    const stored = await environment.models.Message.find({ conversation_id: conversation._id }).sort({ createdAt: 1 });
    expect(stored.map((message) => message.id)).toEqual(ids);
    const member = await environment.models.Member.findOne({ conversation: conversation._id, user: bob.id }).lean();
    expect(member?.unread_count).toBe(4);
  } finally {
    stop();
    a.close();
  }
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Recorder, recordCommands } from '../queries/recorder.js';
import type { TestClient } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../support/environment.js';
import { until } from '../support/until.js';

/*
 * What messages, new conversations and lists cost in commands of the database, exactly. The users exist in `_users`, ten of them share a support
 * conversation and a chat, and all are connected. The clock stands still, so nothing is
 * done at intervals.
 */

const CIRCLE = 10;

const clock = createTestClock();
let recorder: Recorder;
let environment: TestEnvironment;
let users: TestUser[];
/** Nine more of their account, who have no conversations. */
let strangers: TestUser[];
let team: TestClient[];
let chatters: TestClient[];
/** The id of the support conversation and of the chat that the ten share. */
let sharedId: string;

beforeAll(async () => {
  recorder = recordCommands('general-socket');
  environment = await createTestEnvironment({ overrides: { clock } });
  const people: TestUser[] = await environment.people(...Array.from({ length: 2 * CIRCLE - 1 }, (_, n) => `User ${n}`));
  users = people.slice(0, CIRCLE);
  strangers = people.slice(CIRCLE);
  const participants = users.map(({ id }) => new Types.ObjectId(id));
  const shared = new Types.ObjectId();
  sharedId = shared.toHexString();
  await environment.models.SupportConversation.create({ _id: shared, participants });
  await environment.models.Chat.create({ _id: shared, participants, type: 'group' });
  team = await Promise.all(users.map((user) => environment.open(user)));
  chatters = await Promise.all(users.map((user) => environment.open(user, { namespace: '/' })));
  // What their connects cause is done then.
  await Promise.all(chatters.map((one) => one.next('presence_snapshot')));
  await until(areKnown);
});
afterAll(async () => {
  await environment.close();
  recorder.stop();
});

/** Their devices are known, and they were seen. */
async function areKnown(): Promise<boolean> {
  const { User, DeliveryRecipient } = environment.models;
  const ids = users.map(({ id }) => id);
  const seen = await User.countDocuments({ _id: { $in: ids }, lastSeen: { $exists: true } });
  const known = await DeliveryRecipient.countDocuments({ _id: { $in: ids.map((id) => JSON.stringify(['', id])) } });
  return seen === CIRCLE && known === CIRCLE;
}

const first = (clients: readonly TestClient[]): TestClient => {
  const [client] = clients;
  if (client === undefined) throw new Error('no client is connected');
  return client;
};

/** The commands that an event causes until its answer and its last receiver: names and collections, in order. */
async function commandsOf(work: () => Promise<unknown>): Promise<string[]> {
  const before = recorder.commands.length;
  await work();
  const sent = recorder.commands.slice(before).map(({ name, command }) => `${name} ${String(command[name])}`);
  // What waits for a device is read, and where it is connected is stored, up to a quarter of a second after a connect.
  return sent.filter((line) => !line.includes(' delivery.'));
}

const findUsers = 'find _users';
const COUNT = 'notification:unread_count';

test('a connect to the chats', async () => {
  const [newcomer] = await environment.people('Newcomer');
  const connected = async (): Promise<void> => {
    const client = await environment.open(newcomer, { namespace: '/' });
    await client.next('presence_snapshot');
    client.close();
  };
  const reads = (await commandsOf(connected)).filter((line) => line.startsWith('find '));
  const contacts = ['find support.conversations', 'find support.departments', 'find community.chats'];
  // Whether the user may enter, then whom they have to do with.
  expect(reads.sort()).toEqual([findUsers, findUsers, ...contacts].sort());
});

test('a message to ten in the support chat', async () => {
  const say = async (): Promise<void> => {
    const heard = chatters.map((one) => one.next('new_message'));
    dataOf(await first(chatters).ask('send_message', { conversationId: sharedId, content: 'Hello' }));
    await Promise.all(heard);
  };
  // The first one does not know whom to ask for together with the sender.
  const firstOnes = await commandsOf(say);
  expect(firstOnes, firstOnes.join(', ')).toHaveLength(6);
  expect(await commandsOf(say)).toEqual(['bulkWrite 1']);
});

test('a message to ten in the community chat', async () => {
  const say = async (): Promise<void> => {
    const heard = chatters.map((one) => one.next('chat:new_message'));
    dataOf(await first(chatters).ask('chat:send_message', { chatId: sharedId, content: 'Hello' }));
    await Promise.all(heard);
  };
  expect(await commandsOf(say)).toHaveLength(5);
  expect(await commandsOf(say)).toEqual(['bulkWrite 1']);
});

test('a message that many miss, and its deletion', async () => {
  const _id = new Types.ObjectId();
  const participants = [...users, ...strangers].map(({ id }) => new Types.ObjectId(id));
  await environment.models.Chat.create({ _id, participants, type: 'group' });
  const chatId = _id.toHexString();
  const [sender, ...others] = chatters;
  for (const other of others) expect(await other.ask('chat:leave', { chatId })).toMatchObject({ success: true });
  /** Each of those who are connected is told how many are unread. */
  const countsOf = async (work: () => Promise<unknown>): Promise<number[]> => {
    const commands = await commandsOf(async () => {
      await work();
      const counts = await Promise.all(others.map((other) => other.next('notification:unread_count')));
      expect(new Set(counts.map(([{ count }]) => count)).size).toBe(1);
    });
    const counting = (line: string): boolean => line === 'aggregate community.notifications';
    return [commands.filter(counting).length, others.reduce((sum, one) => sum + one.received(COUNT).length, 0)];
  };
  let messageId = '';
  const send = async (): Promise<void> => {
    messageId = dataOf(await sender?.ask('chat:send_message', { chatId, content: 'Hello' }))._id;
  };
  expect(await countsOf(send)).toEqual([1, 0]);
  expect(await countsOf(async () => sender?.ask('chat:delete_message', { messageId }))).toEqual([1, 0]);
});

/** The others of a new conversation. */
const invite = (people: readonly TestUser[]) => ({ users: people.map(({ id }) => id), channel_id: 'general' });

test('a message to ten in a conversation', async () => {
  const [sender, ...others] = team;
  const { conversation } = dataOf(await first(team).ask('add_conversation', invite(users.slice(1))));
  const say = async (): Promise<void> => {
    const heard = others.map((other) => other.next('message'));
    dataOf(await sender?.ask('message', { conversation_id: conversation._id, data: 'Hello' }));
    await Promise.all(heard);
  };
  const expected = [
    findUsers,
    'findAndModify conversations',
    'find conversation.members',
    'insert conversation.messages',
    'update conversation.members',
    'commitTransaction 1',
  ];
  // The first message makes the conversation unread, which is counted.
  const counting = ['find conversation.counters', 'update conversation.counters'];
  expect((await commandsOf(say)).sort()).toEqual([...expected, ...counting].sort());
  expect((await commandsOf(say)).sort()).toEqual(expected.sort());
  // A conversation and a sender of whom nothing has changed are not read again, and all is written by one command.
  expect(await commandsOf(say)).toEqual(['bulkWrite 1', 'commitTransaction 1']);
});

test('reading a conversation of ten on the only socket', async () => {
  const [reader, sender] = team;
  const { conversation } = dataOf(await first(team).ask('add_conversation', invite(users.slice(1))));
  const about = { conversation_id: conversation._id };
  dataOf(await sender?.ask('message', { ...about, data: 'Hello' }));
  const read = () => commandsOf(async () => dataOf({ ...(await reader?.ask('read', about)), data: {} }));
  const expected = [
    findUsers,
    'find conversations',
    // The ids of the participants, the reader's own state.
    'find conversation.members',
    'find conversation.members',
    'find conversation.messages',
    'update conversation.members',
    'commitTransaction 1',
  ];
  const counting = ['find conversation.counters', 'update conversation.counters'];
  expect((await read()).sort()).toEqual([...expected, ...counting].sort());
  expect((await read()).sort()).toEqual(expected.sort());
});

test('a conversation with ten', async () => {
  const add = async (): Promise<void> => void dataOf(await first(team).ask('add_conversation', invite(strangers)));
  const unknown = await commandsOf(add);
  expect(unknown.length, unknown.join()).toBe(12);
  const known = await commandsOf(add);
  expect(known.length, known.join()).toBe(8);
});

test('a channel and a list', async () => {
  const ask = async (event: string, data: object): Promise<number> => {
    const commands = await commandsOf(async () => dataOf(await first(team).ask(event, data)));
    return commands.length;
  };
  // Of a user who has few conversations, and others have counted.
  expect(await ask('channel', { channel_id: 'general' })).toBe(4);
  expect(await ask('channel', {})).toBe(3);
  expect(await ask('list_conversation', {})).toBe(4);
});

test('what is stored of a conversation in the place of what ten were told', async () => {
  const { conversation } = dataOf(await first(team).ask('add_conversation', invite(users.slice(1))));
  const _id = conversation._id as string;
  dataOf(await first(team).ask('edit_conversation', { conversation_id: _id, title: 'Launch' }));
  // As if another node had changed it, and its events had come first.
  await environment.models.Conversation.updateOne({ _id }, { title: 'Landing' });
  const tellAgain = async (): Promise<void> => {
    const told = (one: TestClient): boolean =>
      one.received('update_conversation').some(([{ data }]) => data.conversation.title === 'Landing');
    await clock.advanceUntil(1500, () => team.every(told));
  };
  const commands = await commandsOf(tellAgain);
  // Conversations of the tests before are compared at the same time.
  expect(commands.filter((line) => line === findUsers).length).toBeLessThan(CIRCLE);
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Recorder, recordCommands } from '../queries/recorder.js';
import type { TestClient } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../support/environment.js';

/*
 * What messages cost in commands of the database, exactly. The users exist in `_users`, ten of them share a support
 * conversation and a chat, and all are connected. The clock stands still, so nothing is
 * done at intervals.
 */

const CIRCLE = 10;

const clock = createTestClock();
let recorder: Recorder;
let environment: TestEnvironment;
let users: TestUser[];
let chatters: TestClient[];
/** The id of the support conversation and of the chat that the ten share. */
let sharedId: string;

beforeAll(async () => {
  recorder = recordCommands('general-socket');
  environment = await createTestEnvironment({ overrides: { clock } });
  users = await environment.people(...Array.from({ length: CIRCLE }, (_, n) => `User ${n}`));
  const participants = users.map(({ id }) => new Types.ObjectId(id));
  const shared = new Types.ObjectId();
  sharedId = shared.toHexString();
  await environment.models.SupportConversation.create({ _id: shared, participants });
  await environment.models.Chat.create({ _id: shared, participants, type: 'group' });
  chatters = await Promise.all(users.map((user) => environment.open(user, { namespace: '/' })));
});
afterAll(async () => {
  await environment.close();
  recorder.stop();
});

const first = (clients: readonly TestClient[]): TestClient => {
  const [client] = clients;
  if (client === undefined) throw new Error('no client is connected');
  return client;
};

/** The commands that an event causes until its answer and its last receiver: names and collections, in order. */
async function commandsOf(work: () => Promise<unknown>): Promise<string[]> {
  const before = recorder.commands.length;
  await work();
  return recorder.commands.slice(before).map(({ name, command }) => `${name} ${String(command[name])}`);
}

const findUsers = 'find _users';

test('a message to ten in the support chat', async () => {
  const say = async (): Promise<void> => {
    const heard = chatters.map((one) => one.next('new_message'));
    dataOf(await first(chatters).ask('send_message', { conversationId: sharedId, content: 'Hello' }));
    await Promise.all(heard);
  };
  // The first one does not know whom to ask for together with the sender.
  expect(await commandsOf(say)).toHaveLength(6);
  const expected = ['find support.conversations', findUsers, 'insert support.messages', 'update support.conversations'];
  expect((await commandsOf(say)).sort()).toEqual(expected.sort());
});

test('a message to ten in the community chat', async () => {
  const say = async (): Promise<void> => {
    const heard = chatters.map((one) => one.next('chat:new_message'));
    dataOf(await first(chatters).ask('chat:send_message', { chatId: sharedId, content: 'Hello' }));
    await Promise.all(heard);
  };
  expect(await commandsOf(say)).toHaveLength(5);
  const expected = ['find community.chats', findUsers, 'insert community.messages', 'update community.chats'];
  expect((await commandsOf(say)).sort()).toEqual(expected.sort());
});

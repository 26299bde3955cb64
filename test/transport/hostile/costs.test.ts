import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addChat, call, type Member, members, open } from '../../integrations/chat/community/community.js';
import { addConversation, openChat } from '../../integrations/chat/support/chat.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { enterRaw } from './raw-connection.js';

const EVENT_LIMIT = 60;

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    // One window, however slow the machine is.
    env: { EVENT_LIMIT: String(EVENT_LIMIT), EVENT_LIMIT_WINDOW_MS: '86400000' },
  });
});
afterAll(() => environment.close());

/** Calls again and again. @returns how often that succeeded */
async function countAccepted(ask: (n: number) => Promise<{ success: boolean }>, calls: number): Promise<number> {
  let accepted = 0;
  for (let n = 0; n < calls; n += 1) if ((await ask(n)).success) accepted += 1;
  return accepted;
}

/** At most one exceeds the limit. */
const mostOf = (points: number): number => Math.ceil(EVENT_LIMIT / points);

/** Ids of users that are not stored. */
const strangers = (count: number): Member[] =>
  Array.from({ length: count }, () => ({ id: String(new Types.ObjectId()), name: '' }));

/** A REST call of a user, in the form of an answer. */
const get = async (member: Member, path: string) => ({
  success: (await call(environment, member, ['GET', path])).status === 200,
});

test('an event with half a megabyte of arguments costs five points', async () => {
  const [mallory] = await members(environment, ['Mallory']);
  const client = await open(environment, mallory);
  const data = { text: 'x'.repeat(500 * 1024) };
  const accepted = await countAccepted(() => client.ask('notification:get_unread_count', data), 20);
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThanOrEqual(mostOf(5));
});

test('an event of a user with 300 sockets costs four points', async () => {
  const [mallory] = await members(environment, ['Mallory']);
  const client = await open(environment, mallory);
  const claims = { uid: undefined, userId: mallory.id, account_id: '' };
  const enterTab = () => enterRaw(environment.node(0), { namespace: '/', claims });
  const tabs = await Promise.all(Array.from({ length: 299 }, enterTab));
  const accepted = await countAccepted(() => client.ask('notification:get_unread_count', {}), 50);
  for (const tab of tabs) tab.close();
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThanOrEqual(mostOf(4));
});

test('who is online among users is paid for by the participants of the chats that are looked through', async () => {
  const [mallory, bob] = await members(environment, ['Mallory', 'Bob']);
  const crowd = strangers(598);
  for (let n = 0; n < 20; n += 1) await addChat(environment, [mallory, bob, ...crowd]);
  const client = await open(environment, mallory);
  const ask = () => client.ask('presence:get_online', { userIds: [bob.id] });
  const accepted = await countAccepted(ask, 10);
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThanOrEqual(mostOf(1 + (20 * 600) / 500));
});

test('a page of messages is paid for by its reactions and readers', async () => {
  const [mallory, bob] = await members(environment, ['Mallory', 'Bob']);
  const chatId = await addChat(environment, [mallory, bob]);
  const readBy = strangers(1000).map(({ id }) => ({ user: id, readAt: new Date() }));
  const messages = Array.from({ length: 10 }, (_, n) => ({ chat: chatId, sender: bob.id, readBy, position: n + 1 }));
  await environment.models.ChatMessage.insertMany(messages);
  const accepted = await countAccepted(() => get(mallory, `/api/chats/${chatId}/messages?limit=100`), 10);
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThanOrEqual(mostOf((10 * 1000) / 2000));
});

test('a page of chats is paid for by the looks at their unread messages', async () => {
  const [mallory, bob] = await members(environment, ['Mallory', 'Bob']);
  const chats = Array.from({ length: 100 }, () => ({ participants: [mallory.id, bob.id], type: 'group' }));
  await environment.models.Chat.insertMany(chats);
  const accepted = await countAccepted(() => get(mallory, '/api/chats?limit=100'), 20);
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThanOrEqual(mostOf(10));
});

test('a page of long messages is paid for by what is read, also where little of it fits the page', async () => {
  const [mallory, bob] = await environment.people('Mallory', 'Bob');
  const conversationId = await addConversation(environment, [mallory, bob]);
  const messages = Array.from({ length: 100 }, (_, n) => ({
    conversationId,
    senderId: bob.id,
    senderType: 'user',
    senderName: 'Bob',
    content: 'x'.repeat(5000),
    type: 'text',
    metadata: { note: 'x'.repeat(5000) },
    position: n + 1,
    timestamp: new Date(),
  }));
  await environment.models.SupportMessage.insertMany(messages);
  const client = await openChat(environment, mallory);
  const accepted = await countAccepted(() => client.ask('get_messages', { conversationId, limit: 100 }), 20);
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThanOrEqual(mostOf(9));
});

test('a change of a conversation is paid for by the images that its participants are sent', async () => {
  const [mallory, ...others] = await environment.people(
    'Mallory',
    ...Array.from({ length: 19 }, (_, n) => `User ${n}`),
  );
  if (mallory === undefined) throw new Error('there is no such user');
  const client = await environment.open(mallory);
  const image = Array.from({ length: 20 }, () => `https://example.com/${'i'.repeat(2000)}`);
  const users = others.map(({ id }) => id);
  const added = await client.ask('add_conversation', { users, channel_id: 'x', image });
  const { _id: conversation_id } = dataOf(added).conversation;
  const edit = (n: number) => client.ask('edit_conversation', { conversation_id, title: `Title ${n}` });
  const accepted = await countAccepted(edit, 20);
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThanOrEqual(mostOf(8));
});

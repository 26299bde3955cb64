import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import type { Document } from '../../../support/mongo-proxy.js';
import { talk as talkInCommunity } from '../community/community.js';
import { talk as talkInSupport } from '../support/chat.js';
import { chatKinds } from './chats.js';

/* The database stores a change and its reply is lost: the client gets an error, and the others what is stored. */

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ proxyOptions: 'directConnection=true', overrides: { clock } });
});
afterAll(() => environment.close());
afterEach(() => {
  environment.proxy().rules = {};
});

/** MaxTimeMSExpired: the driver does not repeat the command, of which nothing is known. */
const TOO_SLOW = { ok: 0, code: 50, errmsg: 'operation exceeded time limit' };

const WRITES = ['insert', 'update', 'findAndModify', 'bulkWrite'] as const;

/** Loses the replies of all writes while a client asks. */
async function askWithoutReplies(make: () => Promise<unknown>): Promise<void> {
  environment.proxy().rules = {
    onReply: (reply, command) => (WRITES.some((name) => command[name] !== undefined) ? TOO_SLOW : reply),
  };
  expect(await make()).toMatchObject({ success: false });
  environment.proxy().rules = {};
}

const comesTo = async (client: TestClient, event: string, count = 1): Promise<unknown> => {
  await clock.advanceUntil(500, () => client.received(event).length >= count);
  return client.received(event).at(-1)?.[0];
};

test.each([
  ['edit_message', { content: 'edited' }, 'message_edited', { content: 'edited' }],
  ['delete_message', {}, 'message_deleted', {}],
  ['claim_conversation', {}, 'conversation_assigned', {}],
  ['close_conversation', {}, 'conversation_closed', { conversation: { status: 'closed' } }],
])('%s of the support chat', async (event, data, told, payload) => {
  const { ann, a, b, conversationId } = await talkInSupport(environment);
  await environment.models.User.updateOne({ _id: ann.id }, { role: 'agent' });
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'text' }));
  await askWithoutReplies(() => a.ask(event, { conversationId, messageId, ...data }));
  expect(await comesTo(b, told)).toMatchObject(payload);
});

test('mark_as_read of the support chat', async () => {
  const { a, b, conversationId } = await talkInSupport(environment);
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'text' }));
  await askWithoutReplies(() => b.ask('mark_as_read', { conversationId, messageId }));
  expect(await comesTo(a, 'message_read')).toMatchObject({ messageId });
});

test('create_conversation of the support chat', async () => {
  const { bob, a, b } = await talkInSupport(environment);
  await askWithoutReplies(() => a.ask('create_conversation', { participants: [bob.id], subject: 'late' }));
  expect(await comesTo(b, 'new_conversation')).toMatchObject({ subject: 'late' });
});

test.each([
  ['chat:edit_message', { content: 'edited' }, 'chat:message_edited', { content: 'edited' }],
  ['chat:delete_message', {}, 'chat:message_deleted', {}],
  ['chat:add_reaction', { emoji: '🎉' }, 'chat:message_reaction', { emoji: '🎉', action: 'added' }],
  ['chat:pin_message', {}, 'chat:message_pinned', {}],
])('%s of the community chat', async (event, data, told, payload) => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = dataOf(await a.ask('chat:send_message', { chatId, content: 'text' }));
  await askWithoutReplies(() => a.ask(event, { chatId, messageId, ...data }));
  expect(await comesTo(b, told)).toMatchObject({ messageId, ...payload });
});

test('chat:unpin_message of the community chat', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = dataOf(await a.ask('chat:send_message', { chatId, content: 'text' }));
  dataOf(await a.ask('chat:pin_message', { chatId, messageId }));
  await askWithoutReplies(() => b.ask('chat:unpin_message', { chatId, messageId }));
  expect(await comesTo(a, 'chat:message_unpinned')).toMatchObject({ messageId });
});

test.each([
  ['the messages', 'community.messages'],
  ['the read position', 'community.chats'],
])('chat:mark_read of the community chat, with the reply to %s lost', async (_what, collection) => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = dataOf(await a.ask('chat:send_message', { chatId, content: 'text' }));
  const isLost = (command: Document): boolean =>
    command['update'] === collection && /arrayFilters|readBy/.test(JSON.stringify(command));
  environment.proxy().rules = { onReply: (reply, command) => (isLost(command) ? TOO_SLOW : reply) };
  expect(await b.ask('chat:mark_read', { chatId, messageId })).toMatchObject({ success: false });
  environment.proxy().rules = {};
  expect(await comesTo(a, 'chat:message_read')).toMatchObject({ messageId });
});

test('presence:update_status of the community chat', async () => {
  const { a, b } = await talkInCommunity(environment);
  await askWithoutReplies(() => b.ask('presence:update_status', { status: 'busy' }));
  expect(await comesTo(a, 'presence:status_changed')).toMatchObject({ status: 'busy' });
});

test('notifications that were stored or read', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  dataOf(await b.ask('chat:leave', { chatId }));
  environment.proxy().rules = {
    onReply: (reply, command) => (command['insert'] === 'community.notifications' ? TOO_SLOW : reply),
  };
  dataOf(await a.ask('chat:send_message', { chatId, content: 'missed' }));
  environment.proxy().rules = {};
  expect(await comesTo(b, 'notification:new')).toMatchObject({ message: 'missed' });
  await comesTo(b, 'notification:unread_count');
  await askWithoutReplies(() => b.ask('notification:mark_all_read', {}));
  await clock.advanceUntil(500, () =>
    b.received('notification:read').some(([{ notificationId }]) => notificationId === null),
  );
  await clock.advanceUntil(500, () => b.received('notification:unread_count').at(-1)?.[0].count === 0);
});

test.each(chatKinds)('a message of the $name chat', async (kind) => {
  const people = await kind.people(environment, 2);
  const id = await kind.make(environment, people);
  const [a, b] = await Promise.all(people.map((person) => kind.open(environment, person, 0)));
  if (a === undefined || b === undefined) throw new Error('people are missing');
  for (const content of ['first', 'second']) dataOf(await kind.say(a, id, { content }));
  environment.proxy().rules = {
    onReply: (reply, command) => (WRITES.some((name) => command[name] !== undefined) ? TOO_SLOW : reply),
    // Whether it is stored cannot be asked.
    onCommand: (command) =>
      command['find'] === `${kind.name}.messages` && command['readConcern'] !== undefined ? TOO_SLOW : undefined,
  };
  expect(await kind.say(a, id, { content: 'late' })).toMatchObject({ success: false });
  environment.proxy().rules = {};
  await comesTo(b, kind.event, 3);
  expect(b.received(kind.event).map(([payload]) => kind.toKnown(payload).content)).toEqual(['first', 'second', 'late']);
  const last = await kind.lastMessage(environment, people[0] as (typeof people)[number], id);
  expect(last).toBe(kind.toKnown(b.received(kind.event).at(-1)?.[0]).id);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';

/** About what one page of messages may hold. */
const PAGE_CHARACTERS = 200_000;
const EVENT_LIMIT = 300;
const CONVERSATIONS = 10;
const MESSAGES = 20;
/** Twenty links of the largest length: a message of 40,000 characters whose text has one. */
const attachments = Array.from({ length: 20 }, (_, n) => `https://example.com/${n}/${'c'.repeat(2000)}`);
const MESSAGE_CHARACTERS = JSON.stringify(attachments).length;

let environment: TestEnvironment;
let reader: TestUser;
let conversationIds: string[];
/** Characters of messages that the database has returned. */
let read = 0;

beforeAll(async () => {
  environment = await createTestEnvironment({
    proxyOptions: '',
    // One window, however slow the machine is.
    env: { EVENT_LIMIT: String(EVENT_LIMIT), EVENT_LIMIT_WINDOW_MS: '86400000' },
  });
  const [mallory, bob] = await environment.people('Mallory', 'Bob');
  reader = bob;
  const writer = await environment.open(mallory);
  conversationIds = [];
  for (let n = 0; n < CONVERSATIONS; n += 1) {
    const added = await writer.ask('add_conversation', { users: [bob.id], channel_id: 'x' });
    conversationIds.push(dataOf(added).conversation._id);
  }
  await environment.models.Message.insertMany(
    conversationIds.flatMap((conversation_id) =>
      Array.from({ length: MESSAGES }, (_, n) => ({
        conversation_id,
        data: 'x',
        sent_by: mallory.id,
        attachments,
        createdAt: new Date(1.7e12 + n),
      })),
    ),
  );
  for (const conversation_id of conversationIds) {
    const sent = await writer.ask('message', { conversation_id, data: 'x', attachments });
    expect(sent.success).toBe(true);
  }
  writer.close();
  environment.proxy().rules.onReply = (reply) => {
    read += JSON.stringify(reply).length;
    return reply;
  };
});
afterAll(() => environment.close());

test.each([
  ['list_message', () => ({ conversation_id: conversationIds[0], limit: 100 })],
  ['channel', () => ({ channel_id: 'x', message_limit: 100 })],
  ['list_conversation', () => ({ message_limit: 1 })],
])('the messages of %s are no more than a page, attachments included', async (event, data) => {
  const client = await environment.open(reader);
  const { messageList } = dataOf(await client.ask(event, data()));
  const size = JSON.stringify(messageList).length;
  expect(size).toBeGreaterThan(PAGE_CHARACTERS / 2);
  expect(size).toBeLessThan(PAGE_CHARACTERS + MESSAGE_CHARACTERS);
  client.close();
});

test('a page around a message is no more than a page, attachments included', async () => {
  const client = await environment.open(reader);
  const conversation_id = conversationIds[0] ?? '';
  const middle = await environment.models.Message.findOne({ conversation_id })
    .sort({ createdAt: 1 })
    .skip(MESSAGES / 2)
    .lean();
  const data = { conversation_id, message_id: String(middle?._id), limit: 100 };
  const { messageList } = dataOf(await client.ask('list_message_by_id', data));
  expect(messageList.map(({ _id }: { _id: string }) => _id)).toContain(String(middle?._id));
  expect(JSON.stringify(messageList).length).toBeLessThan(PAGE_CHARACTERS + MESSAGE_CHARACTERS);
  client.close();
});

test('every message is on one of the pages', async () => {
  const client = await environment.open(reader);
  const seen = new Set<string>();
  for (let page = 1, hasNext = true; hasNext; page += 1) {
    const list = dataOf(await client.ask('list_message', { conversation_id: conversationIds[1], limit: 100, page }));
    for (const { _id } of list.messageList) seen.add(_id);
    hasNext = list.paging.has_next;
  }
  expect(seen.size).toBe(MESSAGES + 1);
  client.close();
});

test('long messages are paid for by what is read of them and sent', async () => {
  const [ann, ...others] = await environment.people('Ann', ...Array.from({ length: 29 }, (_, n) => `User ${n}`));
  if (ann === undefined) throw new Error('there is no such user');
  const client = await environment.open(ann);
  const users = others.map(({ id }) => id);
  const { conversation } = dataOf(await client.ask('add_conversation', { users, channel_id: 'x' }));
  let sent = 0;
  for (let n = 0; n < 40; n += 1) {
    const answer = await client.ask('message', { conversation_id: conversation._id, data: 'x', attachments });
    if (answer.success) sent += 1;
  }
  expect(sent).toBeGreaterThan(0);
  // Thirty people are sent 40,000 characters each.
  expect(sent).toBeLessThanOrEqual(Math.ceil(EVENT_LIMIT / 12));
  client.close();
});

test('one user has bounded text read from the database in a window', async () => {
  const [carl] = await environment.people('Carl');
  const { models } = environment;
  for (const _id of conversationIds) {
    await models.Conversation.updateOne({ _id }, { $push: { users: carl.id }, $set: { account: carl.accountId } });
    await models.Member.create({
      conversation: _id,
      kind: 'team',
      user: carl.id,
      account: carl.accountId,
      channel_id: 'x',
    });
  }
  const client = await environment.open(carl);
  read = 0;
  let answered = 0;
  for (let n = 0; n < 100; n += 1) {
    const answer = await client.ask('list_message', {
      conversation_id: conversationIds[n % CONVERSATIONS],
      limit: 100,
    });
    if (answer.success) answered += 1;
  }
  expect(answered).toBeGreaterThan(10);
  // A point pays for 100 times 1,024 characters. The proof counts JSON, and other documents too.
  expect(read).toBeLessThan(1.2 * EVENT_LIMIT * 100 * 1024);
  client.close();
});

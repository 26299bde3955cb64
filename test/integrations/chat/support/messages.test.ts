import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import type { MongoProxy } from '../../../support/mongo-proxy.js';
import { refuseCommands } from '../../../support/refused-commands.js';
import { addConversation, expectNothing, openChat, talk } from './chat.js';

let proxy: MongoProxy;
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '' });
  proxy = environment.proxy();
});
afterAll(() => environment.close());

test('the example of the original works as it is written', async () => {
  const [user] = await environment.people('Ann');
  const conversationId = await addConversation(environment, [user]);
  const socket = await openChat(environment, user);
  socket.socket.emit('send_message', { conversationId, content: 'Hello', type: 'text' });
  const [message] = await socket.next('new_message');
  expect(message).toMatchObject({ conversationId, senderId: user.id, content: 'Hello', type: 'text' });
  expect(await socket.next('message_delivered')).toEqual([message._id]);
  expect(socket.received('message_error')).toEqual([]);
});

test('a message is stored, reaches everybody once on every node, and becomes the last of its conversation', async () => {
  const { ann, bob, a, b, conversationId } = await talk(environment);
  const tab = await openChat(environment, ann, { node: 1 });
  dataOf({ ...(await b.ask('join_conversation', { conversationId })), success: true });
  const message = dataOf(
    await a.ask('send_message', { conversationId, content: 'Hello!', metadata: { mood: 'good' } }),
  );
  expect(message).toEqual({
    _id: expect.stringMatching(/^[0-9a-f]{24}$/),
    conversationId,
    senderId: ann.id,
    senderName: 'Ann',
    senderType: 'user',
    content: 'Hello!',
    type: 'text',
    file: null,
    metadata: { mood: 'good' },
    clientMessageId: null,
    timestamp: expect.stringMatching(/Z$/),
    editedAt: null,
    isDeleted: false,
  });
  expect(await environment.models.SupportMessage.findById(message._id).lean()).toMatchObject({
    content: 'Hello!',
    senderId: ann.id,
  });
  const conversation = await environment.models.SupportConversation.findById(conversationId).lean();
  expect(String(conversation?.lastMessage)).toBe(message._id);
  expect(conversation?.updatedAt.toISOString()).toBe(message.timestamp);
  for (const client of [a, b, tab]) {
    expect(await client.next('new_message')).toEqual([message]);
    expect(
      await expectNothing(environment, { speaker: a, listener: client, users: [ann, bob] }, 'new_message'),
    ).toEqual([]);
  }
  expect(await a.next('message_delivered')).toEqual([message._id]);
  expect(tab.received('message_delivered')).toEqual([]);
});

test('the same clientMessageId is the same message, raced on two nodes, and sent once', async () => {
  const { ann, a, b, conversationId } = await talk(environment);
  const tab = await openChat(environment, ann, { node: 1 });
  const say = (client: typeof a, n: number) =>
    client.ask('send_message', { conversationId, content: `try ${n}`, clientMessageId: 'c-1' });
  const answers = await Promise.all([say(a, 1), say(tab, 2), say(a, 3), say(tab, 4)]);
  expect(new Set(answers.map((answer) => dataOf(answer)._id)).size).toBe(1);
  expect(dataOf(await say(a, 5))).toEqual(dataOf(answers[0]));
  expect(await b.next('new_message')).toEqual([dataOf(answers[0])]);
  dataOf(await a.ask('send_message', { conversationId, content: 'the end' }));
  expect((await b.next('new_message'))[0].content).toBe('the end');
  // The same id of another sender is another message.
  dataOf(await b.ask('send_message', { conversationId, content: 'mine', clientMessageId: 'c-1' }));
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(3);
});

test("one person's messages arrive in the order in which they were sent", async () => {
  const { a, b, conversationId } = await talk(environment);
  const said = Array.from({ length: 40 }, (_, n) => String(n));
  const answers = await Promise.all(said.map((content) => a.ask('send_message', { conversationId, content })));
  expect(answers.map((answer) => dataOf(answer).content)).toEqual(said);
  const heard: string[] = [];
  for (const _ of said) heard.push((await b.next('new_message'))[0].content);
  expect(heard).toEqual(said);
  const { messages, hasMore } = dataOf(await b.ask('get_messages', { conversationId, limit: 100 }));
  expect(messages.map(({ content }: { content: string }) => content)).toEqual(said);
  expect(hasMore).toBe(false);
});

test('messages are listed in pages, before and after a cursor', async () => {
  const { a, conversationId } = await talk(environment);
  for (const content of ['1', '2', '3', '4', '5']) dataOf(await a.ask('send_message', { conversationId, content }));
  const page = async (query: object) => {
    const { messages, hasMore } = dataOf(await a.ask('get_messages', { conversationId, ...query }));
    return {
      ids: messages.map((one: { _id: string }) => one._id),
      said: messages.map((one: { content: string }) => one.content).join(''),
      hasMore,
    };
  };
  const newest = await page({ limit: 2 });
  expect(newest).toMatchObject({ said: '45', hasMore: true });
  const older = await page({ limit: 2, before: newest.ids[0] });
  expect(older).toMatchObject({ said: '23', hasMore: true });
  expect(await page({ limit: 2, before: older.ids[0] })).toMatchObject({ said: '1', hasMore: false });
  expect(await page({ limit: 2, after: older.ids[0] })).toMatchObject({ said: '34', hasMore: true });
  expect(await page({ after: older.ids[0], before: newest.ids[1] })).toMatchObject({ said: '34', hasMore: false });
  expect(await page({ after: '2000-01-01T00:00:00Z' })).toMatchObject({ said: '12345' });
  expect(await page({ before: '2000-01-01T00:00:00Z' })).toMatchObject({ said: '' });
  const other = await talk(environment);
  const elsewhere = dataOf(await other.a.ask('send_message', { conversationId: other.conversationId, content: 'x' }));
  expect(await a.ask('get_messages', { conversationId, before: elsewhere._id })).toMatchObject({ code: 'NOT_FOUND' });
});

test('a page ends before it is too large for a client', async () => {
  const { ann, a, conversationId } = await talk(environment);
  const content = 'x'.repeat(5000);
  const _id = () => new Types.ObjectId();
  const stored = Array.from({ length: 100 }, (_, n) => ({
    _id: _id(),
    conversationId,
    senderId: ann.id,
    content,
    timestamp: new Date(n),
  }));
  await environment.models.SupportMessage.insertMany(stored);
  const { messages, hasMore } = dataOf(await a.ask('get_messages', { conversationId, limit: 100 }));
  expect(hasMore).toBe(true);
  expect(JSON.stringify(messages).length).toBeLessThan(200_000);
  expect(messages.length).toBeGreaterThan(30);
  expect(messages.at(-1)._id).toBe(String(stored.at(-1)?._id));
  const rest = dataOf(await a.ask('get_messages', { conversationId, limit: 100, before: messages[0]._id }));
  expect(rest.messages.at(-1)._id).toBe(String(stored.at(-messages.length - 1)?._id));
});

test('only the sender can edit and delete a message, and all participants are notified', async () => {
  const { ann, a, b, conversationId } = await talk(environment);
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'tpyo' }));
  for (const [event, data] of [
    ['edit_message', { content: 'mine' }],
    ['delete_message', {}],
  ] as const) {
    expect(await b.ask(event, { conversationId, messageId, ...data })).toMatchObject({ code: 'NOT_FOUND' });
  }
  const edited = dataOf(await a.ask('edit_message', { conversationId, messageId, content: 'typo' }));
  expect(edited).toMatchObject({ _id: messageId, content: 'typo', editedAt: expect.any(String) });
  expect(await b.next('message_edited')).toEqual([edited]);
  expect(await a.ask('delete_message', { conversationId, messageId })).toEqual({ success: true });
  expect(await b.next('message_deleted')).toEqual([{ conversationId, messageId, deletedBy: ann.id }]);
  // The answer could have been lost.
  expect(await a.ask('delete_message', { conversationId, messageId })).toEqual({ success: true });
  expect(await b.ask('delete_message', { conversationId, messageId })).toMatchObject({ code: 'NOT_FOUND' });
  expect(await a.ask('edit_message', { conversationId, messageId, content: 'again' })).toMatchObject({
    code: 'NOT_FOUND',
  });
  const [left] = dataOf(await b.ask('get_messages', { conversationId })).messages;
  expect(left).toMatchObject({ _id: messageId, content: '', isDeleted: true });
  expect(b.received('message_deleted')).toEqual([]);
});

test('reading is sent to the others once, and never moves back', async () => {
  const { ann, bob, a, b, conversationId } = await talk(environment);
  const ids: string[] = [];
  for (const content of ['1', '2', '3']) ids.push(dataOf(await a.ask('send_message', { conversationId, content }))._id);
  const read = (client: typeof b, messageId: string | undefined) =>
    client.ask('mark_as_read', { conversationId, messageId });
  const tab = await openChat(environment, bob);
  await Promise.all([read(b, ids[1]), read(tab, ids[1]), read(b, ids[1])]);
  expect(await read(b, ids[0])).toEqual({ success: true });
  await read(tab, ids[2]);
  const told = { conversationId, readBy: bob.id, readAt: expect.any(String) };
  expect(await a.next('message_read')).toEqual([{ ...told, messageId: ids[1] }]);
  expect(await a.next('message_read')).toEqual([{ ...told, messageId: ids[2] }]);
  expect(await expectNothing(environment, { speaker: b, listener: a, users: [ann, bob] }, 'message_read')).toEqual([]);
  for (const own of [b, tab]) {
    for (const messageId of [ids[1], ids[2]])
      expect(await own.next('conversation_read')).toEqual([{ ...told, messageId }]);
    expect([own.received('conversation_read'), own.received('message_read')]).toEqual([[], []]);
  }
  expect(a.received('conversation_read')).toEqual([]);
  expect(dataOf(await a.ask('get_messages', { conversationId })).reads).toEqual([{ ...told, messageId: ids[2] }]);
});

test('a failure is reported once: by the acknowledgement, or else by message_error with its ids', async () => {
  const { a, b, conversationId } = await talk(environment);
  const [stranger] = await environment.people('Mallory');
  const s = await openChat(environment, stranger);
  const data = { conversationId, content: 'hi', clientMessageId: 'c-9' };
  const error = 'Conversation not found or access denied';
  expect(await s.ask('send_message', data)).toEqual({ success: false, error, code: 'NOT_FOUND' });
  s.socket.emit('send_message', data);
  expect(await s.next('message_error')).toEqual([
    { error, code: 'NOT_FOUND', event: 'send_message', conversationId, clientMessageId: 'c-9' },
  ]);
  s.socket.emit('send_message', { conversationId, content: 'x'.repeat(5001) });
  expect(await s.next('message_error')).toEqual([
    expect.objectContaining({
      code: 'VALIDATION_ERROR',
      conversationId,
      details: [expect.objectContaining({ path: 'content' })],
    }),
  ]);
  expect(s.received('message_error')).toEqual([]);
  dataOf(await a.ask('send_message', { conversationId, content: 'x'.repeat(5000) }));
  expect((await b.next('new_message'))[0].content).toHaveLength(5000);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);
});

test("a message's metadata is stored as data, whatever it looks like, within limits", async () => {
  const { a, conversationId } = await talk(environment);
  const say = (metadata: unknown) => a.ask('send_message', { conversationId, content: 'x', metadata });
  for (const metadata of [{ $where: 'x', 'a.b': 1, constructor: null, toJSON: true }, { '': 0 }, {}]) {
    const answer = await say(metadata);
    if ('' in metadata) expect(answer).toMatchObject({ code: 'VALIDATION_ERROR' });
    else expect(dataOf(answer).metadata).toEqual(metadata);
  }
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`f${n}`, n]));
  for (const metadata of [many, { a: {} }, { a: [] }, { a: 'x'.repeat(501) }, { ['k'.repeat(65)]: 1 }, 'text', [1]]) {
    expect(await say(metadata), JSON.stringify(metadata)).toMatchObject({ code: 'VALIDATION_ERROR' });
  }
  const { messages } = dataOf(await a.ask('get_messages', { conversationId }));
  expect(messages[0].metadata).toEqual({ $where: 'x', 'a.b': 1, constructor: null, toJSON: true });
});

test('50 messages a minute, over all tabs, nodes and REST', async () => {
  const { ann, a, conversationId } = await talk(environment);
  const tab = await openChat(environment, ann, { node: 1 });
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => (n % 2 ? a : tab).ask('send_message', { conversationId, content: `${n}` })),
  );
  answers.forEach(dataOf);
  const told = { limit: 50, windowMs: 60_000, retryAfterMs: expect.any(Number) };
  tab.socket.emit('send_message', { conversationId, content: 'too much' });
  expect(await tab.next('rate_limit_exceeded')).toEqual([{ event: 'send_message', ...told }]);
  expect(await a.ask('send_message', { conversationId, content: 'too much' })).toEqual({
    success: false,
    error: 'Rate limit exceeded',
    code: 'RATE_LIMITED',
    ...told,
  });
  expect(tab.received('message_error')).toEqual([]);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(50);
});

/** Lets commands of this name fail in the database, so many or all of them until the end of the test. */
function failing(command: string, times?: number): void {
  onTestFinished(refuseCommands(proxy, [command], { code: 8000, ...(times !== undefined && { times }) }));
}

test('what fails after a message went out is no failure of the message', async () => {
  const { a, b, conversationId } = await talk(environment);
  failing('update');
  const message = dataOf(await a.ask('send_message', { conversationId, content: 'out' }));
  expect(await b.next('new_message')).toEqual([message]);
  expect((await environment.models.SupportConversation.findById(conversationId).lean())?.lastMessage).toBeNull();
  expect(a.received('message_error')).toEqual([]);
});

test('a message that is not stored is neither sent nor acknowledged, and later ones proceed', async () => {
  const { a, b, conversationId } = await talk(environment);
  failing('insert', 1);
  const answers = await Promise.all(
    ['lost', 'kept'].map((content) => a.ask('send_message', { conversationId, content })),
  );
  expect(answers.map(({ success }) => success).sort()).toEqual([false, true]);
  const failed = answers.find(({ success }) => !success);
  expect(failed).toEqual({ success: false, error: 'Something went wrong', code: 'INTERNAL_ERROR' });
  const kept = dataOf(answers.find(({ success }) => success));
  expect(await b.next('new_message')).toEqual([kept]);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);
});

test('fields that other services omit or add cause no error and are not sent', async () => {
  const [ann, joe] = await environment.people('Ann', 'Joe');
  const { models } = environment;
  const [annId, joeId, conversation, department] = [ann.id, joe.id, '', ''].map(
    (id) => new Types.ObjectId(id || undefined),
  );
  await models.User.collection.updateOne({ _id: annId } as object, { $set: { password: 'hash' } });
  await models.Department.collection.insertMany([{ _id: department, secret: 1 }, { members: [joeId] }] as never[]);
  const bare = { departmentId: department, secret: 1 };
  await models.SupportConversation.collection.insertMany([
    { _id: conversation, participants: [annId], ...bare },
    { assignedTo: annId, ...bare },
  ] as never[]);
  await models.SupportMessage.collection.insertMany([
    { conversationId: conversation, senderId: joeId, content: 'by another service', timestamp: new Date(), secret: 1 },
    { conversationId: conversation, timestamp: new Date() },
  ] as never[]);
  const conversationId = String(conversation);
  const a = await openChat(environment, ann);
  const page = dataOf(await a.ask('get_messages', { conversationId }));
  expect(page.messages).toMatchObject([
    { senderId: joe.id, senderName: '', content: 'by another service' },
    { senderId: '' },
  ]);
  const message = dataOf(await a.ask('send_message', { conversationId, content: 'hello' }));
  expect(await a.next('new_message')).toEqual([message]);
  const list = dataOf(await a.ask('get_conversations', {}));
  expect(list.conversations).toMatchObject([{ _id: conversationId, status: 'open' }, { participants: [] }]);
  for (const { _id: messageId } of page.messages) {
    expect(await a.ask('mark_as_read', { conversationId, messageId })).toEqual({ success: true });
  }
  for (const word of ['secret', 'hash']) expect(JSON.stringify([page, list, message])).not.toContain(word);
  expect(dataOf(await a.ask('close_conversation', { conversationId })).status).toBe('closed');
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { chat as wireChat, chatMessage as wireMessage } from '#shared/contracts/community-parts.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addChat, call, cameTo, members, open, say, talk } from './community.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ overrides: { clock } });
});
afterAll(() => environment.close());

test('the example of the original: join, send, receive, read', async () => {
  const { ann, bob, a, b, chatId } = await talk();
  b.socket.emit('chat:join', { chatId });
  expect(await a.next('chat:user_joined')).toEqual([
    { userId: bob.id, userName: 'Bob Doe', timestamp: expect.any(String), chatId },
  ]);
  a.socket.emit('chat:send_message', { chatId, content: 'Hello' });
  const [received] = await b.next('chat:new_message');
  expect(received).toEqual({ message: expect.any(Object), chatId, timestamp: received.message.createdAt });
  expect(received.message).toMatchObject({
    chat: chatId,
    sender: ann.id,
    senderName: 'Ann Doe',
    content: 'Hello',
    messageType: 'text',
    readBy: [],
    reactions: [],
    replyTo: null,
    isEdited: false,
    isDeleted: false,
  });
  expect(await a.next('chat:new_message')).toEqual([received]);
  b.socket.emit('chat:mark_read', { chatId });
  expect(await a.next('chat:message_read')).toEqual([
    { chatId, messageId: received.message._id, userId: bob.id, readAt: expect.any(String) },
  ]);
  const stored = await environment.models.ChatMessage.findById(received.message._id).lean();
  expect(stored?.readBy?.map(({ user }) => String(user))).toEqual([bob.id]);
  expect(await environment.models.Chat.findById(chatId).lean()).toMatchObject({ lastMessage: stored?._id });

  async function talk() {
    const [ann, bob] = await members(environment, ['Ann', 'Bob']);
    const chatId = await addChat(environment, [ann, bob]);
    return { ann, bob, chatId, a: await open(environment, ann), b: await open(environment, bob) };
  }
});

test('REST answers as the original system, and sends the same event once to each socket', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const tab = await open(environment, bob);
  const answer = await call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, { content: 'Over REST' }]);
  expect(answer.status).toBe(201);
  expect(answer.json).toEqual({ success: true, message: 'Message sent successfully', data: expect.any(Object) });
  const { data } = answer.json;
  for (const client of [a, b, tab]) {
    expect(await client.next('chat:new_message')).toEqual([{ message: data, chatId, timestamp: data.createdAt }]);
  }
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, 'chat:new_message')).toEqual([]);
  const page = await call(environment, bob, ['GET', `/api/chats/${chatId}/messages`]);
  expect(page.json).toEqual({ success: true, message: 'SUCCESS', data: [data] });
});

test('a caller who is no participant is refused with one sentence, also by an event, and changes nothing', async () => {
  const { ann, eve, a, b, chatId } = await talk(environment);
  const message = await say(a, chatId, 'secret');
  const e = await open(environment, eve);
  const words = 'Chat not found or access denied';
  for (const id of [chatId, String(new Types.ObjectId())]) {
    for (const event of ['chat:join', 'chat:leave', 'chat:mark_read', 'chat:typing_start', 'chat:typing_stop']) {
      expect(await e.ask(event, { chatId: id }), event).toMatchObject({
        success: false,
        error: words,
        code: 'NOT_FOUND',
      });
      expect(await e.next('error')).toMatchObject([{ message: words, code: 'NOT_FOUND', event, chatId: id }]);
    }
    expect(await e.ask('chat:send_message', { chatId: id, content: 'hi' })).toMatchObject({ error: words });
    e.socket.emit('chat:send_message', { chatId: id, content: 'hi', clientMessageId: 'c-1' });
    await e.next('error');
    expect(await e.next('error')).toMatchObject([{ message: words, clientMessageId: 'c-1' }]);
    for (const [method, body] of [['POST', { content: 'hi' }], ['GET']] as const) {
      const answer = await call(environment, eve, [method, `/api/chats/${id}/messages`, body]);
      expect([answer.status, answer.json]).toEqual([404, { success: false, message: words, code: 'NOT_FOUND' }]);
    }
  }
  const { _id: messageId } = message;
  for (const [event, data] of [
    ['chat:edit_message', { content: 'mine' }],
    ['chat:delete_message', {}],
    ['chat:add_reaction', { emoji: '👍' }],
    ['chat:pin_message', {}],
    ['chat:unpin_message', {}],
  ] as const) {
    expect(await e.ask(event, { messageId, ...data }), event).toMatchObject({ success: false, code: 'NOT_FOUND' });
  }
  expect(e.received('chat:new_message')).toEqual([]);
  expect((await call(environment, ann, ['GET', `/api/chats/${chatId}/messages`])).json.data).toEqual([message]);
  expect((await b.next('chat:new_message'))[0].message).toEqual(message);
  expect(b.received('chat:new_message')).toEqual([]);
});

test('the sender is the caller, whatever the payload says', async () => {
  const { ann, bob, a, chatId } = await talk(environment);
  const data = { chatId, content: 'I am Bob', sender: bob.id, senderId: bob.id, userId: bob.id, senderName: 'Bob' };
  expect(dataOf(await a.ask('chat:send_message', data))).toMatchObject({ sender: ann.id, senderName: 'Ann Doe' });
});

test('REST asks for a user, in the words of the connection', async () => {
  const [gateway] = environment.nodes;
  const [blocked] = await members(environment, ['Blocked'], { status: 'blocked' });
  const path = '/api/chats';
  const none = await gateway?.call('GET', path, undefined, { 'x-api-key': '' });
  expect([none?.status, none?.json.message]).toEqual([401, 'Authentication token required']);
  const wrong = await gateway?.call('GET', path, undefined, { authorization: 'Bearer x.y.z' });
  expect([wrong?.status, wrong?.json.message]).toEqual([401, 'Authentication failed']);
  for (const id of [blocked.id, String(new Types.ObjectId())]) {
    const denied = await call(environment, { id }, ['GET', path]);
    expect([denied.status, denied.json.message]).toEqual([401, 'Invalid token or user access denied']);
  }
});

test("users with a block in either direction do not receive each other's messages", async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'before');
  await b.next('chat:new_message');
  const words = 'Cannot send message to a blocked user';
  for (const [blocker, blocked] of [[ann, bob] as const, [bob, ann] as const]) {
    await environment.models.User.updateOne({ _id: blocker.id }, { blockedUsers: [blocked.id] });
    const answer = await call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, { content: 'hi' }]);
    expect([answer.status, answer.json]).toEqual([403, { success: false, message: words, code: 'FORBIDDEN' }]);
    for (const [event, data] of [
      ['chat:send_message', { chatId, content: 'hi' }],
      ['chat:typing_start', { chatId }],
      ['chat:edit_message', { messageId, content: 'hi' }],
      ['chat:add_reaction', { messageId, emoji: '👍' }],
      ['chat:pin_message', { messageId }],
    ] as const) {
      expect(await a.ask(event, data), event).toMatchObject({ success: false, error: words, code: 'FORBIDDEN' });
      expect((await a.next('error'))[0]).toMatchObject({ message: words });
    }
    expect(await a.ask('chat:join', { chatId })).toEqual({ success: true });
    const answered = await call(environment, ann, ['POST', '/api/chats/direct', { participantId: bob.id }]);
    expect([answered.status, answered.json.message]).toEqual([403, words]);
    await environment.models.User.updateOne({ _id: blocker.id }, { blockedUsers: [] });
  }
  const events = ['chat:new_message', 'chat:user_typing', 'chat:message_reaction', 'chat:user_joined'];
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, ...events)).toEqual([]);
  expect(await environment.models.ChatMessage.countDocuments({ chat: chatId })).toBe(1);
});

test('a repeated clientMessageId is stored and sent once, over sockets and REST', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const draft = { content: 'once', clientMessageId: 'c-1' };
  const send = () => a.ask('chat:send_message', { chatId, ...draft });
  const overRest = () => call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, draft]);
  const [first, second, third] = await Promise.all([send(), overRest(), send()]);
  expect(second.status).toBe(201);
  expect(new Set([first.data._id, second.json.data._id, third.data._id]).size).toBe(1);
  expect(first.data).toMatchObject({ clientMessageId: 'c-1' });
  await b.next('chat:new_message');
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, 'chat:new_message')).toEqual([]);
  // Another sender, or another chat, is another message.
  expect(dataOf(await b.ask('chat:send_message', { chatId, ...draft }))._id).not.toBe(first.data._id);
});

test("one user's messages in one chat arrive in the order in which they were sent", async () => {
  const { a, b, chatId } = await talk(environment);
  const contents = Array.from({ length: 20 }, (_, index) => `${index}`);
  for (const content of contents) a.socket.emit('chat:send_message', { chatId, content });
  await until(() => b.received('chat:new_message').length === contents.length);
  expect(b.received('chat:new_message').map(([{ message }]) => message.content)).toEqual(contents);
});

test('a reply names a message of the same chat', async () => {
  const { ann, bob, a, chatId } = await talk(environment);
  const other = await say(a, await addChat(environment, [ann, bob], { type: 'group' }), 'elsewhere');
  const { _id } = await say(a, chatId, 'question');
  expect(dataOf(await a.ask('chat:send_message', { chatId, content: 'answer', replyToId: _id })).replyTo).toBe(_id);
  expect(await a.ask('chat:send_message', { chatId, content: 'answer', replyToId: other._id })).toMatchObject({
    success: false,
    error: 'Message not found or access denied',
  });
});

test('thirty messages in ten seconds, over sockets and REST together', async () => {
  // Limits go by the time of the machine.
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { ann, a, b, chatId } = await talk(environment);
  const answers = await Promise.all([
    ...Array.from({ length: 15 }, () => a.ask('chat:send_message', { chatId, content: 'x' })),
    ...Array.from({ length: 15 }, () =>
      call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, { content: 'x' }]),
    ),
  ]);
  expect(answers.filter((answer) => answer.success === true || answer.status === 201)).toHaveLength(30);
  const limited = { code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) };
  expect(await a.ask('chat:send_message', { chatId, content: 'x' })).toMatchObject({ success: false, ...limited });
  expect(await a.next('error')).toMatchObject([{ message: 'Rate limit exceeded', ...limited }]);
  const refused = await call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, { content: 'x' }]);
  expect([refused.status, refused.json]).toMatchObject([429, { message: 'Rate limit exceeded', ...limited }]);
  expect(await environment.models.ChatMessage.countDocuments({ chat: chatId })).toBe(30);
  await say(b, chatId, 'another user');
  vi.setSystemTime(Date.now() + 10_000);
  await say(a, chatId, 'later');
});

test('invalid messages are rejected, not stored and not sent', async () => {
  const { ann, a, chatId } = await talk(environment);
  for (const bad of [
    { content: '' },
    { content: 'x'.repeat(2001) },
    { content: { $gt: '' } },
    { content: 'x', messageType: 'script' },
    { content: 'x', replyToId: 'no id' },
    { content: 'x', clientMessageId: '' },
  ]) {
    expect(await a.ask('chat:send_message', { chatId, ...bad })).toMatchObject({ code: 'VALIDATION_ERROR' });
    expect((await a.next('error'))[0]).toMatchObject({ code: 'VALIDATION_ERROR', details: [expect.any(Object)] });
    const answer = await call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, bad]);
    expect([answer.status, answer.json.code]).toEqual([400, 'VALIDATION_ERROR']);
  }
  expect(await a.ask('chat:join', { chatId: { $ne: null } })).toMatchObject({ code: 'VALIDATION_ERROR' });
  expect((await call(environment, ann, ['GET', '/api/chats/no-id/messages'])).status).toBe(400);
  expect(await environment.models.ChatMessage.countDocuments({ chat: chatId })).toBe(0);
  await say(a, chatId, 'x'.repeat(2000));
  const empty = { chatId, content: 'nothing besides', replyToId: null, clientMessageId: null };
  for (let times = 0; times < 2; times += 1) dataOf(await a.ask('chat:send_message', empty));
  expect(await environment.models.ChatMessage.countDocuments({ chat: chatId })).toBe(3);
});

test('pages of messages hold each once, oldest first, before a message and before a time', async () => {
  const { ann, bob, chatId } = await talk(environment);
  const stored = Array.from({ length: 25 }, (_, index) => ({
    chat: new Types.ObjectId(chatId),
    sender: new Types.ObjectId(index % 2 === 0 ? ann.id : bob.id),
    content: `${index}`,
    // Several share a moment.
    createdAt: new Date(clock.now() + Math.floor(index / 4) * 1000),
  }));
  const messageIds = (await environment.models.ChatMessage.insertMany(stored)).map(({ _id }) => String(_id));
  const path = `/api/chats/${chatId}/messages`;
  const read = async (query: string) => (await call(environment, bob, ['GET', path + query])).json.data;
  const seen: string[] = [];
  for (let page = await read('?limit=10'); page.length > 0; ) {
    seen.unshift(...page.map((message: { content: string }) => message.content));
    page = await read(`?limit=10&before=${page[0]._id}`);
  }
  expect(seen).toEqual(stored.map(({ content }) => content));
  const next: string[] = [];
  for (let page = await read(`?limit=1&before=${messageIds[4]}`); page.length > 0; ) {
    next.push(...page.map((message: { content: string }) => message.content));
    page = await read(`?limit=9&after=${page.at(-1)._id}`);
  }
  expect(next).toEqual(stored.slice(3).map(({ content }) => content));
  const between = await read(`?after=${messageIds[1]}&before=${messageIds[4]}`);
  expect(between.map((message: { content: string }) => message.content)).toEqual(['2', '3']);
  const early = await read(`?before=${new Date(clock.now() + 1000).toISOString()}`);
  expect(early.map((message: { content: string }) => message.content)).toEqual(['0', '1', '2', '3']);
  expect((await call(environment, bob, ['GET', `${path}?before=${new Types.ObjectId()}`])).status).toBe(404);
  expect((await call(environment, bob, ['GET', `${path}?limit=101`])).status).toBe(400);
});

test('a participant removed from a chat receives nothing more on their open socket', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  await say(a, chatId, 'with you');
  await b.next('chat:new_message');
  await environment.models.Chat.updateOne({ _id: chatId }, { $pull: { participants: bob.id } });
  await say(a, chatId, 'without you');
  await a.ask('chat:typing_start', { chatId });
  await a.ask('chat:typing_stop', { chatId });
  const events = ['chat:new_message', 'chat:user_typing', 'chat:user_stopped_typing'];
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, ...events)).toEqual([]);
  expect(
    (await call(environment, bob, ['GET', '/api/chats'])).json.data.map((chat: { _id: string }) => chat._id),
  ).not.toContain(chatId);
});

test('a user blocked by the platform is disconnected with the next event, everywhere', async () => {
  const { bob, b, chatId } = await talk(environment);
  const tab = await open(environment, bob);
  await environment.models.User.updateOne({ _id: bob.id }, { status: 'blocked' });
  b.socket.emit('chat:join', { chatId });
  await Promise.all([b.closed, tab.closed]);
});

test('fields that other services omit or add cause no error and are not sent', async () => {
  const { ann, bob, a, b } = await talk(environment);
  const { models } = environment;
  const annId = new Types.ObjectId(ann.id);
  const bobId = new Types.ObjectId(bob.id);
  await models.User.collection.updateOne(
    { _id: bobId },
    { $set: { password: 'hash', image: { url: 'x' }, phone: '1' } },
  );
  const chat = new Types.ObjectId();
  await models.Chat.collection.insertOne({
    _id: chat,
    participants: [annId, bobId],
    type: 'direct',
    secret: 1,
  } as never);
  const messages = [{ sender: bobId }, { sender: null }, { sender: bobId, reactions: [{}], readBy: [{}], secret: 1 }];
  const stored = messages.map((message) => ({ ...message, chat, content: 'x' }));
  await models.ChatMessage.collection.insertMany(stored as never[]);
  const notification = { recipient: annId, type: 'like', secret: 1 };
  await models.Notification.collection.insertOne(notification as never);

  const chatId = String(chat);
  const chats = (await call(environment, ann, ['GET', '/api/chats'])).json.data;
  const page = (await call(environment, ann, ['GET', `/api/chats/${chatId}/messages`])).json.data;
  expect(page).toHaveLength(3);
  expect(z.array(wireMessage).parse(page)).toEqual(page);
  expect(z.array(wireChat).parse(chats)).toEqual(chats);
  expect(chats.find(({ _id }: { _id: string }) => _id === chatId)).toMatchObject({
    chatName: 'Bob Doe',
    chatImage: null,
  });
  expect(dataOf(await a.ask('notification:list', {})).notifications).toMatchObject([{ type: 'like', message: '' }]);
  expect(await a.ask('chat:mark_read', { chatId })).toEqual({ success: true });
  for (const { _id: messageId } of page) {
    expect(await a.ask('chat:add_reaction', { messageId, emoji: '👍' })).toMatchObject({ success: true });
    expect(await a.ask('chat:pin_message', { messageId })).toEqual({ success: true });
    expect(await a.ask('chat:edit_message', { messageId, content: 'mine' })).toMatchObject({ code: 'FORBIDDEN' });
  }
  expect(await say(a, chatId, 'hello')).toMatchObject({ content: 'hello' });
  expect((await b.next('chat:new_message'))[0].message.content).toBe('hello');
  const told = JSON.stringify([chats, page]);
  for (const word of ['secret', 'hash', 'phone']) expect(told).not.toContain(word);
});

test('a pinned message that another service has deleted can be unpinned', async () => {
  const { a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'text');
  await a.ask('chat:pin_message', { messageId });
  await environment.models.ChatMessage.updateOne({ _id: messageId, chat: chatId }, { isDeleted: true });
  expect(await b.ask('chat:pin_message', { messageId })).toMatchObject({ success: false, code: 'NOT_FOUND' });
  expect(await b.ask('chat:unpin_message', { messageId })).toEqual({ success: true });
  expect((await a.next('chat:message_unpinned'))[0]).toMatchObject({ chatId, messageId });
  expect(await environment.models.Chat.findById(chatId).lean()).toMatchObject({ pinnedMessages: [] });
});

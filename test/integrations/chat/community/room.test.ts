import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addChat, call, cameTo, type Member, members, open, say, talk } from './community.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ overrides: { clock } });
});
afterAll(() => environment.close());

const MINUTE_MS = 60_000;

test('a socket that left a chat receives its messages, but no joins, leaves and typing events', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const tab = await open(environment, bob);
  expect(await b.ask('chat:leave', { chatId })).toEqual({ success: true });
  await a.ask('chat:join', { chatId });
  await a.ask('chat:typing_start', { chatId });
  await a.ask('chat:leave', { chatId });
  // Coming and going at once is told as its end, a moment later.
  clock.advance(1000);
  expect((await tab.next('chat:user_joined'))[0]).toMatchObject({ chatId, userId: ann.id });
  await tab.next('chat:user_typing');
  await tab.next('chat:user_stopped_typing');
  expect((await tab.next('chat:user_left'))[0]).toEqual({
    chatId,
    userId: ann.id,
    userName: 'Ann Doe',
    timestamp: expect.any(String),
  });
  await say(a, chatId, 'still');
  expect((await b.next('chat:new_message'))[0].message.content).toBe('still');
  const events = ['chat:user_joined', 'chat:user_typing', 'chat:user_stopped_typing', 'chat:user_left'];
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, ...events)).toEqual([]);
  await b.ask('chat:join', { chatId });
  clock.advance(1000);
  await a.ask('chat:join', { chatId });
  expect((await b.next('chat:user_joined'))[0]).toMatchObject({ chatId });
});

test('typing is sent to the others, and ends on request, after five seconds, by a message and on disconnect', async () => {
  const { ann, a, b, chatId } = await talk(environment);
  const who = { chatId, userId: ann.id };
  const begin = async () => {
    await a.ask('chat:typing_start', { chatId });
    expect(await b.next('chat:user_typing')).toEqual([{ ...who, userName: 'Ann Doe' }]);
  };
  await begin();
  await a.ask('chat:typing_stop', { chatId });
  expect(await b.next('chat:user_stopped_typing')).toEqual([who]);

  await begin();
  clock.advance(4000);
  await begin();
  clock.advance(4000);
  await a.ask('chat:join', { chatId });
  await b.next('chat:user_joined');
  expect(b.received('chat:user_stopped_typing')).toEqual([]);
  clock.advance(1000);
  await b.next('chat:user_stopped_typing');

  await begin();
  await say(a, chatId, 'said');
  await b.next('chat:user_stopped_typing');

  await begin();
  a.close();
  await b.next('chat:user_stopped_typing');
  expect(a.received('chat:user_typing')).toEqual([]);
  expect(b.received('chat:user_stopped_typing')).toEqual([]);
});

test('sending a message at once ends typing', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  for (let round = 0; round < 5; round += 1) {
    a.socket.emit('chat:typing_start', { chatId });
    const said = a.ask('chat:send_message', { chatId, content: 'quick' });
    // The receiver has the message before typing ends; the next round would extend it.
    await Promise.all([said, b.next('chat:new_message')]);
  }
  await cameTo(environment, { speaker: [ann, a], listener: [bob, b] });
  const told = (event: string) => b.received(event).length;
  await until(() => told('chat:user_typing') === told('chat:user_stopped_typing'));
});

test('reading is sent once, from any tab, marks messages of others, and never moves back', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const tab = await open(environment, bob);
  const ids: string[] = [];
  for (const content of ['1', '2', '3']) {
    clock.advance(1);
    ids.push((await say(a, chatId, content))._id);
  }
  clock.advance(1);
  await say(b, chatId, 'own');
  const unread = async () => (await call(environment, bob, ['GET', '/api/chats'])).json.data[0].unreadCount;
  expect(await unread()).toBe(3);
  await Promise.all([b, tab, b].map((client) => client.ask('chat:mark_read', { chatId, messageId: ids[1] })));
  expect(await a.next('chat:message_read')).toEqual([
    { chatId, messageId: ids[1], userId: bob.id, readAt: expect.any(String) },
  ]);
  expect(await unread()).toBe(1);
  await b.ask('chat:mark_read', { chatId, messageId: ids[0] });
  await b.ask('chat:mark_read', { chatId });
  expect((await a.next('chat:message_read'))[0]).toMatchObject({ messageId: ids[2] });
  await tab.ask('chat:mark_read', { chatId });
  expect(await cameTo(environment, { speaker: [bob, b], listener: [ann, a] }, 'chat:message_read')).toEqual([]);
  for (const own of [b, tab]) {
    // Every device of the reader, so that none shows them as unread.
    for (const messageId of [ids[1], ids[2]]) {
      expect(await own.next('chat:read')).toEqual([{ chatId, messageId, userId: bob.id, readAt: expect.any(String) }]);
    }
    expect([own.received('chat:read'), own.received('chat:message_read')]).toEqual([[], []]);
  }
  expect(a.received('chat:read')).toEqual([]);
  const messages = (await call(environment, ann, ['GET', `/api/chats/${chatId}/messages`])).json.data;
  expect(messages.map((message: { readBy: object[] }) => message.readBy)).toEqual([
    ...ids.map(() => [{ user: bob.id, readAt: expect.any(String) }]),
    [],
  ]);
  expect(await unread()).toBe(0);
  expect(await b.ask('chat:mark_read', { chatId, messageId: chatId })).toMatchObject({ code: 'NOT_FOUND' });
});

test('reading moves the entry of the reader, wherever that is among the participants and among the settings', async () => {
  const [ann, bob, eve] = await members(environment, ['Ann', 'Bob', 'Eve']);
  const user = (member: Member) => new Types.ObjectId(member.id);
  const before = new Date(clock.now() - MINUTE_MS);
  const participantSettings = [bob, eve, ann].map((member) => ({ user: user(member), readUpTo: before }));
  const chatId = await addChat(environment, [ann, bob, eve], { participantSettings });
  const a = await open(environment, ann);
  const b = await open(environment, bob);
  const message = await say(a, chatId, 'hi');
  const settings = async () =>
    (await environment.models.Chat.findById(chatId).lean())?.participantSettings?.map(
      ({ user, readUpTo, lastReadMessage }) => [
        String(user),
        readUpTo?.toISOString(),
        lastReadMessage == null ? null : String(lastReadMessage),
      ],
    );
  await b.ask('chat:mark_read', { chatId });
  expect(await settings()).toEqual([
    [bob.id, message.createdAt, message._id],
    [eve.id, before.toISOString(), null],
    [ann.id, before.toISOString(), null],
  ]);
  const unread = async (of: Member) => (await call(environment, of, ['GET', '/api/chats'])).json.data[0].unreadCount;
  expect([await unread(bob), await unread(eve)]).toEqual([0, 1]);
});

test('reading moves no entry back when another service has stored two for the reader', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const chatId = await addChat(environment, [ann, bob]);
  const a = await open(environment, ann);
  const b = await open(environment, bob);
  const first = await say(a, chatId, '1');
  const second = await say(a, chatId, '2');
  await b.ask('chat:mark_read', { chatId });
  await environment.models.Chat.collection.updateOne({ _id: new Types.ObjectId(chatId) }, {
    $push: { participantSettings: { user: new Types.ObjectId(bob.id) } },
  } as never);
  const unread = async () => (await call(environment, bob, ['GET', '/api/chats'])).json.data[0].unreadCount;
  expect(await unread()).toBe(0);
  await b.ask('chat:mark_read', { chatId, messageId: first._id });
  expect(await unread()).toBe(0);
  const { participantSettings } = (await environment.models.Chat.findById(chatId).lean()) ?? {};
  expect(participantSettings?.map(({ lastReadMessage }) => String(lastReadMessage))).toEqual([second._id, first._id]);
});

test('own messages can be changed for fifteen minutes, and only own ones', async () => {
  const { a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'tpyo');
  const message = dataOf(await a.ask('chat:edit_message', { messageId, content: 'typo', chatId }));
  expect(message).toMatchObject({ _id: messageId, content: 'typo', isEdited: true, editedAt: expect.any(String) });
  const { editedAt } = message;
  expect(await b.next('chat:message_edited')).toEqual([{ chatId, messageId, content: 'typo', editedAt, message }]);
  expect(await a.next('chat:message_edited')).toMatchObject([{ messageId }]);
  expect(await b.ask('chat:edit_message', { messageId, content: 'mine' })).toMatchObject({
    error: 'You can only edit your own messages',
    code: 'FORBIDDEN',
  });
  expect(await a.ask('chat:edit_message', { messageId, content: 'x', chatId: messageId })).toMatchObject({
    code: 'NOT_FOUND',
  });
  clock.advance(15 * MINUTE_MS);
  dataOf(await a.ask('chat:edit_message', { messageId, content: 'just in time' }));
  clock.advance(1);
  expect(await a.ask('chat:edit_message', { messageId, content: 'late' })).toMatchObject({
    error: 'The message can no longer be edited',
  });
  expect((await environment.models.ChatMessage.findById(messageId).lean())?.content).toBe('just in time');
});

test('a deleted message is empty for all participants, unpinned, and reported once', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'regret');
  await a.ask('chat:pin_message', { messageId });
  expect(await b.ask('chat:delete_message', { messageId })).toMatchObject({ code: 'FORBIDDEN' });
  const answers = await Promise.all([1, 2].map(() => a.ask('chat:delete_message', { messageId })));
  expect(answers).toEqual([{ success: true }, { success: true }]);
  expect(await b.next('chat:message_deleted')).toEqual([
    { chatId, messageId, deletedBy: ann.id, timestamp: expect.any(String) },
  ]);
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, 'chat:message_deleted')).toEqual([]);
  const [message] = (await call(environment, bob, ['GET', `/api/chats/${chatId}/messages`])).json.data;
  expect(message).toMatchObject({ content: '', isDeleted: true });
  expect(JSON.stringify(await environment.models.ChatMessage.findById(messageId).lean())).not.toContain('regret');
  expect((await environment.models.Chat.findById(chatId).lean())?.pinnedMessages).toEqual([]);
  for (const [event, data] of [
    ['chat:edit_message', { content: 'x' }],
    ['chat:add_reaction', { emoji: '👍' }],
    ['chat:pin_message', {}],
  ] as const) {
    expect(await a.ask(event, { messageId, ...data }), event).toMatchObject({ code: 'NOT_FOUND' });
  }
  const { _id: rude } = await say(b, chatId, 'rude');
  await environment.models.User.updateOne({ _id: ann.id }, { role: 'admin' });
  expect(await a.ask('chat:delete_message', { messageId: rude })).toEqual({ success: true });
});

test('reactions toggle, however many tabs do it at once', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'nice');
  const reactions = dataOf(await b.ask('chat:add_reaction', { messageId, emoji: '$👍' })).reactions;
  expect(reactions).toEqual([{ user: bob.id, emoji: '$👍' }]);
  expect(await a.next('chat:message_reaction')).toEqual([
    { chatId, messageId, userId: bob.id, emoji: '$👍', action: 'added', reactions },
  ]);
  await Promise.all([
    ...Array.from({ length: 9 }, () => b.ask('chat:add_reaction', { messageId, emoji: '$👍' })),
    ...Array.from({ length: 9 }, () => a.ask('chat:add_reaction', { messageId, emoji: '❤️' })),
  ]);
  await until(() => a.received('chat:message_reaction').length === 18);
  const told = a.received('chat:message_reaction').map(([{ emoji, action }]) => `${emoji} ${action}`);
  expect(told.filter((text) => text === '$👍 removed')).toHaveLength(5);
  expect(told.filter((text) => text === '❤️ added')).toHaveLength(5);
  const stored = await environment.models.ChatMessage.findById(messageId).lean();
  expect(stored?.reactions?.map(({ user, emoji }) => [String(user), emoji])).toEqual([[ann.id, '❤️']]);
  for (const emoji of ['', 'a b', '\u0000', 'x'.repeat(33), { $ne: 1 }]) {
    expect(await a.ask('chat:add_reaction', { messageId, emoji })).toMatchObject({ code: 'VALIDATION_ERROR' });
  }
});

test('every participant pins and unpins, each once, and there is an end to it', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'rules');
  await Promise.all([a, b, b].map((client) => client.ask('chat:pin_message', { chatId, messageId })));
  expect((await a.next('chat:message_pinned'))[0]).toMatchObject({ chatId, messageId, pinnedBy: expect.any(String) });
  expect((await call(environment, bob, ['GET', '/api/chats'])).json.data[0].pinnedMessages).toEqual([messageId]);
  await Promise.all([a, b].map((client) => client.ask('chat:unpin_message', { messageId })));
  expect((await b.next('chat:message_unpinned'))[0]).toMatchObject({ messageId });
  const events = ['chat:message_pinned', 'chat:message_unpinned'];
  expect(await cameTo(environment, { speaker: [bob, b], listener: [ann, a] }, 'chat:message_pinned')).toEqual([]);
  await b.next('chat:message_pinned');
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, ...events)).toEqual([]);
  await environment.models.Chat.updateOne({ _id: chatId }, { pinnedMessages: Array(50).fill(chatId) });
  expect(await a.ask('chat:pin_message', { messageId })).toMatchObject({ error: 'Too many messages are pinned' });
});

test('chats are listed for their participants, the last active first, in pages', async () => {
  const [ann, bob, cid] = await members(environment, ['Ann', 'Bob', 'Cid'], { image: 'https://example.com/i.png' });
  const a = await open(environment, ann);
  const ids: string[] = [];
  for (let index = 0; index < 7; index += 1) {
    clock.advance(1000);
    const chatId = await addChat(environment, index === 3 ? [ann, cid] : [ann, bob, cid], {
      groupName: `Group ${index}`,
    });
    await say(a, chatId, `in ${index}`);
    ids.unshift(chatId);
  }
  const read = async (who: typeof ann, query = '') =>
    (await call(environment, who, ['GET', `/api/chats${query}`])).json.data;
  const idsOf = (chats: { _id: string }[]) => chats.map(({ _id }) => _id);
  expect(idsOf(await read(ann))).toEqual(ids);
  expect(idsOf(await read(bob))).toEqual(ids.filter((id) => id !== ids[3]));
  const first = await read(ann, '?limit=3');
  expect(idsOf(await read(ann, `?limit=3&before=${first[2]._id}`))).toEqual(ids.slice(3, 6));
  expect(idsOf(await read(ann, `?before=${first[2].lastActivity}`))).toEqual(ids.slice(3));
  expect((await call(environment, bob, ['GET', `/api/chats?before=${ids[3]}`])).status).toBe(404);
  const [direct] = (await read(cid)).filter((chat: { type: string }) => chat.type === 'direct');
  expect(direct).toMatchObject({
    _id: ids[3],
    participants: [ann.id, cid.id],
    chatName: 'Ann Doe',
    chatImage: 'https://example.com/i.png',
    lastMessage: { content: 'in 3', senderName: 'Ann Doe' },
    isMuted: false,
    unreadCount: 1,
  });
  expect(first[0]).toMatchObject({ type: 'group', chatName: 'Group 6', unreadCount: 0 });
});

test('two users have one direct chat, however often it is opened, over sockets and REST', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const ask = (who: typeof ann, other: typeof ann) =>
    call(environment, who, ['POST', '/api/chats/direct', { participantId: other.id }]);
  const answers = await Promise.all([ask(ann, bob), ask(bob, ann), ask(ann, bob), ask(bob, ann)]);
  const [first] = answers;
  expect(first?.json.data).toMatchObject({ type: 'direct', chatName: 'Bob Doe', lastMessage: null });
  expect(new Set(answers.map(({ json }) => json.data._id)).size).toBe(1);
  expect(await environment.models.Chat.countDocuments({ participants: ann.id })).toBe(1);

  const [cid] = await members(environment, ['Cid']);
  const old = await addChat(environment, [ann, cid]);
  const found = await Promise.all([ask(ann, cid), ask(cid, ann)]);
  expect(found.map(({ json }) => json.data._id)).toEqual([old, old]);

  // A removed participant cannot rejoin by asking.
  await environment.models.Chat.updateOne({ _id: old }, { $pull: { participants: ann.id } });
  const { data } = (await ask(ann, cid)).json;
  expect(data._id).not.toBe(old);
  expect(data.participants.sort()).toEqual([ann.id, cid.id].sort());

  expect((await ask(ann, ann)).json.code).toBe('VALIDATION_ERROR');
  const unknown = await ask(ann, { ...ann, id: old });
  expect([unknown.status, unknown.json.message]).toEqual([404, 'User not found']);
});

test('a direct chat stays single over a call that ended halfway, and beside nodes of an earlier version', async () => {
  const { Chat, ChatPair } = environment.models;
  const ask = (who: { id: string }, other: { id: string }) =>
    call(environment, who, ['POST', '/api/chats/direct', { participantId: other.id }]);
  const keyOf = (...people: { id: string }[]) =>
    people
      .map(({ id }) => id)
      .sort()
      .join(':');
  const chatsOf = (who: { id: string }) => Chat.countDocuments({ participants: who.id });

  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const claimed = new Types.ObjectId();
  await ChatPair.create({ _id: keyOf(ann, bob), chat: claimed });
  const answers = await Promise.all([ask(ann, bob), ask(bob, ann), ask(ann, bob)]);
  expect(answers.map(({ json }) => json.data._id)).toEqual(Array(3).fill(claimed.toHexString()));
  expect(await chatsOf(ann)).toBe(1);

  // Nodes of an earlier version create this unique index at their start, and find chats by it alone.
  const isText = { partialFilterExpression: { directKey: { $type: 'string' } } };
  await Chat.collection.createIndex({ directKey: 1 }, { unique: true, ...isText });
  const [cid, dan] = await members(environment, ['Cid', 'Dan']);
  const directKey = keyOf(cid, dan);
  await ChatPair.create({ _id: directKey, chat: new Types.ObjectId() });
  const earlier = await addChat(environment, [cid, dan], { directKey });
  expect((await ask(cid, dan)).json.data._id).toBe(earlier);
  expect(await ChatPair.findById(directKey).lean()).toMatchObject({ chat: new Types.ObjectId(earlier) });
  await Chat.updateOne({ _id: earlier }, { $pull: { participants: cid.id } });
  const next = (await ask(cid, dan)).json.data._id;
  expect(next).not.toBe(earlier);
  expect((await ask(dan, cid)).json.data._id).toBe(next);
  expect(await Chat.findById(next).lean()).toMatchObject({ directKey });
});

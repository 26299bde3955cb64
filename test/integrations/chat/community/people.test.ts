import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger, type Logger } from '../../../../src/platform/logging/logger.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { signToken } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';
import { addChat, call, cameTo, type Member, members, open, say, talk } from './community.js';

const clock = createTestClock();
const errors: unknown[] = [];
const logger: Logger = {
  ...createLogger({ level: 'silent', isPretty: false }),
  error: (...args: unknown[]) => void errors.push(args),
};
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ overrides: { clock, logger } });
});
afterAll(async () => {
  await environment.close();
  expect(errors).toEqual([]);
});

const connectionsOf = async ({ id }: Member): Promise<number> =>
  (await environment.nodes[0]?.call('GET', `/users/${id}/presence`))?.json.data.connections;

const inGroup = (groupType: string) => ({ joinedGroups: [{ groupType, joinedAt: new Date() }] });

test('active viewers of a chat are not notified; offline users and viewers of another chat are', async () => {
  const [ann, bob, cid, dan, eve] = await members(environment, ['Ann', 'Bob', 'Cid', 'Dan', 'Eve']);
  const chatId = await addChat(environment, [ann, bob, cid, dan, eve], { groupName: 'Healing' });
  const a = await open(environment, ann);
  const b = await open(environment, bob);
  const c = await open(environment, cid);
  // Dan has two tabs, one of which is still in the chat; Eve is not there.
  const d = await open(environment, dan);
  const dTab = await open(environment, dan);
  await c.ask('chat:leave', { chatId });
  await d.ask('chat:leave', { chatId });
  const { _id: messageId } = await say(a, chatId, 'x'.repeat(300));

  const [made] = await c.next('notification:new');
  expect(made).toEqual({
    _id: expect.any(String),
    type: 'message',
    title: 'Healing',
    message: 'x'.repeat(200),
    sender: ann.id,
    chatId,
    messageId,
    isRead: false,
    readAt: null,
    createdAt: expect.any(String),
  });
  expect(await c.next('notification:unread_count')).toEqual([{ count: 1 }]);
  const stored = await environment.models.Notification.find({ relatedChat: chatId }).lean();
  expect(stored.map(({ recipient }) => String(recipient)).sort()).toEqual([cid.id, eve.id].sort());
  for (const client of [a, b, d, dTab]) expect(client.received('notification:new')).toEqual([]);

  const e = await open(environment, eve);
  expect(dataOf(await e.ask('notification:list', {}))).toEqual({
    notifications: [{ ...made, _id: expect.any(String) }],
    unreadCount: 1,
    hasMore: false,
  });
  // Back in the chat, and the other way round.
  await c.ask('chat:join', { chatId });
  await dTab.ask('chat:leave', { chatId });
  await say(a, chatId, 'again');
  expect((await d.next('notification:new'))[0]).toMatchObject({ message: 'again' });
  await dTab.next('notification:new');
  expect(await environment.models.Notification.countDocuments({ recipient: cid.id })).toBe(1);
  // The tab that is in the chat is closed: the other one is not.
  await dTab.ask('chat:join', { chatId });
  dTab.close();
  await until(async () => (await connectionsOf(dan)) === 1);
  await say(a, chatId, 'once more');
  expect((await d.next('notification:new'))[0]).toMatchObject({ message: 'once more' });
});

test('no notification is stored for a muted chat, or for a message of a blocked user', async () => {
  const [ann, bob, cid, dan] = await members(environment, ['Ann', 'Bob', 'Cid', 'Dan']);
  const mutedUntil = new Date(clock.now() + 60_000);
  const chatId = await addChat(environment, [ann, bob, cid, dan], {
    participantSettings: [
      { user: bob.id, isMuted: true },
      { user: cid.id, mutedUntil },
    ],
  });
  await environment.models.User.updateOne({ _id: dan.id }, { blockedUsers: [ann.id] });
  const a = await open(environment, ann);
  await say(a, chatId, 'psst');
  expect(await environment.models.Notification.countDocuments({ relatedChat: chatId })).toBe(0);
  const [chat] = (await call(environment, cid, ['GET', '/api/chats'])).json.data;
  expect(chat).toMatchObject({ isMuted: true, mutedUntil: mutedUntil.toISOString() });
  clock.advance(60_000);
  await say(a, chatId, 'hello');
  const made = await environment.models.Notification.find({ relatedChat: chatId }).lean();
  expect(made.map(({ recipient }) => String(recipient))).toEqual([cid.id]);
});

test('notifications are listed, and marked read once on all sockets, only by their recipient', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const tab = await open(environment, bob);
  for (const client of [b, tab]) await client.ask('chat:leave', { chatId });
  for (const content of ['1', '2', '3']) {
    clock.advance(1);
    await say(a, chatId, content);
  }
  const { notifications } = dataOf(await b.ask('notification:list', { limit: 2 }));
  expect(notifications.map(({ message }: { message: string }) => message)).toEqual(['3', '2']);
  const rest = dataOf(await b.ask('notification:list', { limit: 2, before: notifications[1]._id }));
  expect([rest.notifications.length, rest.hasMore, rest.unreadCount]).toEqual([1, false, 3]);

  const notificationId = notifications[0]._id;
  expect(await a.ask('notification:mark_read', { notificationId })).toMatchObject({ code: 'NOT_FOUND' });
  for (let count = 3; count > 0; count -= 1) await tab.next('notification:unread_count');
  expect(dataOf(await b.ask('notification:mark_read', { notificationId }))).toEqual({ count: 2 });
  expect(await tab.next('notification:read')).toEqual([{ notificationId, readAt: expect.any(String) }]);
  expect(await tab.next('notification:unread_count')).toEqual([{ count: 2 }]);
  expect(dataOf(await b.ask('notification:mark_read', { notificationId }))).toEqual({ count: 2 });
  expect(dataOf(await b.ask('notification:list', { unreadOnly: true })).notifications).toHaveLength(2);

  b.socket.emit('notification:get_unread_count');
  while ((await b.next('notification:unread_count'))[0].count !== 2);
  expect(dataOf(await b.ask('notification:mark_all_read', {}))).toEqual({ count: 0 });
  expect(await tab.next('notification:read')).toEqual([{ notificationId: null, readAt: expect.any(String) }]);
  expect(dataOf(await b.ask('notification:get_unread_count'))).toEqual({ count: 0 });
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, tab] }, 'notification:read')).toEqual([]);
  expect(dataOf(await a.ask('notification:list', {})).notifications).toEqual([]);
});

test('reading a chat marks its notifications read, and no others', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const a = await open(environment, ann);
  const chatId = await addChat(environment, [ann, bob]);
  await say(a, chatId, 'one');
  await say(a, await addChat(environment, [ann, bob], { type: 'group' }), 'elsewhere');
  const b = await open(environment, bob);
  await b.ask('chat:mark_read', { chatId });
  expect(await b.next('notification:unread_count')).toEqual([{ count: 1 }]);
  const { notifications } = dataOf(await b.ask('notification:list', { unreadOnly: true }));
  expect(notifications.map(({ message }: { message: string }) => message)).toEqual(['elsewhere']);
});

test('deleting a message deletes its notifications', async () => {
  const { bob, a, b, chatId } = await talk(environment);
  await b.ask('chat:leave', { chatId });
  const { _id: messageId } = await say(a, chatId, 'regret');
  await say(a, chatId, 'stays');
  for (const count of [1, 2]) expect(await b.next('notification:unread_count')).toEqual([{ count }]);
  await a.ask('chat:delete_message', { messageId });
  expect(await b.next('notification:unread_count')).toEqual([{ count: 1 }]);
  const { notifications } = dataOf(await b.ask('notification:list', {}));
  expect(notifications.map(({ message }: { message: string }) => message)).toEqual(['stays']);
  expect(await environment.models.Notification.countDocuments({ recipient: bob.id })).toBe(1);
});

test('only members receive joins and leaves of their group', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob'], inGroup('single'));
  const [eve] = await members(environment, ['Eve'], inGroup('healing'));
  const [a, b, e] = [await open(environment, ann), await open(environment, bob), await open(environment, eve)];
  const group = { groupType: 'single' };
  expect(await a.ask('group:join', group)).toEqual({ success: true });
  const told = { ...group, userId: ann.id, userName: 'Ann Doe', timestamp: expect.any(String) };
  expect(await b.next('group:user_joined')).toEqual([told]);
  await b.ask('group:leave', group);
  expect((await a.next('group:user_left'))[0]).toMatchObject({ userId: bob.id });
  await a.ask('group:leave', group);
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, 'group:user_left')).toEqual([]);
  await b.ask('group:join', group);

  for (const event of ['group:join', 'group:leave', 'group:get_online']) {
    expect(await e.ask(event, group), event).toMatchObject({ error: 'Group not found or access denied' });
    expect(await e.ask(event, { groupType: 'admins' }), event).toMatchObject({ code: 'VALIDATION_ERROR' });
  }
  expect(await cameTo(environment, { speaker: [ann, a], listener: [eve, e] }, 'group:user_joined')).toEqual([]);

  // A connect does not wait until it is stored.
  const seen = { _id: { $in: [ann.id, bob.id] }, lastSeen: { $exists: true } };
  await until(async () => (await environment.models.User.countDocuments(seen)) === 2);
  const { users } = dataOf(await a.ask('group:get_online', group));
  const ids = users.map(({ userId }: { userId: string }) => userId);
  expect(ids.sort()).toEqual([ann.id, bob.id].sort());
  expect(users[0]).toEqual({
    userId: expect.any(String),
    userName: expect.any(String),
    status: 'online',
    lastSeen: expect.any(String),
  });
  expect(dataOf(await a.ask('group:get_online', { ...group, limit: 1 })).users).toHaveLength(1);

  await environment.models.User.updateOne({ _id: bob.id }, { joinedGroups: [] });
  expect(await b.ask('group:join', group)).toMatchObject({ code: 'NOT_FOUND' });
  await a.ask('group:join', group);
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, 'group:user_joined')).toEqual([]);
});

test('a status is stored and sent to users who share a chat or a group, to no others and to no blocked ones', async () => {
  const { ann, bob, eve, a, b } = await talk(environment);
  const [mate, foe] = await members(environment, ['Mate', 'Foe'], inGroup('motherhood'));
  await environment.models.User.updateOne({ _id: ann.id }, inGroup('motherhood'));
  const again = await open(environment, ann);
  const [m, e, f] = [await open(environment, mate), await open(environment, eve), await open(environment, foe)];
  await addChat(environment, [ann, foe]);
  await environment.models.User.updateOne({ _id: foe.id }, { joinedGroups: [] });
  await f.ask('group:join', { groupType: 'motherhood' });
  await environment.models.User.updateOne({ _id: ann.id }, { blockedUsers: [foe.id] });
  clock.advance(1);
  const at = new Date(clock.now()).toISOString();
  const status = { userId: ann.id, status: 'busy', lastSeen: at };
  expect(dataOf(await again.ask('presence:update_status', { status: 'busy' }))).toEqual(status);
  for (const client of [b, m]) {
    expect(await client.next('presence:status_changed')).toEqual([{ ...status, timestamp: at }]);
  }
  for (const [member, client] of [[eve, e] as const, [foe, f] as const]) {
    const pair = { speaker: [bob, b], listener: [member, client] } as const;
    expect(await cameTo(environment, pair, 'presence:status_changed')).toEqual([]);
  }
  expect(a.received('presence:status_changed')).toEqual([]);
  expect(await environment.models.User.findById(ann.id).lean()).toMatchObject({ presenceStatus: 'busy' });
  expect(await again.ask('presence:update_status', { status: 'offline' })).toMatchObject({ code: 'VALIDATION_ERROR' });
  expect(dataOf(await m.ask('presence:get_online', { userIds: [ann.id] })).users).toEqual([status]);
});

test('online users are listed only to users who share a chat or group with them', async () => {
  const { ann, bob, eve, a, b, chatId } = await talk(environment);
  await environment.models.User.updateOne({ _id: bob.id }, { presenceStatus: 'away' });
  const e = await open(environment, eve);
  const [mate] = await members(environment, ['Mate'], inGroup('single'));
  await environment.models.User.updateOne({ _id: ann.id }, inGroup('single'));
  const userIds = [bob.id.toUpperCase(), eve.id, mate.id, String(new Types.ObjectId())];
  const answer = dataOf(await a.ask('presence:get_online', { userIds }));
  expect(answer.online).toEqual([bob.id]);
  expect(answer.users.map(({ userId, status }: { userId: string; status: string }) => [userId, status]).sort()).toEqual(
    [
      [bob.id, 'away'],
      [mate.id, 'offline'],
    ].sort(),
  );
  expect(dataOf(await a.ask('presence:get_online', { chatId })).online).toEqual([bob.id]);
  expect(await e.ask('presence:get_online', { chatId })).toMatchObject({ error: 'Chat not found or access denied' });
  expect(dataOf(await e.ask('presence:get_online', { userIds: [ann.id, bob.id] }))).toEqual({ online: [], users: [] });
  const tooMany = { userIds: Array(101).fill(bob.id) };
  expect(await a.ask('presence:get_online', tooMany)).toMatchObject({ code: 'VALIDATION_ERROR' });
  await environment.models.User.updateOne({ _id: bob.id }, { blockedUsers: [ann.id] });
  expect(dataOf(await a.ask('presence:get_online', { chatId })).users).toEqual([]);
  b.close();
});

test('a user within the grace time counts as online in snapshots and events, because no event follows their return', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  await addChat(environment, [ann, bob]);
  const b = await open(environment, bob);
  const arrives = async () => {
    const a = await open(environment, ann);
    await a.next('presence_snapshot');
    return a;
  };
  const leaves = async (a: { close(): void }) => {
    a.close();
    await until(async () => (await connectionsOf(ann)) === 0);
  };
  await leaves(await arrives());
  await b.next('user_online');
  const late = await open(environment, bob);
  expect(await late.next('presence_snapshot')).toEqual([{ online: [ann.id] }]);

  clock.advance(5000);
  await b.next('user_offline');
  // Both within the time in which only the last state is sent.
  await leaves(await arrives());
  clock.advance(1000);
  expect(await b.next('user_online')).toEqual([{ userId: ann.id }]);
  const back = await arrives();
  expect(b.received('user_offline')).toEqual([]);
  for (const client of [b, late, back]) client.close();
});

test('online and offline events reach users who share a chat or group, the latter when the last tab closes', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const [mate] = await members(environment, ['Mate'], inGroup('marriage'));
  await environment.models.User.updateOne({ _id: ann.id }, inGroup('marriage'));
  await addChat(environment, [ann, bob]);
  const [eve] = await members(environment, ['Eve']);
  const [b, m, e] = [await open(environment, bob), await open(environment, mate), await open(environment, eve)];
  const a = await open(environment, ann);
  expect((await a.next('presence_snapshot'))[0]).toEqual({ online: [bob.id] });
  for (const client of [b, m]) expect(await client.next('user_online')).toEqual([{ userId: ann.id }]);
  const tab = await open(environment, ann);
  a.close();
  await until(async () => (await connectionsOf(ann)) === 1);
  clock.advance(5000);
  expect(await cameTo(environment, { speaker: [eve, e], listener: [bob, b] }, 'user_offline', 'user_online')).toEqual(
    [],
  );
  tab.close();
  await until(async () => (await connectionsOf(ann)) === 0);
  clock.advance(5000);
  for (const client of [b, m]) expect(await client.next('user_offline')).toEqual([{ userId: ann.id }]);
  expect(await cameTo(environment, { speaker: [bob, b], listener: [eve, e] }, 'user_offline', 'user_online')).toEqual(
    [],
  );
});

test('users with ids of another format connect elsewhere without an error', async () => {
  const [ann] = await members(environment, ['Ann']);
  const other = await environment.open({ id: 'user-1', accountId: '', name: '' }, { namespace: '/v1/shared' });
  other.close();
  await until(async () => (await connectionsOf({ id: 'user-1', name: '' })) === 0);
  clock.advance(5000);
  const a = await open(environment, ann);
  await a.ask('notification:list', {});
  expect(errors).toEqual([]);
});

test('visitors of the support chat are refused', async () => {
  const { bob, b, chatId } = await talk(environment);
  const claims = { uid: undefined, type: 'visitor', visitor_id: 'v-1', account_id: 'a-1', conversation_ids: [chatId] };
  const visitor = await environment.open({ ...bob, accountId: '' }, { namespace: '/', claims });
  const { _id: messageId } = await say(b, chatId, 'for participants');
  for (const [event, data] of [
    ['chat:join', { chatId }],
    ['chat:send_message', { chatId, content: 'hi' }],
    ['chat:mark_read', { chatId }],
    ['chat:delete_message', { messageId }],
    ['notification:list', {}],
    ['group:join', { groupType: 'single' }],
    ['presence:update_status', { status: 'busy' }],
    ['presence:get_online', { chatId }],
  ] as const) {
    const answer = await visitor.ask(event, data);
    expect([event, answer.success, answer.code]).toEqual([event, false, 'NOT_FOUND']);
  }
  const [gateway] = environment.nodes;
  const token = signToken({ ...claims, scope: undefined });
  for (const path of ['/api/chats', `/api/chats/${chatId}/messages`]) {
    const answer = await gateway?.call('GET', path, undefined, { authorization: `Bearer ${token}` });
    expect([401, 404]).toContain(answer?.status);
  }
  expect(b.received('chat:user_joined')).toEqual([]);
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addConversation, addDepartment, eventsOf, expectNothing, openChat, talk, visitorClaims } from './chat.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock }, env: { PRESENCE_GRACE_MS: '300' } });
});
afterAll(() => environment.close());

test('a conversation does not exist for users outside it, who can neither store nor receive anything', async () => {
  const { eve, ann, a, conversationId } = await talk(environment);
  const message = dataOf(await a.ask('send_message', { conversationId, content: 'secret' }));
  const outsider = await openChat(environment, eve, { node: 1 });
  for (const [event, data] of eventsOf(conversationId, message._id)) {
    expect(await outsider.ask(event, data), event).toMatchObject({
      success: false,
      error: 'Conversation not found or access denied',
      code: 'NOT_FOUND',
    });
  }
  const upload = await outsider.ask('file_upload', Buffer.from('x'), { conversationId, fileName: 'x.txt' });
  expect(upload).toMatchObject({ code: 'NOT_FOUND' });
  expect(dataOf(await outsider.ask('get_conversations', {})).conversations).toEqual([]);
  dataOf(await a.ask('send_message', { conversationId, content: 'still secret' }));
  const heard = ['new_message', 'user_typing', 'user_joined', 'message_edited'];
  expect(await expectNothing(environment, { speaker: a, listener: outsider, users: [ann, eve] }, ...heard)).toEqual([]);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(2);
  for (const event of ['user_joined', 'user_typing', 'message_read', 'message_edited', 'message_deleted']) {
    expect(a.received(event), event).toEqual([]);
  }
});

test("the caller is the token's user, whatever the payload says", async () => {
  const { ann, bob, a, b, conversationId } = await talk(environment);
  const claims = { senderId: bob.id, userId: bob.id, senderName: 'Bob', senderType: 'visitor', _id: conversationId };
  const said = dataOf(await a.ask('send_message', { conversationId, content: 'me', ...claims }));
  expect(said).toMatchObject({ senderId: ann.id, senderName: 'Ann', senderType: 'user' });
  expect(said._id).not.toBe(conversationId);
  await a.ask('typing_start', { conversationId, ...claims });
  expect(await b.next('user_typing')).toEqual([{ userId: ann.id, userName: 'Ann', conversationId }]);
  await a.ask('join_conversation', { conversationId, ...claims });
  expect((await b.next('user_joined'))[0]).toMatchObject({ userId: ann.id, userName: 'Ann' });
});

test('joining is sent to everyone in the conversation, including the caller', async () => {
  const { ann, a, b, conversationId } = await talk(environment);
  expect(await a.ask('join_conversation', { conversationId })).toEqual({ success: true });
  const told = { userId: ann.id, userName: 'Ann', conversationId, timestamp: expect.stringMatching(/Z$/) };
  expect(await a.next('user_joined')).toEqual([told]);
  expect(await b.next('user_joined')).toEqual([told]);
  expect(await a.ask('join_conversation', conversationId)).toEqual({ success: true });
  expect(await b.next('user_joined')).toEqual([told]);
  expect(await a.ask('leave_conversation', { conversationId })).toEqual({ success: true });
  expect(await b.next('user_left')).toEqual([told]);
  // Participants receive it nevertheless.
  dataOf(await b.ask('send_message', { conversationId, content: 'are you there?' }));
  expect((await a.next('new_message'))[0].content).toBe('are you there?');
});

test('a removed participant can neither receive nor act from that moment on, on every node', async () => {
  const { ann, bob, a, b, conversationId } = await talk(environment);
  await b.ask('join_conversation', { conversationId });
  await environment.models.SupportConversation.updateOne({ _id: conversationId }, { $pull: { participants: bob.id } });
  dataOf(await a.ask('send_message', { conversationId, content: 'between us' }));
  await a.ask('typing_start', { conversationId });
  expect(await b.ask('send_message', { conversationId, content: 'hello?' })).toMatchObject({ code: 'NOT_FOUND' });
  const heard = ['new_message', 'user_typing'];
  expect(await expectNothing(environment, { speaker: a, listener: b, users: [ann, bob] }, ...heard)).toEqual([]);
});

test('a locked user is disconnected by their next event, and soon even without one', async () => {
  const { bob, eve, b, conversationId } = await talk(environment);
  const listener = await openChat(environment, eve);
  await environment.models.User.updateMany({ _id: { $in: [bob.id, eve.id] } }, { status: 'blocked' });
  const answer = await b.ask('send_message', { conversationId, content: 'hi' });
  expect(answer).toMatchObject({ code: 'INVALID_TOKEN', error: 'Invalid token or user access denied' });
  await b.closed;
  await clock.advanceUntil(5000, () => listener.socket.disconnected);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(0);
});

test('members of its department can open a conversation, and receive it while it is open', async () => {
  const [ann, agent, other] = await environment.people('Ann', 'Agent', 'Other');
  const departmentId = await addDepartment(environment, agent);
  const conversationId = await addConversation(environment, [ann], { departmentId });
  const a = await openChat(environment, ann);
  const [member, tab, stranger] = [
    await openChat(environment, agent, { node: 1 }),
    await openChat(environment, agent, { node: 1 }),
    await openChat(environment, other, { node: 1 }),
  ];
  expect(await stranger.ask('join_conversation', { conversationId })).toMatchObject({ code: 'NOT_FOUND' });
  expect(await member.ask('join_conversation', { conversationId })).toEqual({ success: true });
  expect((await member.next('user_joined'))[0]).toMatchObject({ userId: agent.id, conversationId });
  const say = async (content: string) => dataOf(await a.ask('send_message', { conversationId, content }));
  await say('help');
  expect((await member.next('new_message'))[0].content).toBe('help');
  expect((await a.next('new_message'))[0].content).toBe('help');
  expect(await expectNothing(environment, { speaker: a, listener: tab, users: [ann, agent] }, 'new_message')).toEqual(
    [],
  );

  await member.ask('leave_conversation', { conversationId });
  await say('not heard');
  expect(
    await expectNothing(environment, { speaker: a, listener: member, users: [ann, agent] }, 'new_message'),
  ).toEqual([]);

  await member.ask('join_conversation', { conversationId });
  await environment.models.Department.updateOne({ _id: departmentId }, { members: [] });
  await say('not for former members');
  expect(
    await expectNothing(environment, { speaker: a, listener: member, users: [ann, agent] }, 'new_message'),
  ).toEqual([]);
  expect(await member.ask('get_messages', { conversationId })).toMatchObject({ code: 'NOT_FOUND' });
});

test('an assignee receives a conversation without participating or joining', async () => {
  const [ann, agent] = await environment.people('Ann', 'Agent');
  const conversationId = await addConversation(environment, [ann], { assignedTo: agent.id });
  const a = await openChat(environment, ann);
  const assigned = await openChat(environment, agent, { node: 1 });
  dataOf(await a.ask('send_message', { conversationId, content: 'hi' }));
  expect((await assigned.next('new_message'))[0].content).toBe('hi');
  const [listed] = dataOf(await assigned.ask('get_conversations', {})).conversations;
  expect(listed).toMatchObject({ _id: conversationId, assignedTo: agent.id, lastMessage: { content: 'hi' } });
});

test('a visitor is in the conversations that both the token and the conversation name, and nowhere else', async () => {
  const [ann] = await environment.people('Ann');
  const visitorId = `visitor-${new Types.ObjectId()}`;
  const own = await addConversation(environment, [ann], { visitorId });
  const unnamed = await addConversation(environment, [ann], { visitorId });
  const foreign = await addConversation(environment, [ann], { visitorId: 'another visitor' });
  const a = await openChat(environment, ann);
  const v: TestClient = await openChat(environment, ann, { node: 1, claims: visitorClaims(visitorId, own, foreign) });
  for (const conversationId of [unnamed, foreign]) {
    for (const event of ['join_conversation', 'get_messages', 'typing_start']) {
      expect(await v.ask(event, { conversationId }), event).toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(await v.ask('send_message', { conversationId, content: 'x' })).toMatchObject({ code: 'NOT_FOUND' });
    dataOf(await a.ask('send_message', { conversationId, content: 'not for the visitor' }));
  }
  dataOf(await a.ask('send_message', { conversationId: own, content: 'Can I help?' }));
  expect((await v.next('new_message'))[0]).toMatchObject({ conversationId: own, content: 'Can I help?' });
  expect(v.received('new_message')).toEqual([]);
  const said = dataOf(await v.ask('send_message', { conversationId: own, content: 'Yes', clientMessageId: '1' }));
  expect(said).toMatchObject({ senderId: visitorId, senderType: 'visitor' });
  await until(() => a.received('new_message').some(([message]) => message._id === said._id));
  expect(await v.next('new_message')).toEqual([said]);
  const users: [string, object][] = [
    ['create_conversation', {}],
    ['get_conversations', {}],
    ['assign_conversation', { conversationId: own, agentId: ann.id }],
    ['claim_conversation', { conversationId: own }],
    ['close_conversation', { conversationId: own }],
  ];
  for (const [event, data] of users) expect(await v.ask(event, data), event).toMatchObject({ code: 'NOT_FOUND' });
});

test('presence events reach only users of the same open conversations and departments', async () => {
  const [ann, bob, agent, stranger] = await environment.people('Ann', 'Bob', 'Agent', 'Stranger');
  await addConversation(environment, [ann, bob]);
  await addConversation(environment, [ann, stranger], { status: 'closed' });
  await addDepartment(environment, ann, agent);
  const watchers = [await openChat(environment, bob, { node: 1 }), await openChat(environment, agent, { node: 1 })];
  const outside = await openChat(environment, stranger, { node: 1 });
  const a = await openChat(environment, ann);
  expect(new Set((await a.next('presence_snapshot'))[0].online)).toEqual(new Set([bob.id, agent.id]));
  for (const watcher of watchers) expect(await watcher.next('user_online')).toEqual([{ userId: ann.id }]);
  const tab = await openChat(environment, ann, { node: 1 });
  a.close();
  // Still there by the other tab.
  dataOf(await tab.ask('get_conversations', {}));
  tab.close();
  await clock.advanceUntil(100, () => watchers.every((watcher) => watcher.received('user_offline').length > 0));
  for (const watcher of watchers) {
    expect(watcher.received('user_offline')).toEqual([[{ userId: ann.id }]]);
    expect(watcher.received('user_online')).toEqual([]);
  }
  for (const event of ['user_online', 'user_offline']) expect(outside.received(event), event).toEqual([]);
});

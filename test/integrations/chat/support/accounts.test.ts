import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { signToken } from '../../../support/gateway.js';
import { addConversation, addDepartment, eventsOf, expectNothing, openChat, visitorClaims } from './chat.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});

afterAll(async () => {
  await environment?.close();
});

const HEARD = ['new_message', 'user_typing', 'user_joined', 'user_left', 'message_edited', 'message_deleted'];
const NOT_FOUND = { success: false, code: 'NOT_FOUND' };

/** A message as another service would have stored it. */
async function addMessage(conversationId: string, sender: TestUser): Promise<string> {
  const message = new environment.models.SupportMessage({
    conversationId,
    senderId: sender.id,
    senderType: 'user',
    senderName: sender.name,
    content: 'stored by another service',
    type: 'text',
    timestamp: new Date(),
  });
  await message.save();
  return String(message._id);
}

const call = (user: TestUser, method: string, path: string, body?: unknown) =>
  (environment.nodes[1] ?? environment.nodes[0])?.call(method, path, body, {
    'x-api-key': '',
    authorization: `Bearer ${signToken({ uid: user.id })}`,
  });

/** The REST calls that would succeed for a user who is in the conversation. */
const routesOf = (conversationId: string, agentId: string): [string, string, unknown?][] => [
  ['GET', `/api/v1/conversations/${conversationId}/messages`],
  ['POST', `/api/v1/conversations/${conversationId}/messages`, { content: 'hi' }],
  ['POST', `/api/v1/conversations/${conversationId}/assign`, { agentId }],
  ['POST', `/api/v1/conversations/${conversationId}/close`],
];

/** Holds when a conversation does not exist for a user, over sockets and REST, and nothing in the database changes. */
async function expectNoAccess(user: TestUser, conversationId: string): Promise<void> {
  const messageId = await addMessage(conversationId, user);
  const state = async () => ({
    conversation: await environment.models.SupportConversation.findById(conversationId).lean(),
    messages: await environment.models.SupportMessage.find({ conversationId }).lean(),
    reads: await environment.models.SupportRead.countDocuments({ conversationId }),
  });
  const before = await state();
  const client = await openChat(environment, user, { node: 1 });
  for (const [event, data] of eventsOf(conversationId, messageId)) {
    expect(await client.ask(event, data), event).toMatchObject(NOT_FOUND);
  }
  const meta = { conversationId, fileName: 'a.txt' };
  expect(await client.ask('file_upload', Buffer.from('text'), meta)).toMatchObject(NOT_FOUND);
  expect(dataOf(await client.ask('get_conversations', {})).conversations).toEqual([]);
  for (const [method, path, body] of routesOf(conversationId, messageId)) {
    expect((await call(user, method, path, body))?.status, path).toBe(404);
  }
  expect((await call(user, 'GET', '/api/v1/conversations'))?.json.data.conversations).toEqual([]);
  client.close();
  expect(await state()).toEqual(before);
}

test.each(['the first', 'the second', 'an unknown user', 'no user'])(
  'a stored conversation between two accounts, created by %s, can be opened by neither',
  async (maker) => {
    const [[ann], [eve]] = await Promise.all([environment.people('Ann'), environment.people('Eve')]);
    const [friend] = await environment.people('Friend');
    const makers: Record<string, unknown> = { 'the first': ann.id, 'the second': eve.id, 'no user': null };
    const createdBy = maker in makers ? makers[maker] : new Types.ObjectId();
    const conversationId = await addConversation(environment, [ann, eve], { createdBy });
    const a = await openChat(environment, ann);
    const f = await openChat(environment, friend);
    await expectNoAccess(eve, conversationId);
    await expectNoAccess(ann, conversationId);
    const heard = [...HEARD, 'user_online', 'user_offline'];
    expect(await expectNothing(environment, { speaker: f, listener: f, users: [friend] }, ...heard)).toEqual([]);
    expect((await a.next('presence_snapshot'))[0].online).toEqual([]);
    for (const event of heard) expect(a.received(event), event).toEqual([]);
  },
);

test('a participant of another account can neither act nor receive in a stored conversation', async () => {
  const [[ann, bob], [eve]] = await Promise.all([environment.people('Ann', 'Bob'), environment.people('Eve')]);
  const [friend] = await environment.people('Friend');
  const conversationId = await addConversation(environment, [ann, eve, bob]);
  const e = await openChat(environment, eve, { node: 1 });
  const b = await openChat(environment, bob, { node: 1 });
  expect((await e.next('presence_snapshot'))[0].online).toEqual([]);
  const a = await openChat(environment, ann);
  expect((await a.next('presence_snapshot'))[0].online).toEqual([bob.id]);
  const said = dataOf(await a.ask('send_message', { conversationId, content: 'for our account' }));
  expect((await b.next('new_message'))[0].content).toBe('for our account');
  const meta = { conversationId, fileName: 'a.txt', mimeType: 'text/plain' };
  const { fileUrl } = dataOf(await a.ask('file_upload', Buffer.from('text'), meta));
  await a.ask('typing_start', { conversationId });
  await a.ask('join_conversation', { conversationId });
  await a.ask('mark_as_read', { conversationId, messageId: said._id });
  expect((await call(bob, 'GET', fileUrl))?.status).toBe(200);
  expect((await call(eve, 'GET', fileUrl))?.status).toBe(404);
  expect(await a.ask('assign_conversation', { conversationId, agentId: eve.id })).toMatchObject({ success: false });
  await expectNoAccess(eve, conversationId);
  const f = await openChat(environment, friend);
  expect(await expectNothing(environment, { speaker: f, listener: f, users: [friend] })).toEqual([]);
  expect(dataOf(await b.ask('get_messages', { conversationId })).messages).not.toHaveLength(0);
  for (const event of [...HEARD, 'message_read', 'user_online']) expect(e.received(event), event).toEqual([]);
  for (const event of ['user_typing', 'user_left']) {
    expect(b.received(event).filter(([{ userId }]) => userId === eve.id)).toEqual([]);
  }
});

test('a department allows its members and users of other accounts in one conversation while it exists', async () => {
  const [[agent], [customer]] = await Promise.all([environment.people('Agent'), environment.people('Customer')]);
  const departmentId = await addDepartment(environment, agent);
  const conversationId = await addConversation(environment, [customer, agent], { departmentId });
  const c = await openChat(environment, customer);
  const a = await openChat(environment, agent, { node: 1 });
  expect((await a.next('presence_snapshot'))[0].online).toEqual([customer.id]);
  dataOf(await c.ask('send_message', { conversationId, content: 'help' }));
  expect((await a.next('new_message'))[0].content).toBe('help');
  dataOf(await a.ask('claim_conversation', { conversationId }));
  await environment.models.Department.deleteOne({ _id: departmentId });
  for (const client of [a, c]) {
    expect(await client.ask('send_message', { conversationId, content: 'still?' })).toMatchObject(NOT_FOUND);
  }
});

test('a visitor reaches the account that the conversation is of', async () => {
  const [[ann], [eve], [friend]] = await Promise.all([
    environment.people('Ann'),
    environment.people('Eve'),
    environment.people('Fay'),
  ]);
  const conversationId = await addConversation(environment, [ann, eve], { visitorId: 'v-1' });
  const claims = visitorClaims('v-1', conversationId);
  const [a, e, f] = [
    await openChat(environment, ann),
    await openChat(environment, eve, { node: 1 }),
    await openChat(environment, friend, { node: 1 }),
  ];
  const v = await openChat(environment, ann, { claims, node: 1 });
  dataOf(await v.ask('send_message', { conversationId, content: 'from outside' }));
  expect((await a.next('new_message'))[0].content).toBe('from outside');
  dataOf(await a.ask('send_message', { conversationId, content: 'welcome' }));
  expect(await e.ask('get_messages', { conversationId })).toMatchObject(NOT_FOUND);
  const barrier = { speaker: f, listener: e, users: [friend, eve] };
  expect(await expectNothing(environment, barrier, 'new_message')).toEqual([]);
});

test('a list continues after conversations that the user cannot open', async () => {
  const [[ann, bob], [eve]] = await Promise.all([environment.people('Ann', 'Bob'), environment.people('Eve')]);
  const first = await addConversation(environment, [ann, bob]);
  for (let count = 0; count < 5; count += 1) await addConversation(environment, [eve, ann]);
  const last = await addConversation(environment, [ann, bob]);
  const a = await openChat(environment, ann);
  const page = async (before?: string) => {
    const { conversations, hasMore } = dataOf(await a.ask('get_conversations', { limit: 1, before }));
    return [conversations.map(({ _id }: { _id: string }) => _id), hasMore];
  };
  expect(await page()).toEqual([[last], true]);
  expect(await page(last)).toEqual([[first], false]);
});

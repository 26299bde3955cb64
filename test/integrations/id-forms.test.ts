import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../support/environment.js';
import { addChat } from './chat/community/community.js';
import { addConversation } from './chat/support/chat.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** A client whose token has the ids of its user and account in upper case. */
const openUpper = ({ id, accountId }: TestUser, namespace: string): Promise<TestClient> =>
  environment.open({ id: id.toUpperCase(), accountId: accountId.toUpperCase(), name: '' }, { namespace });

const call = (method: string, path: string, body?: unknown) => environment.node(0).call(method, path, body);

test('a user whose token has ids in upper case gets what is sent to the user and to the account', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const b = await openUpper(bob, '/v1/shared');
  const chat = await openUpper(bob, '/');
  for (const id of [bob.id, bob.id.toUpperCase()]) {
    expect(dataOf((await call('POST', `/emit/${id}/news`, {})).json).sockets).toBe(1);
    expect(dataOf((await call('GET', `/users/${id}/presence`)).json)).toMatchObject({ connections: 2 });
  }
  for (const id of [bob.accountId, bob.accountId.toUpperCase()]) {
    expect(dataOf((await call('POST', `/broadcast/news?account=${id}`, {})).json).sockets).toBe(1);
  }
  expect(dataOf((await call('POST', `/emit/${bob.id.toUpperCase()}/kept?durable=true`, {})).json).state).toBe('sent');
  expect(await b.next('kept')).toEqual([{}, expect.any(Function)]);
  for (const id of [bob.id, bob.id.toUpperCase()]) {
    expect(dataOf((await call('GET', `/users/${id}/deliveries`)).json).messages).toHaveLength(1);
  }

  const conversationId = await addConversation(environment, [ann, bob]);
  const a = await environment.open(ann, { namespace: '/' });
  dataOf(await a.ask('send_message', { conversationId, content: 'hi' }));
  expect(await chat.next('new_message')).toMatchObject([{ content: 'hi' }]);
});

test('a blocked user whose token has the id in upper case does not get the status of the blocker', async () => {
  const [ann, bob, eve] = await environment.people('Ann', 'Bob', 'Eve');
  await environment.models.User.updateOne({ _id: ann.id }, { blockedUsers: [bob.id] });
  const [a, b, e] = [
    await environment.open(ann),
    await openUpper(bob, '/v1/conversation'),
    await environment.open(eve),
  ];
  dataOf({ data: null, ...(await a.ask('active_status', { status: 'active' })) });
  expect(await e.next('active_status')).toMatchObject([{ userID: ann.id }]);
  await call('POST', `/broadcast/barrier?account=${ann.accountId}&namespace=/v1/conversation`, {});
  await b.next('barrier');
  expect(b.received('active_status')).toEqual([]);
});

test('the revocation and the disconnection of a user concern every form of the id', async () => {
  const [ann] = await environment.people('Ann');
  const clients = [await openUpper(ann, '/v1/shared'), await environment.open(ann)];
  await call('POST', `/users/${ann.id}/disconnect`, {});
  for (const client of clients) {
    expect(await client.next('disconnected')).toEqual([{ reason: null }]);
    await client.closed;
  }
});

test('ids that an event names in upper case come to others as they are stored', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [a, b] = [await environment.open(ann), await environment.open(bob)];
  const { conversation } = dataOf(await a.ask('add_conversation', { users: [bob.id.toUpperCase()], channel_id: 'x' }));
  const contact = await environment.models.Contact.create({ account: ann.accountId, name: 'Carla' });
  await a.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'x', users: [bob.id] });
  const [prospect] = await b.next('prospect_add_conversation');
  const upper = { conversation_id: conversation._id.toUpperCase() };
  const said = dataOf(await a.ask('message', { ...upper, data: 'hi', mentions: [bob.id.toUpperCase()] })).message;
  dataOf({ data: null, ...(await b.ask('read', { ...upper, message_id: said._id.toUpperCase() })) });
  expect((await a.next('read'))[0]).toMatchObject({ conversation_id: conversation._id, message_id: said._id });
  dataOf({ data: null, ...(await a.ask('typing', upper)) });
  for (const event of ['message', 'typing']) {
    expect((await b.next(event))[0], event).toMatchObject({ conversation_id: conversation._id });
  }
  const listed = dataOf(await b.ask('list_message', { ...upper, before: said._id.toUpperCase() }));
  expect(listed.messageList).toEqual([]);
  const around = dataOf(await b.ask('list_message_by_id', { ...upper, message_id: said._id.toUpperCase() }));
  expect([said, ...around.messageList].map((one) => one.conversation_id)).toEqual(Array(2).fill(conversation._id));
  dataOf(await a.ask('prospect_add_note', { conversation_id: prospect._id.toUpperCase(), data: 'note' }));
  expect((await b.next('prospect_message'))[0]).toMatchObject({ conversation_id: prospect._id });

  const chatId = await addChat(environment, [ann, bob]);
  const conversationId = await addConversation(environment, [ann, bob]);
  const [c, d] = [await environment.open(ann, { namespace: '/' }), await environment.open(bob, { namespace: '/' })];
  await c.ask('chat:typing_start', { chatId: chatId.toUpperCase() });
  expect((await d.next('chat:user_typing'))[0]).toMatchObject({ chatId });
  await c.ask('chat:typing_stop', { chatId: chatId.toUpperCase() });
  expect((await d.next('chat:user_stopped_typing'))[0]).toMatchObject({ chatId });
  const message = dataOf(await c.ask('chat:send_message', { chatId: chatId.toUpperCase(), content: 'hi' }));
  dataOf({ data: null, ...(await c.ask('chat:delete_message', { messageId: message._id.toUpperCase() })) });
  expect((await d.next('chat:message_deleted'))[0]).toMatchObject({ chatId, messageId: message._id });
  const place = { conversationId: conversationId.toUpperCase() };
  const { _id } = dataOf(await c.ask('send_message', { ...place, content: 'hi' }));
  await c.ask('typing_start', place);
  expect((await d.next('user_typing'))[0]).toMatchObject({ conversationId });
  dataOf({ data: null, ...(await c.ask('delete_message', { ...place, messageId: _id.toUpperCase() })) });
  expect((await d.next('message_deleted'))[0]).toMatchObject({ conversationId, messageId: _id });
});

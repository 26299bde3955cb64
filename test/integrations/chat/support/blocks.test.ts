import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { signToken } from '../../../support/gateway.js';
import { addConversation, addDepartment, expectNothing, openChat, openDepartment } from './chat.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock: createTestClock() } });
});

afterAll(async () => {
  await environment?.close();
});

const block = (one: TestUser, other: TestUser) =>
  environment.models.User.updateOne({ _id: one.id }, { $push: { blockedUsers: other.id } });

/** As another service may store it. */
const blockAsText = (one: TestUser, other: TestUser) =>
  environment.models.User.collection.updateOne(
    { _id: new Types.ObjectId(one.id) },
    { $set: { blockedUsers: [other.id] } },
  );

const strangers = async (): Promise<[TestUser, TestUser]> => {
  const [[ann], [bob]] = await Promise.all([environment.people('Ann'), environment.people('Bob')]);
  return [ann, bob];
};

const post = async (user: TestUser, path: string, body: unknown) => {
  const response = await fetch(`${environment.nodes[1]?.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${signToken({ uid: user.id })}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: await response.json() };
};

test('a user of another account can neither start a conversation, by socket or REST, nor receive one', async () => {
  const [ann, eve] = await strangers();
  const [friend] = await environment.people('Friend');
  const e = await openChat(environment, eve, { node: 1 });
  const asked = await e.ask('create_conversation', { participants: [ann.id] });
  expect(asked).toMatchObject({ success: false, code: 'NOT_FOUND' });
  expect((await post(eve, '/api/v1/conversations', { participants: [ann.id] })).status).toBe(404);
  expect((await post(eve, '/api/chats/direct', { participantId: ann.id })).status).toBe(404);
  expect(await environment.models.SupportConversation.countDocuments({ participants: ann.id })).toBe(0);
  const f = await openChat(environment, friend);
  const a = await openChat(environment, ann);
  const users = [friend, eve];
  expect(await expectNothing(environment, { speaker: f, listener: e, users }, 'user_online')).toEqual([]);
  a.close();
});

test('users of one account can start conversations, and so can users without an account among themselves', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [[cid], [dan]] = await Promise.all([environment.people('Cid'), environment.people('Dan')]);
  await environment.models.User.updateMany({ _id: { $in: [cid.id, dan.id] } }, { $unset: { account: 1 } });
  for (const [one, other] of [
    [ann, bob],
    [cid, dan],
  ] as const) {
    const client = await openChat(environment, one);
    dataOf(await client.ask('create_conversation', { participants: [other.id] }));
    expect((await post(one, '/api/chats/direct', { participantId: other.id })).status).toBeLessThan(300);
  }
});

test('a department brings its members and users of any account together, and no others', async () => {
  const [[agent], [customer], [third]] = await Promise.all([
    environment.people('Agent'),
    environment.people('Customer'),
    environment.people('Third'),
  ]);
  const departmentId = await addDepartment(environment, agent);
  const [a, c] = [await openChat(environment, agent), await openChat(environment, customer, { node: 1 })];
  dataOf(await c.ask('create_conversation', { participants: [agent.id], departmentId }));
  dataOf(await a.ask('create_conversation', { participants: [customer.id], departmentId }));
  dataOf(await c.ask('create_conversation', { departmentId }));
  expect(await c.ask('create_conversation', { participants: [third.id], departmentId })).toMatchObject({
    code: 'NOT_FOUND',
  });
});

test.each(['the sender', 'the recipient'])('a block by %s stops messages between two users', async (by) => {
  const [ann, eve] = await environment.people('Ann', 'Eve');
  const [friend] = await environment.people('Friend');
  const conversationId = await addConversation(environment, [ann, eve]);
  const [a, e, f] = [
    await openChat(environment, ann),
    await openChat(environment, eve, { node: 1 }),
    await openChat(environment, friend),
  ];
  const { _id: messageId } = dataOf(await e.ask('send_message', { conversationId, content: 'before' }));
  expect((await a.next('new_message'))[0]).toMatchObject({ content: 'before' });
  await (by === 'the sender' ? block(eve, ann) : blockAsText(ann, eve));
  const refused = { success: false, code: 'FORBIDDEN' };
  expect(await e.ask('send_message', { conversationId, content: 'after' })).toMatchObject(refused);
  expect(await e.ask('edit_message', { conversationId, messageId, content: 'after' })).toMatchObject(refused);
  expect(await e.ask('typing_start', { conversationId })).toMatchObject(refused);
  expect(await e.ask('create_conversation', { participants: [ann.id] })).toMatchObject(refused);
  const meta = { conversationId, fileName: 'a.txt', mimeType: 'text/plain' };
  expect(await e.ask('file_upload', Buffer.from('text'), meta)).toMatchObject(refused);
  const sent = await post(eve, `/api/v1/conversations/${conversationId}/messages`, { content: 'after' });
  expect(sent.status).toBe(403);
  await e.ask('join_conversation', { conversationId });
  e.close();
  const heard = ['new_message', 'message_edited', 'user_typing', 'user_joined', 'user_offline'];
  expect(await expectNothing(environment, { speaker: f, listener: a, users: [friend, ann] }, ...heard)).toEqual([]);
});

test('an agent with a block is told in the department of what others do, but not of what the other does', async () => {
  const [ann, joe, kim] = await environment.people('Ann', 'Joe', 'Kim');
  const departmentId = await addDepartment(environment, joe, kim);
  await block(ann, kim);
  const desk = await openDepartment(environment, kim, { departmentId });
  const [a, j] = [await openChat(environment, ann, { node: 1 }), await openChat(environment, joe, { node: 1 })];
  const { _id: conversationId } = dataOf(await a.ask('create_conversation', { departmentId, subject: 'of Ann' }));
  dataOf(await j.ask('claim_conversation', { conversationId }));
  expect((await desk.next('conversation_assigned'))[0]).toMatchObject({ conversationId, assignedBy: joe.id });
  dataOf(await a.ask('close_conversation', { conversationId }));
  const { _id: ofJoe } = dataOf(await j.ask('create_conversation', { departmentId }));
  dataOf(await j.ask('close_conversation', { conversationId: ofJoe }));
  expect((await desk.next('new_conversation'))[0]).toMatchObject({ _id: ofJoe });
  expect((await desk.next('conversation_closed'))[0]).toMatchObject({ conversationId: ofJoe });
});

test('a block hides the presence of both users, in snapshots and events', async () => {
  const [ann, eve, friend] = await environment.people('Ann', 'Eve', 'Friend');
  await addConversation(environment, [ann, eve, friend]);
  await block(ann, eve);
  const f = await openChat(environment, friend);
  const e = await openChat(environment, eve, { node: 1 });
  expect((await e.next('presence_snapshot'))[0].online).toEqual([friend.id]);
  const a = await openChat(environment, ann);
  expect((await a.next('presence_snapshot'))[0].online).toEqual([friend.id]);
  expect(await f.next('user_online')).toBeDefined();
  expect(await expectNothing(environment, { speaker: f, listener: e, users: [friend, eve] })).toEqual([]);
  expect(e.received('user_online').filter(([{ userId }]) => userId === ann.id)).toEqual([]);
});

test("in a larger conversation users with a block receive the others' messages, but not each other's", async () => {
  const [ann, eve, friend] = await environment.people('Ann', 'Eve', 'Friend');
  const conversationId = await addConversation(environment, [ann, eve, friend]);
  await block(ann, eve);
  const [a, e, f] = [
    await openChat(environment, ann),
    await openChat(environment, eve, { node: 1 }),
    await openChat(environment, friend),
  ];
  dataOf(await e.ask('send_message', { conversationId, content: 'of Eve' }));
  expect((await f.next('new_message'))[0]).toMatchObject({ content: 'of Eve' });
  dataOf(await f.ask('send_message', { conversationId, content: 'of Friend' }));
  expect((await a.next('new_message'))[0]).toMatchObject({ content: 'of Friend' });
  const [ofEve, ofFriend] = dataOf(await f.ask('get_messages', { conversationId })).messages;
  await e.ask('mark_as_read', { conversationId, messageId: ofFriend._id });
  await f.ask('mark_as_read', { conversationId, messageId: ofEve._id });
  expect((await a.next('message_read'))[0]).toMatchObject({ readBy: friend.id });
  const readers = async (client: TestClient) =>
    dataOf(await client.ask('get_messages', { conversationId }))
      .reads.map(({ readBy }: { readBy: string }) => readBy)
      .sort();
  expect(await readers(a)).toEqual([friend.id]);
  expect(await readers(f)).toEqual([eve.id, friend.id].sort());
  // A third person does not bring them together anew.
  const asked = await f.ask('create_conversation', { participants: [ann.id, eve.id] });
  expect(asked).toMatchObject({ success: false, code: 'FORBIDDEN' });
});

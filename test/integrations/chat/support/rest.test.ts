import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { signToken } from '../../../support/gateway.js';
import { addConversation, addDepartment, openChat, openDepartment, talk, visitorClaims } from './chat.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

/** A call by a user, to a node. */
async function call(
  claims: TestUser | Record<string, unknown> | undefined,
  method: string,
  path: string,
  body?: unknown,
) {
  const [node] = environment.nodes;
  if (node === undefined) throw new Error('there is no node');
  const payload = claims !== undefined && 'accountId' in claims ? { uid: claims['id'] } : claims;
  const authorization = payload === undefined ? {} : { authorization: `Bearer ${signToken(payload)}` };
  return node.call(method, `/api/v1${path}`, body, { ...authorization, 'x-api-key': '' });
}

test('a message by REST is the same message: stored, sent to everybody, limited, idempotent', async () => {
  const { ann, bob, a, b, conversationId } = await talk(environment);
  const body = { content: 'by REST', clientMessageId: 'r-1' };
  const sent = await call(ann, 'POST', `/conversations/${conversationId}/messages`, body);
  expect(sent.status).toBe(201);
  expect(sent.json).toEqual({
    success: true,
    message: 'SUCCESS',
    data: expect.objectContaining({ content: 'by REST' }),
  });
  for (const client of [a, b]) expect(await client.next('new_message')).toEqual([sent.json.data]);
  const again = await call(ann, 'POST', `/conversations/${conversationId}/messages`, body);
  expect(again.json.data).toEqual(sent.json.data);
  const overSocket = await a.ask('send_message', { conversationId, ...body });
  expect(dataOf(overSocket)).toEqual(sent.json.data);
  const listed = await call(bob, 'GET', `/conversations/${conversationId}/messages?limit=1`);
  expect(listed.json.data).toEqual({ messages: [sent.json.data], hasMore: false, reads: [] });
  expect(dataOf(await b.ask('get_messages', { conversationId, limit: 1 }))).toEqual(listed.json.data);
  // Retries do not count.
  for (let n = 1; n < 50; n += 1) dataOf(await a.ask('send_message', { conversationId, content: String(n) }));
  const over = await call(ann, 'POST', `/conversations/${conversationId}/messages`, { content: 'too much' });
  expect([over.status, over.json]).toEqual([
    429,
    {
      success: false,
      message: 'Rate limit exceeded',
      code: 'RATE_LIMITED',
      limit: 50,
      windowMs: 60_000,
      retryAfterMs: expect.any(Number),
    },
  ]);
});

test('a conversation is made, listed, assigned and closed by REST as over sockets', async () => {
  const [ann, bob, joe] = await environment.people('Ann', 'Bob', 'Joe');
  const departmentId = await addDepartment(environment, joe);
  const desk = await openDepartment(environment, joe, { departmentId, node: 1 });
  const b = await openChat(environment, bob, { node: 1 });
  const made = await call(ann, 'POST', '/conversations', { participants: [bob.id], departmentId, subject: 'Hello' });
  expect(made.status).toBe(201);
  const conversation = made.json.data;
  expect(conversation).toMatchObject({ subject: 'Hello', createdBy: ann.id });
  expect(new Set(conversation.participants)).toEqual(new Set([ann.id, bob.id]));
  expect(await b.next('new_conversation')).toEqual([conversation]);
  expect(await desk.next('new_conversation')).toEqual([conversation]);
  expect((await call(ann, 'GET', '/conversations')).json.data).toEqual({
    conversations: [conversation],
    hasMore: false,
  });
  expect((await call(joe, 'GET', `/conversations?departmentId=${departmentId}`)).json.data.conversations).toHaveLength(
    1,
  );
  const assigned = await call(joe, 'POST', `/conversations/${conversation._id}/assign`, { agentId: joe.id });
  expect([assigned.status, assigned.json.data.assignedTo]).toEqual([200, joe.id]);
  expect((await b.next('conversation_assigned'))[0].assignedTo).toBe(joe.id);
  const closed = await call(bob, 'POST', `/conversations/${conversation._id}/close`);
  expect([closed.status, closed.json.data.status]).toEqual([200, 'closed']);
  const departments = await call(joe, 'GET', '/departments');
  expect(departments.json.data.departments).toContainEqual({ _id: departmentId, name: 'Sales', isMember: true });
  expect((await call(ann, 'GET', '/departments')).json.data.departments).toContainEqual({
    _id: departmentId,
    name: 'Sales',
    isMember: false,
  });
});

test('REST knows the same callers and the same secrets', async () => {
  const { eve, ann, conversationId } = await talk(environment);
  const path = `/conversations/${conversationId}/messages`;
  const denied = { success: false, message: 'Conversation not found or access denied', code: 'NOT_FOUND' };
  expect((await call(eve, 'GET', path)).json).toEqual(denied);
  expect((await call(eve, 'POST', path, { content: 'x' })).json).toEqual(denied);
  expect((await call(eve, 'POST', `/conversations/${conversationId}/close`)).status).toBe(404);
  expect((await call(eve, 'POST', `/conversations/${conversationId}/assign`, { agentId: eve.id })).status).toBe(404);
  expect(await call(undefined, 'GET', path)).toMatchObject({
    status: 401,
    json: { success: false, message: 'Authentication token required', code: 'INVALID_TOKEN' },
  });
  expect((await call({ uid: '0'.repeat(24) }, 'GET', path)).json.message).toBe('Invalid token or user access denied');
  for (const query of ['limit=0', 'limit=101', 'limit=x', 'before=x', 'limit=1&limit=2']) {
    expect((await call(ann, 'GET', `${path}?${query}`)).json, query).toMatchObject({ code: 'VALIDATION_ERROR' });
  }
  expect((await call(ann, 'GET', '/conversations/x/messages')).json.code).toBe('VALIDATION_ERROR');
  expect((await call(ann, 'POST', path, { content: '' })).json.code).toBe('VALIDATION_ERROR');
  await environment.models.User.updateOne({ _id: ann.id }, { isActive: false });
  expect((await call(ann, 'GET', path)).status).toBe(401);
});

test('a visitor reads and writes their own conversation by REST', async () => {
  const [ann] = await environment.people('Ann');
  const own = await addConversation(environment, [ann], { visitorId: 'v-1' });
  const claims = visitorClaims('v-1', own);
  expect((await call(claims, 'POST', `/conversations/${own}/messages`, { content: 'hi' })).status).toBe(201);
  const { messages } = (await call(claims, 'GET', `/conversations/${own}/messages`)).json.data;
  expect(messages).toMatchObject([{ senderId: 'v-1', senderType: 'visitor', content: 'hi' }]);
  expect((await call(claims, 'GET', '/conversations')).status).toBe(404);
});

test('unknown users and departments cannot be added to a conversation', async () => {
  const [ann] = await environment.people('Ann');
  for (const body of [{ participants: ['0'.repeat(24)] }, { departmentId: '0'.repeat(24) }]) {
    expect((await call(ann, 'POST', '/conversations', body)).status).toBe(404);
  }
  expect((await call(ann, 'GET', '/conversations')).json.data.conversations).toEqual([]);
});

test('what a user does by REST counts as what they do over sockets', async () => {
  const [ann] = await environment.people('Ann');
  const a = await openChat(environment, ann);
  for (let n = 0; n < 60; n += 1) dataOf(await a.ask('create_conversation', {}));
  for (let n = 0; n < 60; n += 1) expect((await call(ann, 'POST', '/conversations', {})).status).toBe(201);
  expect((await call(ann, 'POST', '/conversations', {})).json).toMatchObject({ code: 'RATE_LIMITED' });
  expect(await a.ask('create_conversation', {})).toMatchObject({ code: 'RATE_LIMITED' });
});

test.each([
  ['assign', 'assign_conversation', { agentId: 'aaaaaaaaaaaaaaaaaaaaaaaa' }],
  ['close', 'close_conversation', {}],
])('POST /conversations/:id/%s and %s count together', async (path, event, data) => {
  const [ann] = await environment.people('Ann');
  const a = await openChat(environment, ann);
  const conversationId = 'bbbbbbbbbbbbbbbbbbbbbbbb';
  const calls = Array.from({ length: 75 }, () => call(ann, 'POST', `/conversations/${conversationId}/${path}`, data));
  const events = Array.from({ length: 75 }, () => a.ask(event, { conversationId, ...data }));
  const codes = [
    ...(await Promise.all(calls)).map(({ json }) => json.code),
    ...(await Promise.all(events)).map(({ code }) => code),
  ];
  expect(new Set(codes)).toEqual(new Set(['NOT_FOUND']));
  const over = await call(ann, 'POST', `/conversations/${conversationId}/${path}`, data);
  expect([over.status, over.json.code]).toEqual([429, 'RATE_LIMITED']);
  expect(await a.ask(event, { conversationId, ...data })).toMatchObject({ code: 'RATE_LIMITED' });
});

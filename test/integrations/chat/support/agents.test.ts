import { afterAll, beforeAll, expect, test } from 'vitest';
import { refusal } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addConversation, addDepartment, expectNothing, openChat, openDepartment, visitorClaims } from './chat.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock }, env: { PRESENCE_GRACE_MS: '300' } });
});
afterAll(() => environment.close());

/** A customer and a department of two agents. */
async function desk() {
  const [ann, joe, kim, stranger] = await environment.people('Ann', 'Joe', 'Kim', 'Stranger');
  const departmentId = await addDepartment(environment, joe, kim);
  return { ann, joe, kim, stranger, departmentId };
}

test('a department accepts only its members', async () => {
  const { joe, stranger, departmentId } = await desk();
  const [node] = environment.nodes;
  if (node === undefined) throw new Error('there is no node');
  const tryAs = (user: TestUser, id: unknown, options: object = {}) =>
    refusal(node, { namespace: '/department', claims: { uid: user.id }, query: { departmentId: id }, ...options });
  const notMember = {
    message: 'Not a member of this department',
    data: { errno: 403, message: 'FORBIDDEN' },
  };
  expect(await tryAs(stranger, departmentId)).toMatchObject(notMember);
  for (const id of [undefined, '', 'x', '0'.repeat(24), '__proto__'])
    expect(await tryAs(joe, id)).toMatchObject(notMember);
  expect(await tryAs(joe, departmentId, { claims: visitorClaims(joe.id) })).toMatchObject(notMember);
  expect(await tryAs(joe, departmentId, { claims: null })).toMatchObject({
    message: 'Authentication token required',
    data: { errno: 401, message: 'INVALID_TOKEN' },
  });
  expect(await tryAs(joe, departmentId, { claims: null, auth: { token: 'x' } })).toMatchObject({
    message: 'Authentication failed',
  });
  expect((await openDepartment(environment, joe, { departmentId })).socket.connected).toBe(true);
});

test('a conversation that is assigned or closed does not move back in lists when the clock of a node is behind', async () => {
  const { ann, joe, departmentId } = await desk();
  const updatedAt = new Date(clock.now() + 30_000);
  const conversationId = await addConversation(environment, [ann], { departmentId });
  await environment.models.SupportConversation.updateOne({ _id: conversationId }, { updatedAt }, { timestamps: false });
  const j = await openChat(environment, joe);
  for (const event of ['claim_conversation', 'close_conversation']) {
    expect(dataOf(await j.ask(event, { conversationId }))).toMatchObject({ updatedAt: updatedAt.toISOString() });
  }
});

test('agents receive new conversations and assignments, on every node', async () => {
  const { ann, joe, kim, departmentId } = await desk();
  const desks = [
    await openDepartment(environment, joe, { departmentId }),
    await openDepartment(environment, kim, { departmentId, node: 1 }),
  ];
  const a = await openChat(environment, ann);
  const conversation = dataOf(
    await a.ask('create_conversation', { departmentId, subject: 'Broken', priority: 'high' }),
  );
  expect(conversation).toMatchObject({
    participants: [ann.id],
    departmentId,
    subject: 'Broken',
    status: 'open',
    priority: 'high',
    assignedTo: null,
    lastMessage: null,
    createdBy: ann.id,
  });
  expect(await a.next('new_conversation')).toEqual([conversation]);
  for (const agent of desks) expect(await agent.next('new_conversation')).toEqual([conversation]);

  const k = await openChat(environment, kim, { node: 1 });
  const taken = dataOf(await k.ask('claim_conversation', { conversationId: conversation._id }));
  expect(taken).toMatchObject({ _id: conversation._id, assignedTo: kim.id });
  const told = { conversationId: conversation._id, assignedTo: kim.id, assignedBy: kim.id, conversation: taken };
  for (const client of [...desks, a, k]) expect(await client.next('conversation_assigned')).toEqual([told]);

  const given = dataOf(await k.ask('assign_conversation', { conversationId: conversation._id, agentId: joe.id }));
  expect(given.assignedTo).toBe(joe.id);
  expect((await a.next('conversation_assigned'))[0]).toMatchObject({ assignedTo: joe.id, assignedBy: kim.id });
});

test('one of two agents who claim a conversation at once gets it', async () => {
  const { ann, joe, kim, departmentId } = await desk();
  const j = await openChat(environment, joe);
  const k = await openChat(environment, kim, { node: 1 });
  for (let round = 0; round < 10; round += 1) {
    const conversationId = await addConversation(environment, [ann], { departmentId });
    const answers = await Promise.all([j, k].map((agent) => agent.ask('claim_conversation', { conversationId })));
    const codes = answers.map(({ success, code }) => (success ? 'SUCCESS' : code)).sort();
    expect(codes).toEqual(['ALREADY_ASSIGNED', 'SUCCESS']);
    const winner = answers[0].success ? joe.id : kim.id;
    const stored = await environment.models.SupportConversation.findById(conversationId).lean();
    expect(String(stored?.assignedTo)).toBe(winner);
    // The winner may ask again: the answer could have been lost.
    const again = await (winner === joe.id ? j : k).ask('claim_conversation', { conversationId });
    expect(dataOf(again).assignedTo).toBe(winner);
  }
});

test('only agents can assign conversations, and only agents can be assigned', async () => {
  const { ann, joe, stranger, departmentId } = await desk();
  const conversationId = await addConversation(environment, [ann], { departmentId });
  const [a, j] = [await openChat(environment, ann), await openChat(environment, joe)];
  for (const [event, data] of [
    ['claim_conversation', {}],
    ['assign_conversation', { agentId: ann.id }],
  ] as const) {
    expect(await a.ask(event, { conversationId, ...data })).toEqual({
      success: false,
      error: 'Only agents may do this',
      code: 'FORBIDDEN',
    });
  }
  for (const agentId of [ann.id, stranger.id, '0'.repeat(24)]) {
    expect(await j.ask('assign_conversation', { conversationId, agentId })).toMatchObject({ code: 'NOT_FOUND' });
  }
  expect((await environment.models.SupportConversation.findById(conversationId).lean())?.assignedTo).toBeNull();
  // Without a department it is the role that makes an agent.
  await environment.models.User.updateMany({ _id: { $in: [joe.id, stranger.id] } }, { role: 'agent' });
  const plain = await addConversation(environment, [ann, joe]);
  const given = await j.ask('assign_conversation', { conversationId: plain, agentId: stranger.id });
  expect(dataOf(given).assignedTo).toBe(stranger.id);
});

test('a conversation whose department was deleted is assigned as one without a department', async () => {
  const { ann, joe, kim, stranger, departmentId } = await desk();
  await environment.models.User.updateMany({ _id: { $in: [joe.id, kim.id] } }, { role: 'agent' });
  const conversationId = await addConversation(environment, [ann, joe], { departmentId });
  await environment.models.Department.deleteOne({ _id: departmentId });
  const j = await openChat(environment, joe);
  const assign = (agentId: string) => j.ask('assign_conversation', { conversationId, agentId });
  expect(await assign(stranger.id)).toMatchObject({ code: 'NOT_FOUND' });
  expect(dataOf(await assign(kim.id)).assignedTo).toBe(kim.id);
});

test('a closed conversation accepts no messages, and is closed once', async () => {
  const { ann, joe, departmentId } = await desk();
  const conversationId = await addConversation(environment, [ann], { departmentId });
  const [a, j] = [await openChat(environment, ann), await openChat(environment, joe, { node: 1 })];
  const closed = dataOf(await j.ask('close_conversation', { conversationId }));
  expect(closed.status).toBe('closed');
  expect(await a.next('conversation_closed')).toEqual([{ conversationId, closedBy: joe.id, conversation: closed }]);
  expect(dataOf(await a.ask('close_conversation', { conversationId })).status).toBe('closed');
  expect(await a.ask('send_message', { conversationId, content: 'one more thing' })).toEqual({
    success: false,
    error: 'The conversation is closed',
    code: 'CONFLICT',
  });
  expect(await j.ask('claim_conversation', { conversationId })).toMatchObject({ code: 'CONFLICT' });
  expect(await j.ask('assign_conversation', { conversationId, agentId: joe.id })).toMatchObject({ code: 'CONFLICT' });
  expect(dataOf(await a.ask('get_messages', { conversationId })).messages).toEqual([]);
  expect(
    await expectNothing(environment, { speaker: j, listener: a, users: [ann, joe] }, 'conversation_closed'),
  ).toEqual([]);
});

test("agents receive each other's presence, and a removed member is disconnected within seconds", async () => {
  const { joe, kim, departmentId } = await desk();
  const j = await openDepartment(environment, joe, { departmentId });
  expect(await j.next('presence_snapshot')).toEqual([{ online: expect.any(Array) }]);
  await until(async () => {
    const answer = await environment.nodes[1]?.call('GET', `/users/${joe.id}/presence`);
    return answer?.json.data.online === true;
  });
  const k = await openDepartment(environment, kim, { departmentId, node: 1 });
  expect(await j.next('agent_online')).toEqual([{ userId: kim.id, departmentId }]);
  expect((await k.next('presence_snapshot'))[0].online).toContain(joe.id);
  // Joe came on another node, whose report may have been under way when Kim connected.
  expect(k.received('agent_online').map(([{ userId }]) => userId)).not.toContain(kim.id);

  await environment.models.Department.updateOne({ _id: departmentId }, { members: [joe.id] });
  clock.advance(5000);
  expect(await k.closed).toBe('io server disconnect');
  const back = await openDepartment(environment, joe, { departmentId });
  expect(back.socket.connected).toBe(true);

  await environment.models.Department.updateOne({ _id: departmentId }, { members: [joe.id, kim.id] });
  const again = await openDepartment(environment, kim, { departmentId, node: 1 });
  await again.next('presence_snapshot');
  again.close();
  await clock.advanceUntil(100, () => j.received('agent_offline').length > 0);
  expect(await j.next('agent_offline')).toEqual([{ userId: kim.id, departmentId }]);
});

test('lists hold what one is in, the last changed first, by pages', async () => {
  const { ann, joe, stranger, departmentId } = await desk();
  const at = (n: number) => ({ createdAt: new Date(n), updatedAt: new Date(n * 1000) });
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) ids.unshift(await addConversation(environment, [ann], { departmentId, ...at(n) }));
  const [mine, closed] = [
    await addConversation(environment, [joe], { assignedTo: joe.id }),
    await addConversation(environment, [joe], { status: 'closed' }),
  ];
  const [a, j, s] = [
    await openChat(environment, ann),
    await openChat(environment, joe),
    await openChat(environment, stranger),
  ];
  const list = async (client: typeof a, query: object) => {
    const { conversations, hasMore } = dataOf(await client.ask('get_conversations', query));
    return { ids: conversations.map((one: { _id: string }) => one._id), hasMore };
  };
  const ofAnn = await list(a, {});
  expect(new Set(ofAnn.ids)).toEqual(new Set(ids));
  const first = await list(a, { limit: 2 });
  expect(first).toEqual({ ids: ofAnn.ids.slice(0, 2), hasMore: true });
  expect(await list(a, { limit: 3, before: first.ids[1] })).toEqual({ ids: ofAnn.ids.slice(2), hasMore: false });
  expect((await list(j, {})).ids.sort()).toEqual([mine, closed].sort());
  expect((await list(j, { status: 'closed' })).ids).toEqual([closed]);
  expect((await list(j, { departmentId })).ids).toEqual(ofAnn.ids);
  expect((await list(s, {})).ids).toEqual([]);
  for (const client of [a, s]) {
    expect(await client.ask('get_conversations', { departmentId })).toMatchObject({ code: 'NOT_FOUND' });
  }
  expect(await s.ask('get_conversations', { before: mine })).toMatchObject({ code: 'NOT_FOUND' });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addChat, call, cameTo, members, open, say, talk } from './community.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

test('a message sent on one node reaches each socket on the other once, over sockets and REST', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const tab = await open(environment, bob);
  const message = await say(a, chatId, 'across');
  for (const client of [a, b, tab]) {
    expect(await client.next('chat:new_message')).toEqual([{ message, chatId, timestamp: message.createdAt }]);
  }
  const { data } = (await call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, { content: 'REST' }], 1))
    .json;
  for (const client of [a, b, tab]) expect((await client.next('chat:new_message'))[0].message).toEqual(data);
  await b.ask('chat:typing_start', { chatId });
  expect((await a.next('chat:user_typing'))[0]).toEqual({ chatId, userId: bob.id, userName: 'Bob Doe' });
  b.close();
  await a.next('chat:user_stopped_typing');
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, tab] }, 'chat:new_message')).toEqual([]);
});

test('the same clientMessageId on two nodes at once is one message, sent once', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const elsewhere = await open(environment, ann, { node: 1 });
  const draft = { chatId, content: 'once', clientMessageId: 'c-1' };
  const answers = await Promise.all([a, elsewhere, a, elsewhere].map((one) => one.ask('chat:send_message', draft)));
  expect(new Set(answers.map((answer) => dataOf(answer)._id)).size).toBe(1);
  await b.next('chat:new_message');
  const pair = { speaker: [ann, elsewhere], listener: [bob, b] } as const;
  expect(await cameTo(environment, pair, 'chat:new_message')).toEqual([]);
  expect(await environment.models.ChatMessage.countDocuments({ chat: chatId })).toBe(1);
});

test('two nodes create one direct chat of two users, count one limit, and send one read event', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const made = await Promise.all(
    [0, 1, 0, 1].map((node) => {
      const [who, other] = node === 0 ? [ann, bob] : [bob, ann];
      return call(environment, who, ['POST', '/api/chats/direct', { participantId: other.id }], node);
    }),
  );
  const ids = new Set(made.map(({ json }) => json.data._id));
  expect(ids.size).toBe(1);
  const [chatId = ''] = ids;
  const a = await open(environment, ann);
  const b = await open(environment, bob);
  const bElsewhere = await open(environment, bob, { node: 1 });
  const answers = await Promise.all(
    Array.from({ length: 32 }, (_, index) =>
      call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, { content: 'x' }], index % 2),
    ),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(30);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(2);
  await Promise.all([b, bElsewhere, b].map((client) => client.ask('chat:mark_read', { chatId })));
  await a.next('chat:message_read');
  const pair = { speaker: [bob, bElsewhere], listener: [ann, a] } as const;
  expect(await cameTo(environment, pair, 'chat:message_read')).toEqual([]);
});

test('active viewers are known over all nodes: one remaining tab is enough, and a closed tab no longer counts', async () => {
  const { bob, a, b, chatId } = await talk(environment);
  const tab = await open(environment, bob);
  const made = () => environment.models.Notification.countDocuments({ recipient: bob.id });
  await b.ask('chat:leave', { chatId });
  await say(a, chatId, 'seen by the other tab');
  expect(await made()).toBe(0);
  await tab.ask('chat:leave', { chatId });
  await say(a, chatId, 'seen by none');
  expect(await made()).toBe(1);
  for (const client of [b, tab]) {
    expect((await client.next('notification:new'))[0]).toMatchObject({ message: 'seen by none', chatId });
    expect(await client.next('notification:unread_count')).toEqual([{ count: 1 }]);
  }
  await b.ask('chat:join', { chatId });
  await say(a, chatId, 'seen');
  expect(await made()).toBe(1);
  b.close();
  await until(async () => {
    const { json } = (await environment.nodes[0]?.call('GET', `/users/${bob.id}/presence`)) ?? {};
    return json.data.connections === 1;
  });
  await until(async () => {
    await environment.models.Notification.deleteMany({ recipient: bob.id });
    await say(a, chatId, 'hello');
    return (await made()) === 1;
  });
});

test('a removed participant receives nothing more, on either node', async () => {
  const { ann, bob, a, b, chatId } = await talk(environment);
  const here = await open(environment, bob);
  await environment.models.Chat.updateOne({ _id: chatId }, { $pull: { participants: bob.id } });
  await say(a, chatId, 'without you');
  const elsewhere = await open(environment, ann, { node: 1 });
  for (const client of [b, here]) {
    for (const speaker of [a, elsewhere]) {
      const pair = { speaker: [ann, speaker], listener: [bob, client] } as const;
      expect(await cameTo(environment, pair, 'chat:new_message')).toEqual([]);
    }
    expect(await client.ask('chat:send_message', { chatId, content: 'hi' })).toMatchObject({ code: 'NOT_FOUND' });
  }
});

test('concurrent toggles of one reaction on two nodes leave the result of their number', async () => {
  const { bob, a, b, chatId } = await talk(environment);
  const here = await open(environment, bob);
  const { _id: messageId } = await say(a, chatId, 'nice');
  await Promise.all(
    Array.from({ length: 7 }, (_, index) =>
      (index % 2 === 0 ? b : here).ask('chat:add_reaction', { messageId, emoji: '👍' }),
    ),
  );
  expect((await environment.models.ChatMessage.findById(messageId).lean())?.reactions).toHaveLength(1);
});

test('groups, statuses and who is online reach over nodes', async () => {
  const group = { joinedGroups: [{ groupType: 'healing', joinedAt: new Date() }] };
  const [ann, bob] = await members(environment, ['Ann', 'Bob'], group);
  await addChat(environment, [ann, bob]);
  const b = await open(environment, bob, { node: 1 });
  const a = await open(environment, ann);
  expect(await b.next('user_online')).toEqual([{ userId: ann.id }]);
  await a.ask('group:join', { groupType: 'healing' });
  expect((await b.next('group:user_joined'))[0]).toMatchObject({ groupType: 'healing', userId: ann.id });
  await a.ask('presence:update_status', { status: 'away' });
  expect((await b.next('presence:status_changed'))[0]).toMatchObject({ userId: ann.id, status: 'away' });
  expect(dataOf(await b.ask('presence:get_online', { userIds: [ann.id] })).online).toEqual([ann.id]);
  const { users } = dataOf(await a.ask('group:get_online', { groupType: 'healing' }));
  expect(users.map(({ userId }: { userId: string }) => userId)).toEqual(expect.arrayContaining([ann.id, bob.id]));
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { type Crossing, createCrossing } from '../../../support/crossing.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import type { Document } from '../../../support/mongo-proxy.js';
import {
  addChat,
  cameTo,
  members,
  open as openCommunity,
  say,
  talk as talkInCommunity,
} from '../community/community.js';
import { addConversation, openChat, talk as talkInSupport } from '../support/chat.js';

const clock = createTestClock();
let environment: TestEnvironment;
/** Of changes by two nodes. */
let crossing: Crossing;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '', overrides: { clock } });
  crossing = createCrossing(environment.proxy());
});
afterAll(() => environment.close());

/** A command about a collection. */
const isTo =
  (name: string, collection: string) =>
  (command: Document): boolean =>
    command[name] === collection;

const changeOf = (collection: string) => isTo('findAndModify', collection);

/** Moves time until that many events of a kind have come. @returns the last one */
async function lastOf(client: TestClient, event: string, count: number) {
  await clock.advanceUntil(100, () => client.received(event).length >= count);
  return client.received(event).at(-1)?.[0];
}

test('reactions on two nodes at once are all shown in the end', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = await say(a, chatId, 'text');
  const react = (client: TestClient, emoji: string) => () => client.ask('chat:add_reaction', { messageId, emoji });
  await crossing.sentLast(changeOf('community.messages'), react(a, '👍'), react(b, '🎉'));
  for (const client of [a, b]) {
    const { reactions } = await lastOf(client, 'chat:message_reaction', 3);
    expect(reactions).toMatchObject([{ emoji: '👍' }, { emoji: '🎉' }]);
  }
});

test('a community message that is deleted while it is edited does not come back', async () => {
  const { ann, a, b, chatId } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, ann, { node: 1 });
  const { _id: messageId } = await say(a, chatId, 'text');
  await crossing.sentLast(
    changeOf('community.messages'),
    () => a.ask('chat:edit_message', { messageId, content: 'edited' }),
    () => elsewhere.ask('chat:delete_message', { messageId }),
  );
  for (const client of [a, b]) {
    const edited = await lastOf(client, 'chat:message_edited', 2);
    expect(edited).toMatchObject({ content: '', message: { content: '', isDeleted: true } });
  }
});

test('of two edits of a support message on two nodes the stored one is shown in the end', async () => {
  const { ann, a, b, conversationId } = await talkInSupport(environment);
  const elsewhere = await openChat(environment, ann, { node: 1 });
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'text' }));
  const edit = (client: TestClient, content: string) => () =>
    client.ask('edit_message', { conversationId, messageId, content });
  await crossing.sentLast(changeOf('support.messages'), edit(a, 'first'), edit(elsewhere, 'second'));
  for (const client of [a, b]) {
    expect(await lastOf(client, 'message_edited', 3)).toMatchObject({ content: 'second' });
  }
});

test('a support message that is deleted while it is edited does not come back', async () => {
  const { ann, a, b, conversationId } = await talkInSupport(environment);
  const elsewhere = await openChat(environment, ann, { node: 1 });
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'text' }));
  await crossing.sentLast(
    changeOf('support.messages'),
    () => a.ask('edit_message', { conversationId, messageId, content: 'edited' }),
    () => elsewhere.ask('delete_message', { conversationId, messageId }),
  );
  for (const client of [a, b]) {
    expect(await lastOf(client, 'message_edited', 2)).toMatchObject({ content: '', isDeleted: true });
  }
});

test('of two assignments on two nodes the stored one is shown in the end, with the user who made it', async () => {
  const { ann, bob, a, b, conversationId } = await talkInSupport(environment);
  await environment.models.User.updateMany({ _id: { $in: [ann.id, bob.id] } }, { role: 'agent' });
  const assign = (client: TestClient, agentId: string) => () =>
    client.ask('assign_conversation', { conversationId, agentId });
  await crossing.sentLast(changeOf('support.conversations'), assign(a, ann.id), assign(b, bob.id));
  for (const client of [a, b]) {
    const assigned = await lastOf(client, 'conversation_assigned', 3);
    expect(assigned).toMatchObject({ assignedTo: bob.id, assignedBy: bob.id });
  }
});

test('the number of unread notifications is the stored one in the end', async () => {
  const [ann, bob, cid] = await members(environment, ['Ann', 'Bob', 'Cid']);
  const chatId = await addChat(environment, [ann, bob, cid]);
  const a = await openCommunity(environment, ann);
  const b = await openCommunity(environment, bob, { node: 1 });
  const c = await openCommunity(environment, cid, { node: 1 });
  await b.ask('chat:leave', { chatId });
  const send = (client: TestClient) => client.ask('chat:send_message', { chatId, content: 'text' });
  await crossing.sentLast(
    isTo('aggregate', 'community.notifications'),
    () => send(a),
    async () => {
      const answer = await send(c);
      await lastOf(b, 'notification:unread_count', 1);
      return answer;
    },
  );
  expect(await lastOf(b, 'notification:unread_count', 3)).toEqual({ count: 2 });
  expect(b.received('notification:unread_count').slice(0, 2)).toEqual([[{ count: 2 }], [{ count: 1 }]]);
});

test('a message that is pinned and unpinned on two nodes at once is shown as it is stored', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = await say(a, chatId, 'text');
  await crossing.sentLast(
    isTo('update', 'community.chats'),
    () => a.ask('chat:pin_message', { messageId }),
    () => b.ask('chat:unpin_message', { messageId }),
  );
  for (const client of [a, b]) {
    await client.next('chat:message_pinned');
    expect(await lastOf(client, 'chat:message_unpinned', 2)).toMatchObject({ chatId, messageId });
  }
});

test('of two read positions of one user on two nodes the further one is shown in the end', async () => {
  const { bob, a, b, chatId } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, bob);
  const [first, earlier, later] = [await say(a, chatId, '1'), await say(a, chatId, '2'), await say(a, chatId, '3')];
  dataOf(await b.ask('chat:mark_read', { chatId, messageId: first._id }));
  await crossing.sentLast(
    isTo('update', 'community.chats'),
    () => elsewhere.ask('chat:mark_read', { chatId, messageId: earlier._id }),
    () => b.ask('chat:mark_read', { chatId, messageId: later._id }),
  );
  expect(await lastOf(a, 'chat:message_read', 4)).toMatchObject({ messageId: later._id, userId: bob.id });
});

test('of two read positions of one participant on two nodes the further one is shown in the end', async () => {
  const { bob, a, b, conversationId } = await talkInSupport(environment);
  const elsewhere = await openChat(environment, bob);
  const send = async () => dataOf(await a.ask('send_message', { conversationId, content: 'text' }))._id;
  const [earlier, later] = [await send(), await send()];
  const mark = (client: TestClient, messageId: string) => client.ask('mark_as_read', { conversationId, messageId });
  await crossing.sentLast(
    isTo('update', 'support.reads'),
    () => mark(elsewhere, earlier),
    () => mark(b, later),
  );
  expect(await lastOf(a, 'message_read', 3)).toMatchObject({ messageId: later, readBy: bob.id });
});

test('of two statuses of one user on two nodes the stored one is shown in the end', async () => {
  const { bob, a, b } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, bob);
  const set = (client: TestClient, status: string) => () => client.ask('presence:update_status', { status });
  await crossing.sentLast(isTo('update', '_users'), set(elsewhere, 'away'), set(b, 'busy'));
  expect(await lastOf(a, 'presence:status_changed', 3)).toMatchObject({ userId: bob.id, status: 'busy' });
});

test('the others end with what is stored, also when the user who changed it lost access', async () => {
  const { ann, a, b, chatId } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, ann, { node: 1 });
  const { _id: messageId } = await say(a, chatId, 'text');
  const edit = (client: TestClient, content: string) => client.ask('chat:edit_message', { messageId, content });
  await crossing.sentLast(
    changeOf('community.messages'),
    () => edit(a, 'first'),
    async () => {
      const answer = await edit(elsewhere, 'second');
      await environment.models.Chat.updateOne({ _id: chatId }, { $pull: { participants: ann.id } });
      return answer;
    },
  );
  expect(await lastOf(b, 'chat:message_edited', 3)).toMatchObject({ content: 'second' });
});

test('a conversation that was assigned before the others hear of it is shown as assigned', async () => {
  const { ann, bob, a, b } = await talkInSupport(environment);
  await environment.models.User.updateMany({ _id: { $in: [ann.id, bob.id] } }, { role: 'agent' });
  await crossing.sentLast(
    isTo('insert', 'support.conversations'),
    () => a.ask('create_conversation', { participants: [bob.id] }),
    async () => {
      const made = await environment.models.SupportConversation.findOne({ createdBy: ann.id, participants: bob.id })
        .sort({ _id: -1 })
        .lean();
      return b.ask('claim_conversation', { conversationId: String(made?._id) });
    },
  );
  for (const client of [a, b]) {
    await client.next('new_conversation');
    expect(await lastOf(client, 'conversation_assigned', 2)).toMatchObject({ assignedTo: bob.id });
  }
});

test('a user who leaves a chat on one node and is in it on the other has not left', async () => {
  const { ann, bob, a, b, chatId } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, ann, { node: 1 });
  dataOf(await a.ask('chat:leave', { chatId }));
  const came = { speaker: [ann, a], listener: [bob, b] } as const;
  expect(await cameTo(environment, came, 'chat:user_left')).toEqual([]);
  dataOf(await elsewhere.ask('chat:leave', { chatId }));
  expect((await b.next('chat:user_left'))[0]).toMatchObject({ chatId, userId: ann.id });
});

test('a message that is unpinned while it is pinned once more is no sign of too many', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = await say(a, chatId, 'text');
  dataOf(await a.ask('chat:pin_message', { messageId }));
  await crossing.sentLast(
    isTo('update', 'community.chats'),
    () => a.ask('chat:pin_message', { messageId }),
    () => b.ask('chat:unpin_message', { messageId }),
  );
});

const isPin = (command: Document): boolean => {
  const [write] = (command['updates'] ?? []) as { u: object }[];
  return command['update'] === 'community.chats' && write !== undefined && '$push' in write.u;
};

test('a message that is deleted while it is pinned is not pinned', async () => {
  const { ann, a, b, chatId } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, ann, { node: 1 });
  const { _id: messageId } = await say(a, chatId, 'text');
  const answer = await crossing.storedLast(
    isPin,
    () => a.ask('chat:pin_message', { messageId }),
    () => elsewhere.ask('chat:delete_message', { messageId }),
  );
  expect(answer).toMatchObject({ success: false, code: 'NOT_FOUND' });
  expect((await environment.models.Chat.findById(chatId).lean())?.pinnedMessages).toEqual([]);
  await b.next('chat:message_deleted');
  expect(b.received('chat:message_pinned')).toEqual([]);
});

test('a notification that is read before it is sent is shown as read in the end', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  dataOf(await b.ask('chat:leave', { chatId }));
  await crossing.sentLast(
    isTo('insert', 'community.notifications'),
    () => a.ask('chat:send_message', { chatId, content: 'text' }),
    () => b.ask('notification:mark_all_read'),
  );
  const [{ _id: notificationId }] = await b.next('notification:new');
  expect(b.received('notification:read')).toHaveLength(1);
  expect(await lastOf(b, 'notification:read', 2)).toEqual({ notificationId, readAt: expect.any(String) });
});

test('the agent before is told of an assignment, also when two assignments cross', async () => {
  const [ann, bob, cid] = await environment.people('Ann', 'Bob', 'Cid');
  await environment.models.User.updateMany({ _id: { $in: [ann.id, bob.id, cid.id] } }, { role: 'agent' });
  const conversationId = await addConversation(environment, [ann], { assignedTo: bob.id });
  const a = await openChat(environment, ann);
  const elsewhere = await openChat(environment, ann, { node: 1 });
  const [b, c] = [await openChat(environment, bob), await openChat(environment, cid)];
  const assign =
    (client: TestClient, { id: agentId }: { id: string }) =>
    () =>
      client.ask('assign_conversation', { conversationId, agentId });
  dataOf(await assign(a, cid)());
  for (const client of [b, c]) {
    expect(await client.next('conversation_assigned')).toMatchObject([{ assignedTo: cid.id }]);
  }
  await crossing.sentLast(changeOf('support.conversations'), assign(a, bob), assign(elsewhere, ann));
  expect(await lastOf(b, 'conversation_assigned', 3)).toMatchObject({ assignedTo: ann.id });
});

test('a message that is deleted before its conversation is sent as closed does not come back with it', async () => {
  const { ann, a, b, conversationId } = await talkInSupport(environment);
  const elsewhere = await openChat(environment, ann, { node: 1 });
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'text' }));
  await crossing.sentLast(
    isTo('find', 'support.messages'),
    () => a.ask('close_conversation', { conversationId }),
    () => elsewhere.ask('delete_message', { conversationId, messageId }),
  );
  for (const client of [a, b]) {
    await client.next('message_deleted');
    const { conversation } = await lastOf(client, 'conversation_closed', 2);
    expect(conversation.lastMessage).toMatchObject({ _id: messageId, content: '', isDeleted: true });
  }
});

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { wireFaults } from '../../../support/contract.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { createGate } from '../../../support/gate.js';
import { until } from '../../../support/until.js';
import { open as openCommunity, say, talk as talkInCommunity } from '../community/community.js';
import { openChat, talk as talkInSupport } from '../support/chat.js';

let environment: TestEnvironment;
/** While it is held, the first node does not learn that a change has been stored. */
const gate = createGate();

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '' });
  environment.proxy(0).rules = {
    async onReply(reply, { findAndModify, update }) {
      if (findAndModify !== undefined || update === 'community.chats') await gate.opened;
      return reply;
    },
  };
});
beforeEach(() => {
  wireFaults.length = 0;
});
afterAll(async () => {
  await environment.close();
  expect(wireFaults).toEqual([]);
});

/** The first change is stored first, and sent last. */
async function inOtherOrder(
  first: () => Promise<unknown>,
  isStored: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<void> {
  const release = gate.hold();
  const answer = first();
  await until(async () => (await isStored()) !== null);
  dataOf(await second());
  release();
  dataOf(await answer);
}

/** Waits until the last event of a kind tells this. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into a payload without declaring its form again
const endsWith = (client: TestClient, event: string, isRight: (payload: any) => boolean): Promise<void> =>
  until(() => {
    const last = client.received(event).at(-1)?.[0];
    return last !== undefined && isRight(last);
  });

test('reactions on two nodes at once are all shown in the end', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = await say(a, chatId, 'text');
  await inOtherOrder(
    () => a.ask('chat:add_reaction', { messageId, emoji: '👍' }),
    () => environment.models.ChatMessage.exists({ _id: messageId, 'reactions.0': { $exists: true } }),
    () => b.ask('chat:add_reaction', { messageId, emoji: '🎉' }),
  );
  for (const client of [a, b])
    await endsWith(client, 'chat:message_reaction', ({ reactions }) => reactions.length === 2);
});

test('a community message that is deleted while it is edited does not come back', async () => {
  const { ann, a, b, chatId } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, ann, { node: 1 });
  const { _id: messageId } = await say(a, chatId, 'text');
  await inOtherOrder(
    () => a.ask('chat:edit_message', { messageId, content: 'edited' }),
    () => environment.models.ChatMessage.exists({ _id: messageId, isEdited: true }),
    () => elsewhere.ask('chat:delete_message', { messageId }),
  );
  for (const client of [a, b]) {
    await endsWith(client, 'chat:message_edited', ({ content, message }) => content === '' && message.isDeleted);
  }
});

test('of two edits of a support message on two nodes the stored one is shown in the end', async () => {
  const { ann, a, b, conversationId } = await talkInSupport(environment);
  const elsewhere = await openChat(environment, ann, { node: 1 });
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'text' }));
  const edit = (client: TestClient, content: string) => () =>
    client.ask('edit_message', { conversationId, messageId, content });
  const isEdited = () => environment.models.SupportMessage.exists({ _id: messageId, content: 'first' });
  await inOtherOrder(edit(a, 'first'), isEdited, edit(elsewhere, 'second'));
  for (const client of [a, b]) await endsWith(client, 'message_edited', ({ content }) => content === 'second');
});

test('a support message that is deleted while it is edited does not come back', async () => {
  const { ann, a, b, conversationId } = await talkInSupport(environment);
  const elsewhere = await openChat(environment, ann, { node: 1 });
  const { _id: messageId } = dataOf(await a.ask('send_message', { conversationId, content: 'text' }));
  await inOtherOrder(
    () => a.ask('edit_message', { conversationId, messageId, content: 'edited' }),
    () => environment.models.SupportMessage.exists({ _id: messageId, content: 'edited' }),
    () => elsewhere.ask('delete_message', { conversationId, messageId }),
  );
  for (const client of [a, b]) await endsWith(client, 'message_edited', ({ isDeleted }) => isDeleted);
});

test('of two assignments on two nodes the stored one is shown in the end, with the user who made it', async () => {
  const { ann, bob, a, b, conversationId } = await talkInSupport(environment);
  await environment.models.User.updateMany({ _id: { $in: [ann.id, bob.id] } }, { role: 'agent' });
  const assign = (client: TestClient, agentId: string) => () =>
    client.ask('assign_conversation', { conversationId, agentId });
  const isAssigned = () => environment.models.SupportConversation.exists({ _id: conversationId, assignedTo: ann.id });
  await inOtherOrder(assign(a, ann.id), isAssigned, assign(b, bob.id));
  for (const client of [a, b]) {
    await endsWith(
      client,
      'conversation_assigned',
      ({ assignedTo, assignedBy }) => assignedTo === bob.id && assignedBy === bob.id,
    );
  }
});

test('a message that is unpinned while it is pinned once more is no sign of too many', async () => {
  const { a, b, chatId } = await talkInCommunity(environment);
  const { _id: messageId } = await say(a, chatId, 'text');
  dataOf(await a.ask('chat:pin_message', { messageId }));
  const { commands } = environment.proxy(0);
  const sent = commands.length;
  await inOtherOrder(
    () => a.ask('chat:pin_message', { messageId }),
    async () => commands.slice(sent).find(({ update }) => update === 'community.chats') ?? null,
    () => b.ask('chat:unpin_message', { messageId }),
  );
});

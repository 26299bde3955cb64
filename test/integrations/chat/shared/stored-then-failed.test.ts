import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { type Document, nameOf } from '../../../support/mongo-proxy.js';
import { say, talk } from '../community/community.js';
import { addConversation, addDepartment, openChat } from '../support/chat.js';

/* A change is stored, and then the database fails: others hear of it all the same, and the caller may ask again. */

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ proxyOptions: 'directConnection=true', overrides: { clock } });
});
afterAll(() => environment.close());
afterEach(() => {
  environment.proxy().rules = {};
});

const FAILURE = { ok: 0, errmsg: 'an error without a code' };

/** From a command on, another one fails. */
function failAfter(isFirst: (command: Document) => boolean, isFailed: (command: Document) => boolean): void {
  let isStored = false;
  environment.proxy().rules.onCommand = (command) => {
    if (isStored && isFailed(command)) return FAILURE;
    isStored ||= isFirst(command);
    return undefined;
  };
}

test('a deleted message is shown as deleted though its pin could not be removed, which the next attempt does', async () => {
  const { a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'pinned');
  dataOf({ data: null, ...(await a.ask('chat:pin_message', { messageId })) });
  const ofChats = (command: Document): boolean => command['update'] === 'community.chats';
  failAfter(() => true, ofChats);
  expect(await a.ask('chat:delete_message', { messageId })).toMatchObject({ code: 'INTERNAL_ERROR' });
  expect((await b.next('chat:message_deleted'))[0]).toMatchObject({ chatId, messageId });
  environment.proxy().rules = {};
  expect(await a.ask('chat:delete_message', { messageId })).toEqual({ success: true });
  expect((await environment.models.Chat.findById(chatId).lean())?.pinnedMessages).toEqual([]);
});

test('a pinned message is shown as pinned though it could not be read again', async () => {
  const { a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'to be pinned');
  failAfter(
    (command) => command['update'] === 'community.chats',
    (command) => command['find'] === 'community.messages',
  );
  expect(await a.ask('chat:pin_message', { messageId })).toMatchObject({ code: 'INTERNAL_ERROR' });
  expect((await b.next('chat:message_pinned'))[0]).toMatchObject({ chatId, messageId });
});

test('a reaction that is stored is answered, so that no client toggles it again', async () => {
  const { a, b, chatId } = await talk(environment);
  const { _id: messageId } = await say(a, chatId, 'nice');
  failAfter(
    (command) => nameOf(command) === 'findAndModify',
    (command) => nameOf(command) === 'find',
  );
  const { senderName, reactions } = dataOf(await b.ask('chat:add_reaction', { messageId, emoji: '👍' }));
  expect([senderName, reactions.length]).toEqual(['Ann Doe', 1]);
});

test('a conversation that is closed is told of when the database is back', async () => {
  const [ann, joe] = await environment.people('Ann', 'Joe');
  const departmentId = await addDepartment(environment, joe);
  const conversationId = await addConversation(environment, [ann], { departmentId });
  const [a, j] = [await openChat(environment, ann), await openChat(environment, joe)];
  failAfter(
    (command) => nameOf(command) === 'findAndModify',
    (command) => command['find'] === 'support.departments',
  );
  expect(await j.ask('close_conversation', { conversationId })).toMatchObject({ code: 'INTERNAL_ERROR' });
  environment.proxy().rules = {};
  expect(dataOf(await j.ask('close_conversation', { conversationId })).status).toBe('closed');
  await clock.advanceUntil(1500, () => a.received('conversation_closed').length > 0);
  expect((await a.next('conversation_closed'))[0]).toMatchObject({ conversationId, closedBy: joe.id });
});

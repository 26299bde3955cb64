import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCrossing } from '../../../support/crossing.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { addChat, call, members, open } from './community.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '' });
});
afterAll(() => environment.close());

test('a message that is stored while a list is read is both the last message and an unread one', async () => {
  const { models, proxy } = environment;
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const chatId = await addChat(environment, [ann, bob]);
  const speaker = await open(environment, ann, { node: 1 });
  const say = (content: string) => speaker.ask('chat:send_message', { chatId, content });
  dataOf(await say('one'));
  const messages = models.ChatMessage.collection.collectionName;
  const answer = await createCrossing(proxy(0)).storedLast(
    // The count of unread messages.
    ({ find, projection }) => find === messages && JSON.stringify(projection ?? {}).includes('isDeleted'),
    async () => (await call(environment, bob, ['GET', '/api/chats'], 0)).json,
    () => say('two'),
  );
  const [chat] = dataOf(answer as never);
  expect(chat).toMatchObject({ unreadCount: 2, lastMessage: { content: 'two' } });
  expect(chat.lastActivity).toBe(chat.lastMessage.createdAt);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCrossing } from '../../../support/crossing.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { addChat, members, open } from './community.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '' });
});
afterAll(() => environment.close());

test.each([0, 1])('a user who connects to node %i while a notification is stored is told of it', async (node) => {
  const { models, proxy } = environment;
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const chatId = await addChat(environment, [ann, bob]);
  const a = await open(environment, ann);
  const opened: Awaited<ReturnType<typeof open>>[] = [];
  await createCrossing(proxy(0)).storedLast(
    ({ insert }) => insert === models.Notification.collection.collectionName,
    () => a.ask('chat:send_message', { chatId, content: 'missed' }),
    async () => {
      const b = await open(environment, bob, { node });
      opened.push(b);
      const answer = await b.ask('notification:get_unread_count', {});
      expect(dataOf(answer)).toEqual({ count: 0 });
      return answer;
    },
  );
  expect((await opened[0]?.next('notification:new'))?.[0]).toMatchObject({ message: 'missed', chatId });
  expect(await opened[0]?.next('notification:unread_count')).toBeDefined();
});

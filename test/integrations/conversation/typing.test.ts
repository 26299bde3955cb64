import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { type Document, nameOf } from '../../support/mongo-proxy.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ proxyOptions: 'directConnection=true' });
});
afterAll(() => environment.close());

test('typing reads the participants of a conversation once, and nothing of them but who they are', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `P${index}`);
  const [ann, bob, ...others] = await environment.people('Ann', 'Bob', ...names);
  const [a, b] = [await environment.open(ann), await environment.open(bob)];
  const users = [bob, ...others].map(({ id }) => id);
  const made = dataOf(await a.ask('add_conversation', { users, channel_id: 'general' }));
  const { collectionName } = environment.models.Member.collection;

  const found: Document[][] = [];
  environment.proxy().rules.onReply = (reply, command) => {
    if (nameOf(command) === 'find' && command['find'] === collectionName)
      found.push((reply['cursor'] as { firstBatch: Document[] }).firstBatch);
    return reply;
  };
  dataOf(await a.ask('typing', { conversation_id: made.conversation._id }));
  expect((await b.next('typing'))[0]).toMatchObject({ user: ann.id, is_typing: true });
  expect(found.map(({ length }) => length)).toEqual([32]);
  expect([...new Set(found.flat().flatMap(Object.keys))]).toEqual(['user']);
});

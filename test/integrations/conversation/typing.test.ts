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

/** Ann and Bob with a conversation. */
async function talk() {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [a, b] = [await environment.open(ann), await environment.open(bob)];
  const made = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'general' }));
  return { ann, a, b, conversation_id: made.conversation._id as string };
}

test('typing ends with the connection of a client that has not ended it', async () => {
  const { ann, a, b, conversation_id } = await talk();
  dataOf(await a.ask('typing', { conversation_id }));
  dataOf(await a.ask('typing', { conversation_id }));
  a.close();
  for (const is_typing of [true, true, false])
    expect(await b.next('typing')).toEqual([{ conversation_id, user: ann.id, is_typing }]);
});

test('typing that a client has ended itself is ended once', async () => {
  const { ann, a, b, conversation_id } = await talk();
  dataOf(await a.ask('typing', { conversation_id }));
  dataOf(await a.ask('typing', { conversation_id, is_typing: false }));
  a.close();
  const again = await environment.open(ann);
  dataOf(await again.ask('message', { conversation_id, data: 'Hello' }));
  await b.next('message');
  expect(b.received('typing')).toHaveLength(2);
});

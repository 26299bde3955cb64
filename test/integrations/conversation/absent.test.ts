import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { parseMetrics } from '../../support/prometheus.js';
import { until } from '../../support/until.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

/** How many events the first node has sent to the namespace of conversations. */
async function sentEvents(): Promise<number> {
  const families = parseMetrics((await environment.node(0).call('GET', '/metrics')).text);
  const samples = families.get('gateway_emits_total')?.samples ?? [];
  return samples.find(({ labels }) => labels['namespace'] === '/v1/conversation')?.value ?? 0;
}

/** Twenty people in a conversation, the first with a socket on the first node, the second on the other one. */
async function talk() {
  const people: readonly TestUser[] = await environment.people(...Array.from({ length: 20 }, (_, n) => `Person ${n}`));
  const [ann, bob] = people as [TestUser, TestUser];
  const [a, b] = [await environment.open(ann), await environment.open(bob, { node: 1 })];
  const users = people.slice(1).map(({ id }) => id);
  const made = dataOf(await a.ask('add_conversation', { users, channel_id: 'general' }));
  return { people, a, b, id: made.conversation._id as string };
}

test('a change is sent to the participants who have a socket on any node, and nothing is made for the others', async () => {
  const { people, a, b, id } = await talk();
  const before = await sentEvents();
  dataOf(await a.ask('open', { conversation_id: id, is_open: false }));
  const closed = { data: { conversation: { _id: id, is_open: false } } };
  for (const client of [a, b]) expect(await client.next('update_conversation')).toMatchObject([closed]);
  for (const client of [a, b]) await client.next('counters');
  // The conversation and the counters of two channels, for two people.
  expect((await sentEvents()) - before).toBe(6);

  const late = await environment.open(people[2] as TestUser, { node: 1 });
  dataOf(await a.ask('edit_conversation', { conversation_id: id, title: 'Launch' }));
  const edited = { data: { conversation: { _id: id, title: 'Launch' } } };
  expect(await late.next('update_conversation')).toMatchObject([edited]);
});

test('while the nodes do not know who is connected where, a change is sent to all participants', async () => {
  const { a, b, id } = await talk();
  const { command } = environment.redis();
  const keys = (await command('KEYS', '*:routes:holders')) as string[];
  expect(keys).toHaveLength(1);
  await command('DEL', ...keys);
  const before = await sentEvents();
  dataOf(await a.ask('edit_conversation', { conversation_id: id, title: 'Launch' }));
  const edited = { data: { conversation: { _id: id, title: 'Launch' } } };
  for (const client of [a, b]) expect(await client.next('update_conversation')).toMatchObject([edited]);
  await until(async () => (await sentEvents()) - before >= 20);
});

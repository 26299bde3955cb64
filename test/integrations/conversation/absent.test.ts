import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { parseMetrics } from '../../support/prometheus.js';

let environment: TestEnvironment;

beforeAll(async () => {
  // On a clock that runs, what was sent is compared with what is stored, and may be sent once more.
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock: createTestClock() } });
});
afterAll(() => environment.close());

/** How many events the first node has sent to the namespace of conversations. */
async function sentEvents(): Promise<number> {
  const families = parseMetrics((await environment.node(0).call('GET', '/metrics')).text);
  const samples = families.get('gateway_emits_total')?.samples ?? [];
  return samples.find(({ labels }) => labels['namespace'] === '/v1/conversation')?.value ?? 0;
}

/** The counters of all channels, and of the one of the conversation. */
async function hearCounters(clients: readonly TestClient[]): Promise<void> {
  for (const client of clients) for (let channel = 0; channel < 2; channel += 1) await client.next('counters');
}

/** Twenty people in a conversation, the first with a socket on the first node, the second on the other one. */
async function talk() {
  const people: readonly TestUser[] = await environment.people(...Array.from({ length: 20 }, (_, n) => `Person ${n}`));
  const [ann, bob] = people as [TestUser, TestUser];
  const [a, b] = [await environment.open(ann), await environment.open(bob, { node: 1 })];
  const users = people.slice(1).map(({ id }) => id);
  const made = dataOf(await a.ask('add_conversation', { users, channel_id: 'general' }));
  await hearCounters([a, b]);
  return { people, a, b, id: made.conversation._id as string };
}

test('a change is sent to the participants who have a socket on any node, and nothing is made for the others', async () => {
  const { people, a, b, id } = await talk();
  const before = await sentEvents();
  dataOf(await a.ask('open', { conversation_id: id, is_open: false }));
  const closed = { data: { conversation: { _id: id, is_open: false } } };
  for (const client of [a, b]) expect(await client.next('update_conversation')).toMatchObject([closed]);
  await hearCounters([a, b]);
  // The conversation for both, who are shown the same, and the counters of two channels for each.
  expect((await sentEvents()) - before).toBe(5);

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
  dataOf(await a.ask('edit_conversation', { conversation_id: id, title: 'Launch' }));
  const edited = { data: { conversation: { _id: id, title: 'Launch' } } };
  for (const client of [a, b]) expect(await client.next('update_conversation')).toMatchObject([edited]);
});

test('participants who are shown something of their own are sent an event of their own', async () => {
  const { people, a, b, id } = await talk();
  const c = await environment.open(people[2] as TestUser, { node: 1 });
  dataOf(await b.ask('message', { conversation_id: id, data: 'Hello' }));
  dataOf(await c.ask('show_on_top', { conversation_id: id }));
  for (const name of ['counters', 'update_conversation']) await c.next(name);
  dataOf(await a.ask('edit_conversation', { conversation_id: id, title: 'Launch' }));
  const shownTo = async (client: TestClient) => {
    const [{ data }] = await client.next('update_conversation');
    const { title, unread_count, show_on_top, last_activity } = data.conversation;
    return { title, unread_count, show_on_top, isOwn: last_activity.is_sender };
  };
  const shown = { title: 'Launch', unread_count: 1, show_on_top: false, isOwn: false };
  expect(await shownTo(a)).toEqual(shown);
  expect(await shownTo(b)).toEqual({ ...shown, unread_count: 0, isOwn: true });
  expect(await shownTo(c)).toEqual({ ...shown, show_on_top: true });
});

test('a reader is shown what was read on other sockets, on any node, and not on the one that asked', async () => {
  const { people, a, b, id } = await talk();
  const [here, there] = [await environment.open(people[1] as TestUser), b];
  dataOf(await a.ask('message', { conversation_id: id, data: 'Hello' }));
  const tabs = [
    [here, there],
    [there, here],
  ] as const;
  for (const [asking, other] of tabs) {
    dataOf({ ...(await asking.ask('read', { conversation_id: id })), data: {} });
    expect((await other.next('update_conversation'))[0].data.conversation).toMatchObject({ _id: id, unread_count: 0 });
    expect(asking.received('update_conversation')).toEqual([]);
  }
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { type Crossing, createCrossing } from '../../support/crossing.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import type { Document } from '../../support/mongo-proxy.js';

const clock = createTestClock();
let environment: TestEnvironment;
/** Of changes by two nodes. */
let crossing: Crossing;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '', overrides: { clock } });
  crossing = createCrossing(environment.proxy());
});
afterAll(() => environment.close());

/** Two people in a conversation, each with a socket on both nodes. */
async function talk() {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const open = (user: typeof ann) => Promise.all([0, 1].map((node) => environment.open(user, { node })));
  const [anns, bobs] = [await open(ann), await open(bob)] as [TestClient[], TestClient[]];
  const [a0, a1, b0, b1] = [...anns, ...bobs] as [TestClient, TestClient, TestClient, TestClient];
  const made = await a0.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
  return { ann, bob, a0, a1, b0, b1, id: dataOf(made).conversation._id as string };
}

const isCommit = (command: Document): boolean => 'commitTransaction' in command;
const isUpdate = (command: Document): boolean => 'update' in command;

/** Moves time until the last event of a kind that a client got is of that form. */
const endsWith = (client: TestClient, event: string, form: object): Promise<void> =>
  clock.advanceUntil(100, () => {
    const [last] = client.received(event).at(-1) ?? [];
    try {
      expect(last).toMatchObject(form);
      return true;
    } catch {
      return false;
    }
  });

test('of two changes by two tabs on two nodes both are shown in the end', async () => {
  const { a0, a1, id } = await talk();
  await crossing.sentLast(
    isCommit,
    () => a0.ask('archive', { conversation_id: id }),
    () => a1.ask('show_on_top', { conversation_id: id }),
  );
  const conversation = { _id: id, archived: true, show_on_top: true };
  for (const tab of [a0, a1]) await endsWith(tab, 'update_conversation', { data: { conversation } });
});

test('of two changes by two participants on two nodes both are shown in the end', async () => {
  const { a0, a1, b0, b1, id } = await talk();
  await crossing.sentLast(
    isCommit,
    () => a0.ask('edit_conversation', { conversation_id: id, title: 'Launch' }),
    () => b1.ask('open', { conversation_id: id, is_open: false }),
  );
  const conversation = { _id: id, title: 'Launch', is_open: false };
  for (const tab of [a0, a1, b0, b1]) await endsWith(tab, 'update_conversation', { data: { conversation } });
});

test('a message that comes while its conversation is read leaves the tabs with its number of unread messages', async () => {
  const { a1, b0, b1, id } = await talk();
  dataOf(await a1.ask('message', { conversation_id: id, data: 'one' }));
  await crossing.sentLast(
    isCommit,
    () => b0.ask('read', { conversation_id: id }),
    () => a1.ask('message', { conversation_id: id, data: 'two' }),
  );
  const conversation = { _id: id, unread_count: 1, last_activity: { data: 'two' } };
  for (const tab of [b0, b1]) await endsWith(tab, 'update_conversation', { data: { conversation } });
});

test('of two read positions of one user on two nodes the further one is shown in the end', async () => {
  const { a0, a1, b0, b1, id } = await talk();
  const say = async (data: string) => dataOf(await a0.ask('message', { conversation_id: id, data })).message._id;
  const [earlier, later] = [await say('one'), await say('two')];
  await crossing.sentLast(
    isCommit,
    () => b0.ask('read', { conversation_id: id, message_id: earlier }),
    () => b1.ask('read', { conversation_id: id, message_id: later }),
  );
  for (const tab of [a0, a1]) {
    await clock.advanceUntil(100, () => tab.received('read').length >= 3);
    expect(tab.received('read').at(-1)).toMatchObject([{ message_id: later }]);
  }
});

test('of two statuses of one user on two nodes the stored one is shown in the end', async () => {
  const { ann, a0, a1, b0, b1 } = await talk();
  // What follows in the same second is read from the database in any case.
  for (const tab of [b0, b1]) dataOf(await tab.ask('join'));
  await crossing.sentLast(
    isUpdate,
    () => a0.ask('active_status', { status: 'away' }),
    () => a1.ask('active_status', { status: 'active' }),
  );
  for (const tab of [b0, b1]) {
    const own = () => tab.received('active_status').filter(([status]) => status.userID === ann.id);
    await clock.advanceUntil(100, () => own().length >= 3);
    expect(own().at(-1)).toMatchObject([{ conversation_active_status: 'active' }]);
  }
});

test('a client that connects while counters are on their way ends with the stored ones', async () => {
  const { ann, a0, a1, id } = await talk();
  const { conversation } = dataOf(await a0.ask('add_conversation', { users: [ann.id], channel_id: 'general' }));
  const late: TestClient[] = [];
  await crossing.sentLast(
    isCommit,
    () => a0.ask('archive', { conversation_id: id }),
    async () => {
      const answer = await a1.ask('archive', { conversation_id: conversation._id });
      const client = await environment.open(ann, { node: 1 });
      expect(dataOf(await client.ask('channel', {})).channels).toMatchObject({ general: { open: 0 } });
      late.push(client);
      return answer;
    },
  );
  for (const client of late) {
    const general = () => client.received('counters').filter(([one]) => one.channel_id === 'general');
    await clock.advanceUntil(100, () => general().length >= 2);
    expect(general().at(-1)).toMatchObject([{ counters: { open: 0 } }]);
  }
});

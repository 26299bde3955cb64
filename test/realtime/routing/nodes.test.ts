import { expect, test } from 'vitest';
import { connect } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf } from '../../support/environment.js';
import { ensureExactlyDirected, readsOf, testDirectedDelivery } from './directed-suite.js';

const start = (nodes: number) => createTestEnvironment({ nodes, overrides: { clock: createTestClock() } });

testDirectedDelivery(() => start(3), ensureExactlyDirected);

test('a batch to 100 users is one message to each node with any of them, and none to others', async () => {
  const environment = await start(4);
  const users = Array.from({ length: 100 }, (_, n) => `of-batch-${n}`);
  const clients = await Promise.all(
    users.map((uid, n) => connect(environment.node(1 + (n % 2)), { claims: { uid, account_id: 'batch' } })),
  );
  const bystander = await connect(environment.node(3), { claims: { uid: 'bystander', account_id: 'other' } });
  try {
    const countReads = () => Promise.all([1, 2, 3].map((index) => readsOf(environment, index)));
    for (const durable of [false, true]) {
      const items = users.map((userId) => ({ userId, event: 'm', payload: { text: 'x'.repeat(200) }, durable }));
      const before = await countReads();
      for (let batch = 0; batch < 3; batch += 1) await environment.node(0).call('POST', '/emit', { items });
      for (const client of clients) for (let batch = 0; batch < 3; batch += 1) await client.next('m');
      await environment.node(0).call('POST', '/broadcast/barrier', {});
      for (const client of [...clients, bystander]) await client.next('barrier');
      const after = await countReads();
      // The broadcast is one more.
      expect(after.map((reads, index) => reads - (before[index] ?? 0))).toEqual([4, 4, 1]);
    }
  } finally {
    for (const client of [...clients, bystander]) client.close();
    await environment.close();
  }
});

test('where all receivers of a message are is one look-up, though it goes to two namespaces', async () => {
  const environment = await start(2);
  const countLookUps = async (): Promise<number> =>
    Number(
      /cmdstat_sunion:calls=(\d+)/.exec(String(await environment.redis().command('INFO', 'commandstats')))?.[1] ?? 0,
    );
  try {
    const people = await environment.people('Ann', 'Bob', 'Cid');
    const clients = await Promise.all(people.map((one, index) => environment.open(one, { node: index === 0 ? 0 : 1 })));
    const [ann, ...others] = clients;
    const users = people.slice(1).map(({ id }) => id);
    const { conversation } = dataOf(await ann?.ask('add_conversation', { users, channel_id: 'general' }));
    const say = async (): Promise<void> => {
      const heard = others.map((other) => other.next('message'));
      dataOf(await ann?.ask('message', { conversation_id: conversation._id, data: 'Hello' }));
      await Promise.all(heard);
    };
    // The first message makes the conversation unread, which is sent too.
    for (let times = 0; times < 2; times += 1) await say();
    const before = await countLookUps();
    await say();
    // Its sender gets another form of it.
    expect((await countLookUps()) - before).toBe(2);
  } finally {
    await environment.close();
  }
});

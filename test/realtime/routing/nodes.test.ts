import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type TestClient } from '../../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';

let environment: TestEnvironment;
let client: TestClient;
let bystander: TestClient;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 3 });
  client = await connect(environment.node(1), { claims: { uid: 'near', account_id: 'one' } });
  bystander = await connect(environment.node(2), { claims: { uid: 'far', account_id: 'two' } });
});
afterAll(async () => {
  client.close();
  bystander.close();
  await environment.close();
});

const readsOf = async (index: number): Promise<number> => {
  const { text } = await environment.node(index).call('GET', '/metrics');
  return Number(/^gateway_node_messages_total (\d+)$/m.exec(text)?.[1]);
};

/** All nodes have read everything that was sent before; each but the sender reads one message for it. */
async function barrier(): Promise<void> {
  await environment.node(0).call('POST', '/broadcast/barrier', {});
  for (const one of [client, bystander]) await one.next('barrier');
}

test.each([
  ['plain', {}],
  ['durable', { durable: true }],
])('a node reads nothing of %s events for users of other nodes, single or in a batch', async (_name, fields) => {
  await barrier();
  const before = await readsOf(2);
  const query = 'durable' in fields ? '?durable=true' : '';
  for (let n = 0; n < 20; n += 1) await environment.node(0).call('POST', `/emit/near/m${query}`, { n });
  const items = Array.from({ length: 100 }, (_, n) => ({
    userId: 'near',
    event: 'm',
    payload: { n: 20 + n },
    ...fields,
  }));
  await environment.node(0).call('POST', '/emit', { items });
  const received = [];
  while (received.length < 120) received.push((await client.next('m'))[0].n);
  expect(received).toEqual(Array.from({ length: 120 }, (_, n) => n));
  await barrier();
  expect((await readsOf(2)) - before).toBe(1);
});

test('a client that was told that it is connected gets what any node emits from then on', async () => {
  for (let round = 0; round < 60; round += 1) {
    const user = `new-${round % 5}`;
    const one = await connect(environment.node(round % 3), { claims: { uid: user } });
    await environment.node((round + 1) % 3).call('POST', `/emit/${user}/hello`, { round });
    expect(await one.next('hello')).toEqual([{ round }]);
    one.close();
  }
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type TestClient } from '../../support/client.js';
import type { TestEnvironment } from '../../support/environment.js';

/** More than nodes send at intervals in a while: two messages for each poll of the log, every 4 s, and a few that had waited. */
const intervalMessagesMax = (tookMs: number): number => 10 + tookMs / 500;

/** Messages of other nodes that a node has read. */
export async function readsOf(environment: TestEnvironment, index: number): Promise<number> {
  const { text } = await environment.node(index).call('GET', '/metrics');
  return Number(/^gateway_node_messages_total (\d+)$/m.exec(text)?.[1]);
}

/** Three nodes: calls come to the first, the second has a client, the third another client that is sent nothing. */
export interface DirectedDelivery {
  readonly environment: TestEnvironment;
  /**
   * Sends the client `count` events one by one and as many in a batch, and waits until all have arrived, in order.
   * @returns what the other nodes have read for it
   */
  send(count: number, fields?: { readonly durable?: boolean }): Promise<Reads>;
  close(): Promise<void>;
}

/** How many messages the node of the client has read, and that of the other client, and in which time. */
interface Reads {
  readonly near: number;
  readonly far: number;
  readonly tookMs: number;
}

export async function createDirectedDelivery(environment: TestEnvironment): Promise<DirectedDelivery> {
  const client = await connect(environment.node(1), { claims: { uid: 'near', account_id: 'one' } });
  const bystander = await connect(environment.node(2), { claims: { uid: 'far', account_id: 'two' } });
  const clients: readonly TestClient[] = [client, bystander];
  /** The nodes have read everything that was sent before. Each reads one message for it. */
  const barrier = async (): Promise<void> => {
    await environment.node(0).call('POST', '/broadcast/barrier', {});
    for (const one of clients) await one.next('barrier');
  };
  return {
    environment,
    async send(count, fields = {}) {
      await barrier();
      const beganAt = performance.now();
      const [near, far] = [await readsOf(environment, 1), await readsOf(environment, 2)];
      const query = fields.durable === true ? '?durable=true' : '';
      for (let n = 0; n < count; n += 1) await environment.node(0).call('POST', `/emit/near/m${query}`, { n });
      const item = (n: number) => ({ userId: 'near', event: 'm', payload: { n: count + n }, ...fields });
      await environment.node(0).call('POST', '/emit', { items: Array.from({ length: count }, (_, n) => item(n)) });
      const received: unknown[] = [];
      while (received.length < 2 * count) received.push((await client.next('m'))[0].n);
      expect(received).toEqual(Array.from({ length: 2 * count }, (_, n) => n));
      await barrier();
      const reads = {
        near: (await readsOf(environment, 1)) - near - 1,
        far: (await readsOf(environment, 2)) - far - 1,
      };
      return { ...reads, tookMs: performance.now() - beganAt };
    },
    async close() {
      for (const one of clients) one.close();
      await environment.close();
    },
  };
}

/** Each event is a message to the node that it concerns, the batch one more; the others get what nodes send at intervals. */
export function ensureDirected({ near, far, tookMs }: Reads, count: number): void {
  expect(near).toBeGreaterThanOrEqual(count + 1);
  expect(near).toBeLessThan(count + 1 + intervalMessagesMax(tookMs));
  expect(far).toBeLessThan(intervalMessagesMax(tookMs));
}

/** As {@link ensureDirected}, when the clock of the nodes stands still, so that they send nothing at intervals. */
export function ensureExactlyDirected({ near, far }: Reads, count: number): void {
  expect({ near, far }).toEqual({ near: count + 1, far: 0 });
}

/** The tests of directed delivery between nodes, whatever Redis they share. */
export function testDirectedDelivery(start: () => Promise<TestEnvironment>, ensure = ensureDirected): void {
  let delivery: DirectedDelivery;

  beforeAll(async () => {
    delivery = await createDirectedDelivery(await start());
  });
  afterAll(() => delivery.close());

  test.each([
    ['plain', {}],
    ['durable', { durable: true }],
  ])('a node reads nothing of %s events for users of other nodes, single or in a batch', async (_name, fields) => {
    ensure(await delivery.send(50, fields), 50);
  });

  test('a client that was told that it is connected gets what any node emits from then on', async () => {
    const { environment } = delivery;
    for (let round = 0; round < 60; round += 1) {
      const user = `new-${round % 5}`;
      const one = await connect(environment.node(round % 3), { claims: { uid: user } });
      await environment.node((round + 1) % 3).call('POST', `/emit/${user}/hello`, { round });
      expect(await one.next('hello')).toEqual([{ round }]);
      one.close();
    }
  });
}

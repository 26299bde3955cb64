import { afterAll, beforeAll, expect, test } from 'vitest';
import { slotOf } from '../../../src/platform/redis/cluster.js';
import { connect } from '../../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { until } from '../../support/until.js';
import {
  createDirectedDelivery,
  type DirectedDelivery,
  ensureDirected,
  testDirectedDelivery,
} from './directed-suite.js';

/** The master of this slot has the directory, and all messages between nodes pass it. */
const SLOT = slotOf('general-socket:members');

let cluster: TestCluster;

const start = () => createTestEnvironment({ nodes: 3, hasRedis: false, env: { REDIS_URL: cluster.url } });

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.dispose());

testDirectedDelivery(start);

const areReady = async ({ nodes }: TestEnvironment): Promise<boolean> => {
  for (const node of nodes) if ((await node.call('GET', '/health/ready')).status !== 200) return false;
  return true;
};

/** A node may still be connected to the former master, and notice it at its next self-check. */
const isDirected = async (delivery: DirectedDelivery): Promise<boolean> =>
  (await areReady(delivery.environment)) && (await delivery.send(5, { durable: true })).far === 0;

test('delivery is directed again after a fail-over of the master that has the directory', async () => {
  const delivery = await createDirectedDelivery(await start());
  try {
    ensureDirected(await delivery.send(50), 50);
    const former = await cluster.masterOf(SLOT);
    await cluster.failOver(SLOT);
    expect(await cluster.masterOf(SLOT)).not.toBe(former);
    await until(() => isDirected(delivery));
    ensureDirected(await delivery.send(50), 50);
  } finally {
    await delivery.close();
  }
});

/** Sends to a user on the second node through the first, and to users who connect meanwhile. */
async function createTraffic(environment: TestEnvironment) {
  const [sender, near, other] = [environment.node(0), environment.node(1), environment.node(2)];
  const client = await connect(near, { claims: { uid: 'mover' } });
  const late: (typeof client)[] = [];
  const counts = { plain: 0, durable: 0, stream: 0 };
  const send = async (event: 'plain' | 'durable', count: number): Promise<void> => {
    const isDurable = event === 'durable';
    for (let left = count; left > 0; left -= 1)
      await sender.call('POST', `/emit/mover/${event}${isDurable ? '?durable=true' : ''}`, { n: counts[event]++ });
    const item = () => ({ userId: 'mover', event, payload: { n: counts[event]++ }, durable: isDurable });
    await sender.call('POST', '/emit', { items: Array.from({ length: count }, item) });
  };
  const numbersOf = (event: string): number[] => client.received(event).map(([{ n }]) => n);
  let isStopped = false;
  return {
    client,
    numbersOf,
    counts,
    /** Sends some of each kind at a step of a move, and waits until all have arrived, in order. */
    async sendAt(step: string): Promise<void> {
      await send('plain', 10);
      await send('durable', 10);
      const uid = `late-${step}`;
      const one = await connect(other, { claims: { uid } });
      late.push(one);
      await sender.call('POST', `/emit/${uid}/hello`, { step });
      await sender.call('POST', `/emit/${uid}/durable?durable=true`, { step });
      for (const event of ['hello', 'durable']) expect((await one.next(event))[0]).toEqual({ step });
      for (const event of ['plain', 'durable'] as const) {
        await until(() => numbersOf(event).length >= counts[event]);
        expect(numbersOf(event), step).toEqual(Array.from({ length: counts[event] }, (_, n) => n));
      }
      // On a loaded machine a self-check can miss its time limit once.
      await until(() => areReady(environment));
    },
    /** Sends plain events one after another until it is stopped. */
    async stream(): Promise<void> {
      while (!isStopped) await sender.call('POST', '/emit/mover/stream', { n: counts.stream++ });
    },
    stop(): void {
      isStopped = true;
    },
    close(): void {
      for (const one of [client, ...late]) one.close();
    },
  };
}

const failuresOf = async (environment: TestEnvironment): Promise<number> => {
  const { text } = await environment.node(0).call('GET', '/metrics');
  return Number(/^gateway_redis_publish_failures_total (\d+)$/m.exec(text)?.[1]);
};

test('nothing is lost while the slot of the directory is moved key by key, and delivery is directed again', async () => {
  const delivery = await createDirectedDelivery(await start());
  const { environment } = delivery;
  const traffic = await createTraffic(environment);
  try {
    ensureDirected(await delivery.send(50), 50);
    const former = await cluster.masterOf(SLOT);
    const failures = await failuresOf(environment);
    let sentBefore = 0;
    const streaming = traffic.stream();
    const at = (step: string) => () => traffic.sendAt(step);
    await cluster.moveSlot(SLOT, {
      begun: at('begun'),
      half: at('half'),
      async moved() {
        await traffic.sendAt('moved');
        // All but the last have been answered.
        sentBefore = traffic.counts.stream - 1;
      },
    });
    expect(await cluster.masterOf(SLOT)).not.toBe(former);
    // The nodes connect to the new master at their next self-check. What is sent meanwhile can be lost.
    await until(() => isDirected(delivery));
    traffic.stop();
    await streaming;
    await delivery.send(1);
    await until(() => traffic.numbersOf('stream').includes(traffic.counts.stream - 1));
    const stream = traffic.numbersOf('stream');
    expect(stream).toEqual(stream.toSorted((a, b) => a - b));
    const lost = Array.from({ length: traffic.counts.stream }, (_, n) => n).filter((n) => !stream.includes(n));
    expect(lost.filter((n) => n < sentBefore)).toEqual([]);
    expect(sentBefore).toBeGreaterThan(0);
    expect(lost.length).toBeLessThanOrEqual((await failuresOf(environment)) - failures);
    await traffic.sendAt('over');
    ensureDirected(await delivery.send(50), 50);
  } finally {
    traffic.stop();
    traffic.close();
    await delivery.close();
  }
});

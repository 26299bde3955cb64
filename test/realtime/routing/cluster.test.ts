import { afterAll, beforeAll, expect, test } from 'vitest';
import { slotOf } from '../../../src/platform/redis/cluster.js';
import { createTestEnvironment } from '../../support/environment.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { until } from '../../support/until.js';
import { createDirectedDelivery, ensureDirected, testDirectedDelivery } from './directed-suite.js';

/** The master of this slot has the directory, and all messages between nodes pass it. */
const SLOT = slotOf('general-socket:members');

let cluster: TestCluster;

const start = () => createTestEnvironment({ nodes: 3, hasRedis: false, env: { REDIS_URL: cluster.url } });

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.dispose());

testDirectedDelivery(start);

test('delivery is directed again after a fail-over of the master that has the directory, and after its slot has moved', async () => {
  const delivery = await createDirectedDelivery(await start());
  const { environment } = delivery;
  const areReady = async (): Promise<boolean> => {
    for (const node of environment.nodes) if ((await node.call('GET', '/health/ready')).status !== 200) return false;
    return true;
  };
  try {
    ensureDirected(await delivery.send(50), 50);
    const changes = [() => cluster.failOver(SLOT), () => cluster.moveSlot(SLOT)];
    for (const change of changes) {
      const former = await cluster.masterOf(SLOT);
      await change();
      expect(await cluster.masterOf(SLOT)).not.toBe(former);
      await until(areReady);
      // A node may still be connected to the former master, and notice it at its next self-check.
      await until(async () => (await delivery.send(5, { durable: true })).far === 0);
      ensureDirected(await delivery.send(50), 50);
    }
  } finally {
    await delivery.close();
  }
});

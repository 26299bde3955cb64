import { createClient } from 'redis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRedisBus } from '../../src/realtime/bus.js';
import { until } from '../support/until.js';
import { createRouterCluster, type RouterCluster, type RouterNode } from './routing/routers.js';

let cluster: RouterCluster;
beforeEach(async () => {
  cluster = await createRouterCluster();
});
afterEach(() => cluster.close());

const createBus = ({ redis, router, id }: RouterNode) =>
  createRedisBus({
    ...{ redis, router, nodeId: id, keyPrefix: 'test:' },
    ...{ onRead: () => undefined, onEcho: () => undefined },
  });

test('a message to one node reaches it, and no other', async () => {
  const [from, to, other] = [await cluster.start(), await cluster.start(), await cluster.start()];
  const heard: unknown[] = [];
  createBus(to).subscribe('topic', (message) => heard.push(message));
  createBus(other).subscribe('topic', (message) => heard.push(['other', message]));
  createBus(from).publishTo(to.id, 'topic', 'text');
  await cluster.settle();
  expect(heard).toEqual(['text']);
});

test('a message to one node reaches a node of an earlier version that is not known as a member yet', async () => {
  const from = await cluster.start();
  const earlier = createClient({ url: cluster.server.url }).on('error', () => undefined);
  await earlier.connect();
  const heard: unknown[] = [];
  await earlier.subscribe('test:bus:topic', (message) => heard.push(JSON.parse(message)));
  createBus(from).publishTo('earlier', 'topic', 'text');
  await until(() => heard.length > 0);
  expect(heard).toEqual([[from.id, 'text', expect.any(Number)]]);
  await earlier.close();
});

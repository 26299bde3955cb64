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

const createBus = ({ redis, router, id }: RouterNode, onEcho: (lagMs: number) => void = () => undefined) =>
  createRedisBus({ redis, router, nodeId: id, keyPrefix: 'test:', onRead: () => undefined, onEcho });

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

test('a message to all reaches the others, and tells its own node only how long it took', async () => {
  const [from, to] = [await cluster.start(), await cluster.start()];
  const [heard, lags]: [unknown[], number[]] = [[], []];
  const bus = createBus(from, (lagMs) => lags.push(lagMs));
  bus.subscribe('topic', (message) => heard.push(['own', message]));
  createBus(to).subscribe('topic', (message) => heard.push(message));
  const message = { text: `["${from.id}",1,2]`, last: 'ends like a time",7]' };
  const startedAt = performance.now();
  bus.publish('topic', message);
  await until(() => heard.length > 0 && lags.length > 0);
  expect(heard).toEqual([message]);
  expect(lags).toEqual([expect.any(Number)]);
  expect(lags[0]).toBeGreaterThan(0);
  expect(lags[0]).toBeLessThan(performance.now() - startedAt);
});

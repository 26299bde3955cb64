import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis, type Redis } from '../../src/platform/redis/connect.js';
import { createNodeLeases, type Death, NODE_LEASE_MS } from '../../src/realtime/node-leases.js';
import { createTestClock } from '../support/clock.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const STEP_MS = NODE_LEASE_MS / 3;
let server: TestRedis;
let redis: Redis;
let prefixes = 0;

beforeAll(async () => {
  server = await startRedis();
  const logger = pino({ enabled: false });
  redis = await connectRedis({ url: server.url, prefix: 'test', startupTimeoutMs: 120_000, logger });
});
afterAll(async () => {
  await redis.close();
  await server.dispose();
});

/** Nodes whose time a test moves. That of Redis goes on by itself, and their leases are long enough in it. */
function createNodes() {
  prefixes += 1;
  const keyPrefix = `leases-${prefixes}:`;
  const key = `${keyPrefix}node-leases`;
  const clock = createTestClock();
  const deaths: (Death & { readonly heardBy: string })[] = [];
  let renewals = 0;
  const counting = {
    commands: {
      sendCommand: async (...args: Parameters<Redis['commands']['sendCommand']>) => {
        const reply = await redis.commands.sendCommand(...args);
        renewals += 1;
        return reply;
      },
    },
  } as unknown as Pick<Redis, 'commands'>;
  const logger = pino({ enabled: false });
  const start = async (nodeId: string, hear: () => Promise<void> = async () => undefined) => {
    const leases = createNodeLeases({ redis: counting, clock, logger, nodeId, keyPrefix });
    leases.onDeath(async (death) => {
      deaths.push({ ...death, heardBy: nodeId });
      await hear();
    });
    await leases.begin(`mark-of-${nodeId}`);
    return leases;
  };
  const read = (node: string) => redis.commands.sendCommand(['HGET', key, node], key) as Promise<string | null>;
  return {
    deaths,
    start,
    read,
    /** Lets each node renew so many times. */
    async step(nodes: number, times = 1): Promise<void> {
      for (let time = 0; time < times; time += 1) {
        const before = renewals;
        clock.advance(STEP_MS);
        await until(() => renewals >= before + nodes);
      }
    },
    /** As if the lease of a node had ended some time ago. */
    async expire(node: string, agoMs: number): Promise<void> {
      await redis.commands.sendCommand(['HSET', key, node, `${Date.now() - agoMs} 0 mark-of-${node}`], key);
    },
  };
}

test('one of the others hears of a death, once, with the mark of the dead node and for how long its lease is over', async () => {
  const { start, step, expire, deaths, read } = createNodes();
  await start('a');
  await start('b');
  await step(2, 4);
  await expire('dead', 2000);
  await step(2, 3);
  expect(deaths).toEqual([expect.objectContaining({ mark: 'mark-of-dead' })]);
  expect(deaths[0]?.endedAgoMs).toBeGreaterThanOrEqual(2000);
  await until(async () => (await read('dead')) === null);
});

test('a node that ends its lease has not died, and one that is back is not buried', async () => {
  const { start, step, deaths, read } = createNodes();
  await start('a');
  const leaving = await start('b');
  await step(2, 4);
  await leaving.end();
  expect(await read('b')).toBeNull();
  await step(1, 2);
  expect(deaths).toEqual([]);
});

test('a death stays claimed while its listener fails, and is claimed by another node later', async () => {
  const { start, step, expire, deaths, read } = createNodes();
  await start('a', () => Promise.reject(new Error('the database is away')));
  await step(1, 4);
  await expire('dead', 1000);
  await step(1, 4);
  expect(deaths).toHaveLength(1);
  expect(await read('dead')).toMatch(/^\d+ [1-9]\d+ mark-of-dead$/);
});

test('after an outage no node is taken for dead for the time of a lease, and an old death is forgotten', async () => {
  const { start, step, expire, deaths, read } = createNodes();
  await start('a');
  await start('b');
  await step(2, 4);
  // Both were away for longer than their leases; so may others have been.
  for (const node of ['a', 'b', 'late']) await expire(node, 1000);
  await step(2, 2);
  expect(deaths).toEqual([]);
  await expire('late', -60_000);
  await expire('old', 3_600_000);
  await step(2, 4);
  expect(deaths).toEqual([]);
  expect(await read('old')).toBeNull();
});

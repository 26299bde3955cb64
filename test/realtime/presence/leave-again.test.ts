import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { createPresenceCommands } from '../../../src/realtime/presence/commands.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

/** Users of whom a node tells Redis again, after Redis has lost its data, that they left. */

const LEASE_MS = 60_000;
const GRACE_MS = 30_000;
const ann = { userId: 'ann', accountId: 'a' };

let server: TestRedis;
let redis: Redis;
let commands: ReturnType<typeof createPresenceCommands>;
let leasedSince = '';

beforeAll(async () => {
  server = await startRedis();
  redis = await connectRedis({
    url: server.url,
    prefix: 'test',
    startupTimeoutMs: 120_000,
    logger: pino({ enabled: false }),
  });
});
afterAll(async () => {
  await redis.close();
  await server.dispose();
});
beforeEach(async () => {
  commands = createPresenceCommands({
    redis,
    nodeId: 'node',
    keyPrefix: 'test:{0}:',
    graceMs: GRACE_MS,
    leaseMs: LEASE_MS,
  });
  await loseData();
});

/** Redis loses its data, and the node begins its lease again. */
async function loseData(): Promise<void> {
  await server.command('FLUSHALL');
  ({ leasedSince } = await commands.renew(1, { limit: 0, leasedSince: '' }));
}

/** What a tick takes on. */
async function due() {
  const { unconfirmed, offline } = await commands.renew(1, { limit: 10, leasedSince });
  return { unconfirmed: unconfirmed.map(({ userId }) => userId), offline: offline.map(({ userId }) => userId) };
}

async function change(kind: 'add' | 'remove', user = ann): Promise<boolean | undefined> {
  const socket = { ...user, socketId: `of-${user.userId}`, connectedAt: 1 };
  const [changed] = (await commands.change([{ kind, socket }], 1)) ?? [];
  return changed?.isEdge;
}

/** The time of Redis cannot be moved. @param zset where grace times end */
const endGrace = (zset: 'leaving' | 'gone'): Promise<unknown> =>
  server.command('ZADD', `test:{0}:${zset}`, 'XX', '1', 'ann');

test('a user who comes back has come online: the offline event may have been sent before the loss', async () => {
  await commands.leaveAgain([ann], 0);
  expect(await change('add')).toBe(true);
});

test('a user who is within the grace time, and comes back, was never away', async () => {
  await change('add');
  await change('remove');
  await commands.leaveAgain([ann], 0);
  expect(await change('add')).toBe(false);
});

test('a user who has a socket again stays as they are', async () => {
  await change('add');
  await commands.leaveAgain([ann], 0);
  expect(await due()).toEqual({ unconfirmed: [], offline: [] });
  expect(await commands.read(['ann'])).toEqual([{ userId: 'ann', online: true, connections: 1, since: 1 }]);
});

test('a user who is told of after each of several losses is taken on once, and then forgotten', async () => {
  await change('add');
  await change('remove');
  for (let loss = 0; loss < 3; loss += 1) {
    await loseData();
    await commands.leaveAgain([ann], 0);
    expect(await due()).toEqual({ unconfirmed: [], offline: [] });
  }
  await endGrace('gone');
  expect(await due()).toEqual({ unconfirmed: ['ann'], offline: [] });
  // Not confirmed yet: another node takes the user on only after a lease.
  expect(await due()).toEqual({ unconfirmed: [], offline: [] });
  await commands.confirm([ann]);
  expect(await server.command('KEYS', '*:{0}:gone')).toEqual([]);
  expect(await server.command('KEYS', '*:{0}:accounts')).toEqual([]);
});

test('a loss between the offline event and its confirmation causes one more event at most, and none for a user who is back', async () => {
  await change('add');
  await change('remove');
  await endGrace('leaving');
  expect(await due()).toEqual({ unconfirmed: [], offline: ['ann'] });
  await loseData();
  await commands.leaveAgain([ann], 0);
  expect(await change('add')).toBe(true);
  expect(await due()).toEqual({ unconfirmed: [], offline: [] });
  expect(await server.command('KEYS', '*:{0}:gone')).toEqual([]);
});

test('the grace time begins anew, and lasts as long as asked for', async () => {
  await commands.leaveAgain([ann], 2 * GRACE_MS);
  const endsAt = Number(await server.command('ZSCORE', 'test:{0}:gone', 'ann'));
  const [seconds] = (await server.command('TIME')) as [string];
  expect(endsAt / 1000 - Number(seconds)).toBeGreaterThan(GRACE_MS / 1000);
  await commands.leaveAgain([{ userId: 'bob', accountId: 'b' }], 0);
  await until(async () => (await server.command('ZCARD', 'test:{0}:gone')) === 2);
});

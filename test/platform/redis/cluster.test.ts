import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { slotOf } from '../../../src/platform/redis/cluster.js';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { defineScript } from '../../../src/platform/redis/script.js';
import { createSharedPresence } from '../../../src/realtime/presence/partitions.js';
import { createRateLimiter } from '../../../src/realtime/rate-limit.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { freePort, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
const undo: (() => unknown)[] = [];
const PREFIX = 'test';
const PUBSUB_SLOT = slotOf(`${PREFIX}:members`);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  expect(lines.splice(0).join('')).not.toContain('hunter2');
});
afterAll(() => cluster.dispose());

async function open(options: { url?: string; startupTimeoutMs?: number; prefix?: string } = {}): Promise<Redis> {
  const redis = await connectRedis({
    ...{ url: cluster.url, prefix: PREFIX, startupTimeoutMs: 120_000, logger },
    ...options,
  });
  undo.push(() => redis.close());
  return redis;
}

async function failureOf(options: Parameters<typeof open>[0]): Promise<string> {
  const error = await open({ startupTimeoutMs: 600_000, ...options }).then(
    () => 'started',
    (thrown: unknown) => String(thrown),
  );
  expect(error).not.toContain('hunter2');
  return error;
}

/** A node as far as presence goes. */
async function startPresence(redis: Redis, leaseMs = 2_000) {
  const nodeId = randomUUID();
  const [offline, lost]: [string[], string[]] = [[], []];
  const store = createSharedPresence({
    ...{ redis, clock: systemClock, logger, nodeId, keyPrefix: `${PREFIX}:`, graceMs: 50, leaseMs },
  });
  const { isAlone } = await store.start({
    offline: ({ userId }) => offline.push(userId),
    lost: (sockets) => lost.push(...sockets.map(({ userId }) => userId)),
    restored: () => undefined,
  });
  undo.push(() => store.stop());
  return { store, nodeId, offline, lost, isAlone };
}

const USERS = Array.from({ length: 60 }, (_, i) => `user {${i}}`);
const entryOf = (userId: string) => ({
  userId,
  socketId: `socket-of-${userId.replace(' ', '')}`,
  connectedAt: 1,
  accountId: 'a',
});

test('computes the slots of keys as Redis does', async () => {
  const [server] = cluster.servers;
  for (const key of ['', 'a', 'größe', '{a}b', 'a{b}c', 'a{}b{c}', '{{a}}', '{a', 'a}b{c}', '{a}{b}', 'x{\n}y']) {
    expect([key, slotOf(key)]).toEqual([key, await server?.command('CLUSTER', 'KEYSLOT', key)]);
  }
});

test('keeps presence, limits and messages through a fail-over and while slots move', async () => {
  const [a, b] = [await open(), await open()];
  const heard: string[] = [];
  for (const redis of [a, b]) {
    await redis.subscriber.subscribe(`${PREFIX}:channel`, (message) => heard.push(message.toString()), true);
    await redis.join();
  }
  const [near, far] = [await startPresence(a), await startPresence(b)];
  await Promise.all(USERS.map((userId) => near.store.add(entryOf(userId))));
  const areOnline = async (): Promise<boolean> =>
    (await far.store.get(USERS).catch(() => [])).filter(({ online }) => online).length === USERS.length;
  expect(await areOnline()).toBe(true);
  expect(await far.store.presentAmong(USERS)).toEqual(new Set(USERS));
  expect(await far.store.hasSockets()).toBe(true);
  expect((await far.store.nodes()).toSorted()).toEqual([near.nodeId, far.nodeId].toSorted());

  const states: boolean[] = [];
  a.onStateChange((isReady) => states.push(isReady));
  const former = a.subscriber;
  expect(former).toBeDefined();
  await cluster.failOver(PUBSUB_SLOT);
  // The connections for messages move to the new master.
  await until(
    async () => a.isReady() && b.isReady() && (await a.publisher.publish(`${PREFIX}:channel`, 'after')) === 2,
  );
  await until(() => heard.filter((message) => message === 'after').length >= 2);
  await until(areOnline);

  // Half of a slot's keys are on another server meanwhile.
  const limiter = createRateLimiter({ redis: a, keyPrefix: `${PREFIX}:` });
  const charge = () => limiter.consume('calls', 'ann', { points: 2, windowMs: 600_000 });
  await charge();
  const limited = slotOf(`${PREFIX}:limit:calls:2:600000:ann`);
  await cluster.moveSlot(limited, charge);
  await expect(charge()).rejects.toThrow('RATE_LIMITED');
  const late = entryOf('late');
  let adding: Promise<unknown> = Promise.resolve();
  const partition = [...Array(16).keys()].map((i) => slotOf(`{${i}}`));
  for (const slot of partition.slice(0, 2)) {
    await cluster.moveSlot(slot, async () => {
      adding = Promise.all([adding, near.store.add(late), ...USERS.map((userId) => near.store.add(entryOf(userId)))]);
    });
    await adding;
    await until(areOnline);
  }
  await cluster.moveSlot(PUBSUB_SLOT);
  await until(async () => (await a.publisher.publish(`${PREFIX}:channel`, 'moved')) === 2);

  await Promise.all([...USERS, 'late'].map((userId) => near.store.remove(entryOf(userId))));
  await until(() => near.offline.length + far.offline.length >= USERS.length + 1);
  expect([...near.offline, ...far.offline].toSorted()).toEqual([...USERS, 'late'].toSorted());
});

test('another node removes what a node left in some of the partitions', async () => {
  const [a, b] = [await open(), await open()];
  const survivor = await startPresence(a, 600);
  const dead = await startPresence(b, 600);
  await Promise.all(USERS.map((userId) => dead.store.add(entryOf(userId))));
  await b.close();
  await until(() => survivor.offline.length >= USERS.length);
  expect(survivor.offline.toSorted()).toEqual(USERS.toSorted());
  expect(await survivor.store.hasSockets()).toBe(false);
  // No key of the dead node is left anywhere.
  const keys = await Promise.all(cluster.servers.map((server) => server.command('KEYS', `*${dead.nodeId}*`)));
  expect(keys.flat()).toEqual([]);
});

test('rejects commands for a hung server at once, and is ready again without it', async () => {
  const redis = await open();
  const key = `${PREFIX}:key`;
  const master = await cluster.masterOf(slotOf(key));
  master.child.kill('SIGSTOP');
  try {
    await expect(redis.commands.sendCommand(['GET', key], key)).rejects.toThrow();
    await until(() => !redis.isReady());
    await cluster.promoted(slotOf(key), master);
    await until(() => redis.isReady());
    expect(await redis.commands.sendCommand(['SET', key, '1'], key)).toBe('OK');
  } finally {
    master.child.kill('SIGCONT');
  }
});

test('loads scripts on each server that does not have them', async () => {
  const redis = await open();
  const script = defineScript(`return redis.call('INCR', KEYS[1]) -- ${randomUUID()}`);
  const keys = Array.from({ length: 30 }, (_, i) => `${PREFIX}:counter:${i}`);
  const answers = await Promise.all(keys.map((key) => script(redis.commands, [key], [])));
  expect(answers).toEqual(keys.map(() => 1));
});

test('a start fails with the reason and the remedy', async () => {
  expect(await failureOf({ url: cluster.url.replace('cluster-hunter2', 'wrong-hunter2') })).toMatch(
    /WRONGPASS.*REDIS_URL/,
  );
  expect(await failureOf({ prefix: '{}' })).toMatch(/REDIS_PREFIX must not have \{\}/);
  const port = await freePort();
  expect(await failureOf({ url: `redis+cluster://:hunter2@127.0.0.1:${port}`, startupTimeoutMs: 200 })).toMatch(
    /redis\+cluster:\/\/127.0.0.1:\d+ could not be reached within 200 ms: .*ECONNREFUSED/,
  );
  const single = await startRedis();
  undo.push(() => single.dispose());
  expect(await failureOf({ url: single.url.replace('redis:', 'redis+cluster:') })).toMatch(
    /cannot be used: .*cluster support disabled.*redis:\/\//,
  );
  const [server] = cluster.servers;
  const master = await cluster.masterOf(0);
  expect(server).toBeDefined();
  expect(await failureOf({ url: `redis://:cluster-hunter2@127.0.0.1:${master.port}`, startupTimeoutMs: 500 })).toMatch(
    /(MOVED|READONLY|CROSSSLOT).*redis\+cluster:\/\//,
  );
});

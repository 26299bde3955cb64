import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { slotOf } from '../../../src/platform/redis/cluster.js';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { defineScript } from '../../../src/platform/redis/script.js';
import { type Clock, systemClock } from '../../../src/platform/time/clock.js';
import { createSharedPresence } from '../../../src/realtime/presence/partitions.js';
import { createRateLimiter } from '../../../src/realtime/rate-limit.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { freePort, startRedis } from '../../support/redis-server.js';
import { startFailureOf } from '../../support/start-failure.js';
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
  const redis = await connectRedis({ url: cluster.url, prefix: PREFIX, startupTimeoutMs: 120_000, logger, ...options });
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
async function startPresence(shared: Redis, leaseMs = 2_000, keyPrefix = `${PREFIX}:`) {
  const nodeId = randomUUID();
  let isKilled = false;
  const onStateChange: Redis['onStateChange'] = (listener) =>
    shared.onStateChange((state) => !isKilled && listener(state));
  const redis = { ...shared, onStateChange };
  const whileAlive = (task: () => void) => () => void (isKilled || task());
  const clock: Clock = {
    now: systemClock.now,
    after: (delayMs, task) => systemClock.after(delayMs, whileAlive(task)),
    every: (intervalMs, task) => systemClock.every(intervalMs, whileAlive(task)),
  };
  const [offline, lost]: [string[], string[]] = [[], []];
  const store = createSharedPresence({ redis, clock, logger, nodeId, keyPrefix, graceMs: 50, leaseMs });
  const { isAlone } = await store.start({
    offline: ({ userId }) => offline.push(userId),
    lost: (sockets) => lost.push(...sockets.map(({ userId }) => userId)),
    online: () => undefined,
    restored: () => undefined,
  });
  undo.push(() => (isKilled ? undefined : store.stop()));
  const kill = (): void => {
    isKilled = true;
  };
  return { store, nodeId, offline, lost, isAlone, kill };
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
  await cluster.failOver(PUBSUB_SLOT);
  // The connections for messages move to the new master.
  await until(
    async () => a.isReady() && b.isReady() && (await a.publisher.publish(`${PREFIX}:channel`, 'after')) === 2,
  );
  await until(() => heard.filter((message) => message === 'after').length >= 2);
  await until(areOnline);

  // Half of a slot's keys are on another server meanwhile.
  const limiter = createRateLimiter({ redis: a, keyPrefix: `${PREFIX}:` });
  const charge = () => limiter.consume({ name: 'calls', key: 'ann', limit: { points: 2, windowMs: 600_000 } });
  const counter = `${PREFIX}:limit:calls:2:600000:ann`;
  const countOf = async () => Number(await a.commands.sendCommand(['GET', counter], counter).catch(() => 0));
  // While Redis cannot be reached in time the node counts by itself, and accepts more.
  const chargeUntil = (count: number) =>
    until(async () => {
      await charge().catch(() => undefined);
      return (await countOf()) >= count;
    });
  await chargeUntil(1);
  await cluster.moveSlot(slotOf(counter), { half: () => chargeUntil(2) });
  expect(await countOf()).toBeGreaterThanOrEqual(2);
  await until(() =>
    charge().then(
      () => false,
      (error: Error) => error.message === 'RATE_LIMITED',
    ),
  );
  const late = entryOf('late');
  let adding: Promise<unknown> = Promise.resolve();
  const partition = [...Array(16).keys()].map((i) => slotOf(`{${i}}`));
  for (const slot of partition.slice(0, 2)) {
    const add = async (): Promise<void> => {
      adding = Promise.all([adding, near.store.add(late), ...USERS.map((userId) => near.store.add(entryOf(userId)))]);
    };
    await cluster.moveSlot(slot, { half: add });
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

/** A connection that ends with the process: after the `steps`th command that removes sockets, no reply arrives. */
function toCrashing(redis: Redis, steps: number): { redis: Redis; hasCrashed(): boolean } {
  let left = steps;
  const { commands } = redis;
  const sendCommand: typeof commands.sendCommand = async (args, key) => {
    if (left <= 0) throw new Error('crashed');
    const reply = await commands.sendCommand(args, key);
    if (args.some((arg) => arg.includes(':reaper:'))) left -= 1;
    if (left <= 0) throw new Error('crashed');
    return reply as never;
  };
  const crashing = Object.assign(Object.create(commands) as typeof commands, { sendCommand });
  return { redis: { ...redis, commands: crashing, addProbe: () => () => undefined }, hasCrashed: () => left <= 0 };
}

test('a crash after any step of the removal leaves the rest to another node', async () => {
  const redis = await open();
  const runs = [1, 2, 3, 4, 5, 8, 13, 21].map(async (steps) => {
    const keyPrefix = `crash-${steps}:`;
    const dead = await startPresence(toCrashing(redis, Number.POSITIVE_INFINITY).redis, 600, keyPrefix);
    await Promise.all(USERS.map((userId) => dead.store.add(entryOf(userId))));
    dead.kill();
    const crashing = toCrashing(redis, steps);
    const first = await startPresence(crashing.redis, 600, keyPrefix);
    await until(crashing.hasCrashed);
    first.kill();
    const second = await startPresence(redis, 600, keyPrefix);
    const offline = () => new Set([...first.offline, ...second.offline]);
    await until(() => offline().size === USERS.length);
    await until(async () => !(await second.store.hasSockets()));
    expect((await second.store.get(USERS)).some(({ online }) => online)).toBe(false);
  });
  await Promise.all(runs);
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

test('runs a script on a key that is moved to a server that does not have the script', async () => {
  const redis = await open();
  const script = defineScript(`return redis.call('INCR', KEYS[1]) -- ${randomUUID()}`);
  const key = `${PREFIX}:moved`;
  const run = () => script(redis.commands, [key], []);
  expect(await run()).toBe(1);
  await cluster.moveSlot(slotOf(key), {
    async moved() {
      expect(await run()).toBe(2);
    },
  });
  expect(await run()).toBe(3);
});

test('a start fails with the reason and the remedy', async () => {
  expect(await failureOf({ url: cluster.url.replace('cluster-hunter2', 'wrong-hunter2') })).toMatch(
    /WRONGPASS.*REDIS_URL/,
  );
  expect(await failureOf({ prefix: '{}' })).toMatch(/REDIS_PREFIX must not have \{\}/);
  const free = await freePort();
  const away = `redis+cluster://:hunter2@127.0.0.1:${free}`;
  const failure = await startFailureOf((startupTimeoutMs) => open({ url: away, startupTimeoutMs }));
  expect(failure).toMatch(/redis\+cluster:\/\/127.0.0.1:\d+ could not be reached within \d+ ms: .*ECONNREFUSED/);
  expect(failure).not.toContain('hunter2');
  const single = await startRedis();
  undo.push(() => single.dispose());
  expect(await failureOf({ url: single.url.replace('redis:', 'redis+cluster:') })).toMatch(
    /cannot be used: .*cluster support disabled.*redis:\/\//,
  );
  for (const { port } of cluster.servers) {
    const url = `redis://:cluster-hunter2@127.0.0.1:${port}`;
    expect(await failureOf({ url })).toMatch(/cannot be used: .*node of a Redis Cluster\. .*redis\+cluster:\/\//);
  }
});

import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { startSentinels, type TestSentinels } from '../../support/redis-sentinel.js';
import { freePort } from '../../support/redis-server.js';
import { startFailureOf } from '../../support/start-failure.js';
import { until } from '../../support/until.js';

const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
const undo: (() => unknown)[] = [];
let servers: TestSentinels;

beforeAll(async () => {
  servers = await startSentinels();
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  // No password is logged, whatever happened.
  expect(lines.splice(0).join('')).not.toContain('hunter2');
});
afterAll(() => servers.dispose());

async function open(options: { url?: string; startupTimeoutMs?: number } = {}): Promise<Redis> {
  const redis = await connectRedis({ url: servers.url, prefix: 'test', startupTimeoutMs: 120_000, logger, ...options });
  undo.push(() => redis.close());
  return redis;
}

/** The text of the error of a start that fails at once. */
async function failureOf(url: string): Promise<string> {
  const error = await open({ url, startupTimeoutMs: 600_000 }).then(
    () => 'started',
    (thrown: unknown) => String(thrown),
  );
  expect(error).not.toContain('hunter2');
  return error;
}

/** The text of the error of a start that fails at its time limit. */
async function lateFailureOf(url: string): Promise<string> {
  const error = await startFailureOf((startupTimeoutMs) => open({ url, startupTimeoutMs }));
  expect(error).not.toContain('hunter2');
  return error;
}

test('a start fails with the remedy when a sentinel or a replica is named as a single Redis', async () => {
  const [sentinel] = servers.sentinels;
  const sentinelUrl = `redis://:sentinel-hunter2@127.0.0.1:${sentinel?.port}`;
  expect(await failureOf(sentinelUrl)).toMatch(/the server is a sentinel\. .*redis\+sentinel/);
  const master = await servers.master();
  const replica = servers.servers.find((server) => server !== master);
  const replicaUrl = `redis://:server-hunter2@127.0.0.1:${replica?.port}`;
  expect(await lateFailureOf(replicaUrl)).toMatch(/READONLY.*REDIS_URL must name the master/);
});

test('connects to the master, and finds the new one after a fail-over', async () => {
  const redis = await open();
  const heard: string[] = [];
  await redis.subscriber.subscribe('test:channel', (message) => heard.push(message.toString()), true);
  await redis.join();
  await redis.commands.sendCommand(['SET', 'test:before', '1']);
  const states: boolean[] = [];
  redis.onStateChange((isReady) => states.push(isReady));

  await servers.failOver();
  await until(() => states.includes(false) && redis.isReady());
  const master = await servers.master();
  expect(redis.commands.server).toEqual({ host: '127.0.0.1', port: master.port });
  expect(await redis.commands.sendCommand(['GET', 'test:before'])).toBe('1');
  expect(await redis.publisher.publish('test:channel', 'after')).toBe(1);
  await until(() => heard.includes('after'));
});

test('rejects commands at once while the master is away', async () => {
  const redis = await open();
  const master = await servers.master();
  master.child.kill('SIGSTOP');
  try {
    await expect(redis.commands.sendCommand(['GET', 'key'])).rejects.toThrow();
    await until(() => !redis.isReady());
    await expect(redis.commands.sendCommand(['GET', 'key'])).rejects.toThrow('not connected');
    await servers.promoted(master);
    await until(() => redis.isReady());
  } finally {
    master.child.kill('SIGCONT');
  }
  await redis.ping();
  expect(redis.commands.server?.port).not.toBe(master.port);
});

test('starts with one sentinel of three, and without the others', async () => {
  const [, , last] = servers.sentinels;
  const url = servers.url.replace(
    /@.*\//,
    `@127.0.0.1:${await freePort()},127.0.0.1:${await freePort()},127.0.0.1:${last?.port}/`,
  );
  await (await open({ url })).ping();
});

test('a start fails at once with the name of an unknown master', async () => {
  const error = await failureOf(servers.url.replace('/main', '/other'));
  expect(error).toMatch(
    /Redis at redis\+sentinel:\/\/127\S+\/other cannot be used: .*named other\. Check the name .*REDIS_URL/,
  );
});

test.each([
  ['the servers', /:server-hunter2@/, ':wrong-hunter2@'],
  ['the sentinels', /=sentinel-hunter2/, '=wrong-hunter2'],
])('a start fails at once with a wrong password for %s', async (_, right, wrong) => {
  expect(await failureOf(servers.url.replace(right, wrong))).toMatch(/WRONGPASS.*REDIS_URL/);
});

test('a start without any sentinel names them', async () => {
  const port = await freePort();
  const error = await lateFailureOf(`redis+sentinel://:hunter2@127.0.0.1:${port}/main`);
  expect(error).toMatch(new RegExp(`could not be reached within \\d+ ms: sentinel 127.0.0.1:${port}: .*ECONNREFUSED`));
});

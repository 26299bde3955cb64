import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connect, refusal } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import type { TestGateway } from '../support/gateway.js';
import { startRedisProcess } from '../support/redis-sentinel.js';
import { freePort, type TestRedis } from '../support/redis-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { until } from '../support/until.js';

/* Two nodes with a Redis that refuses commands. */

const RIGHTS = ['on', 'nopass', '~*', '&*', '+@all'];
/** The special characters of Redis patterns, which must have no effect in the prefix. */
const REDIS_PREFIX = '{a}[b]*?\\';
let environment: TestEnvironment;
let redis: TestRedis;
let a: TestGateway;
let b: TestGateway;

const start = (user: string, env: Record<string, string> = {}): Promise<TestGateway> =>
  environment.startNode({
    REDIS_URL: redis.url.replace('redis://', `redis://${user}:any@`),
    REDIS_PREFIX,
    EVENT_LIMIT: '5',
    EVENT_LIMIT_WINDOW_MS: '600000',
    ...env,
  });

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0, hasRedis: true });
  redis = environment.redis();
  for (const user of ['a', 'b']) await redis.command('ACL', 'SETUSER', user, ...RIGHTS);
  a = await start('a');
  b = await start('b');
});
afterAll(() => environment.close());

const isReady = async (node: TestGateway, expected: boolean): Promise<boolean> =>
  (await node.call('GET', '/health/ready')).status === (expected ? 200 : 503);
const presenceOf = async (node: TestGateway, userId: string) =>
  (await node.call('GET', `/users/${userId}/presence`)).json;
const lossesOf = async (node: TestGateway): Promise<number> =>
  Number(/^gateway_redis_publish_failures_total (\d+)$/m.exec((await node.call('GET', '/metrics')).text)?.[1]);

test.each([
  ['OOM', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ['NOREPLICAS', ['CONFIG', 'SET', 'min-replicas-to-write', '1'], ['CONFIG', 'SET', 'min-replicas-to-write', '0']],
  ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
])(
  '%s: not ready and no presence, but events and limits of each node, until it is over',
  async (code, breaks, mends) => {
    const uid = `user of ${code}`;
    const [near, far] = await Promise.all([connect(a, { claims: { uid } }), connect(b, { claims: { uid } })]);
    await until(async () => (await presenceOf(a, uid)).data?.connections === 2);

    await redis.command(...breaks);
    await until(async () => (await isReady(a, false)) && (await isReady(b, false)));
    expect((await a.call('GET', '/health/ready')).json.missing).toEqual(['redis']);
    for (const node of [a, b])
      expect(await presenceOf(node, uid)).toMatchObject({ errno: 503, message: 'UNAVAILABLE' });
    expect((await a.call('POST', `/emit/${encodeURIComponent(uid)}/during`, { n: 1 })).status).toBe(200);
    expect(await near.next('during')).toEqual([{ n: 1 }]);
    const answers: string[] = [];
    for (let i = 0; i < 6; i++) answers.push((await near.ask('join')).message);
    expect(answers).toEqual([...Array.from({ length: 5 }, () => 'SUCCESS'), 'RATE_LIMITED']);

    await redis.command(...mends);
    await until(async () => (await isReady(a, true)) && (await isReady(b, true)));
    await a.call('POST', `/emit/${encodeURIComponent(uid)}/after`, { n: 2 });
    expect(await far.next('after')).toEqual([{ n: 2 }]);
    await until(async () => (await presenceOf(b, uid)).data?.connections === 2);
    near.close();
    far.close();
  },
);

test('a hanging Redis delays no call', async () => {
  const claims = { uid: 'patient' };
  const client = await connect(a, { claims });
  const processId = Number(/process_id:(\d+)/.exec(String(await redis.command('INFO', 'server')))?.[1]);
  process.kill(processId, 'SIGSTOP');
  try {
    const [presence, emit, answer] = await Promise.all([
      presenceOf(a, 'patient'),
      a.call('POST', '/emit/patient/during', { n: 1 }),
      client.ask('join'),
    ]);
    expect(presence).toMatchObject({ errno: 503, message: 'UNAVAILABLE' });
    expect(emit.status).toBe(200);
    expect(answer.message).toBe('SUCCESS');
    expect(await client.next('during')).toEqual([{ n: 1 }]);
    await until(() => isReady(a, false));
  } finally {
    process.kill(processId, 'SIGCONT');
  }
  await until(async () => (await isReady(a, true)) && (await isReady(b, true)));
  await until(async () => (await presenceOf(b, 'patient')).data?.connections === 1);
  client.close();
});

test('while Redis hangs a block ends the sockets of other nodes all the same, a disconnect alone only those of its node', async () => {
  const open = (node: TestGateway, uid: string) => connect(node, { claims: { uid } });
  const [barred, near, far] = await Promise.all([open(b, 'barred'), open(a, 'sent-away'), open(b, 'sent-away')]);
  const processId = Number(/process_id:(\d+)/.exec(String(await redis.command('INFO', 'server')))?.[1]);
  process.kill(processId, 'SIGSTOP');
  try {
    expect((await a.call('POST', '/users/sent-away/disconnect', {})).status).toBe(200);
    expect(await near.closed).toBe('io server disconnect');
    expect((await a.call('POST', '/users/barred/disconnect', { block_seconds: 60 })).status).toBe(200);
    expect(await barred.next('disconnected')).toEqual([{ reason: 'blocked' }]);
    expect(await barred.closed).toBe('io server disconnect');
    expect((await refusal(b, { claims: { uid: 'barred' } })).message).toBe('FORBIDDEN');
    expect((await far.ask('join')).message).toBe('SUCCESS');
  } finally {
    process.kill(processId, 'SIGCONT');
  }
  await until(async () => (await isReady(a, true)) && (await isReady(b, true)));
  far.close();
});

test('an event for a node whose subscriptions are refused counts as lost on the node that sends it', async () => {
  const far = await connect(b, { claims: { uid: 'far' } });
  await a.call('POST', '/emit/far/first', {});
  await far.next('first');
  const before = await lossesOf(a);

  await redis.command('ACL', 'SETUSER', 'b', 'resetchannels');
  await until(() => isReady(b, false));
  await until(() => isReady(a, true));
  expect(await presenceOf(b, 'far')).toMatchObject({ errno: 503, message: 'UNAVAILABLE' });
  await a.call('POST', '/emit/far/lost', {});
  await until(async () => (await lossesOf(a)) === before + 1);

  await redis.command('ACL', 'SETUSER', 'b', 'allchannels');
  await until(() => isReady(b, true));
  await a.call('POST', '/emit/far/last', {});
  await far.next('last');
  expect(far.received('lost')).toEqual([]);
  expect(await lossesOf(a)).toBe(before + 1);
  far.close();
});

test('a node that stops causes no lost events on others', async () => {
  const before = await lossesOf(a);
  const c = await start('a');
  await a.call('POST', '/emit/nowhere/event', {});
  await c.close();
  await a.call('POST', '/emit/nowhere/event', {});
  // Answered after the events before it.
  await until(() => isReady(a, true));
  expect(await lossesOf(a)).toBe(before);
});

test('a node that may not subscribe to its namespaces does not start, and reports the reason', async () => {
  const channels = `&${REDIS_PREFIX.replace(/[\\*?[\]]/g, '\\$&')}`;
  const rights = ['resetchannels', `${channels}:check:*`, `${channels}:echo:*`];
  await redis.command('ACL', 'SETUSER', 'limited', ...RIGHTS, ...rights);
  await expect(start('limited')).rejects.toThrow(/^Redis at .* cannot be used: NOPERM.*channel.* ACL SETUSER .*$/);
});

/** Starts a Redis without some commands. @returns its URL */
async function startWithout(...commands: string[]): Promise<string> {
  const lines = commands.map((command) => `rename-command ${command} ""`);
  const options = { directory: await temporaryDirectory(), port: await freePort(), password: 'hunter2' };
  const { port, kill } = await startRedisProcess({ ...options, lines });
  onTestFinished(kill);
  return `redis://:hunter2@127.0.0.1:${port}`;
}

test('a Redis whose operator took INFO and dangerous commands away is enough', async () => {
  const url = await startWithout('INFO', 'CONFIG', 'KEYS', 'FLUSHALL', 'FLUSHDB', 'CLIENT', 'DEBUG');
  const node = await environment.startNode({ REDIS_URL: url });
  const client = await connect(node, { claims: { uid: 'eve' } });
  expect(await isReady(node, true)).toBe(true);
  await until(async () => (await presenceOf(node, 'eve')).data?.connections === 1);
  client.close();
  await node.close();
});

test.each(['PUBLISH', 'EVALSHA', 'ZADD'])(
  'a start with a Redis without %s fails at once with the remedy',
  async (command) => {
    const url = await startWithout(command);
    // The time limit of the test is shorter.
    const start = environment.startNode({ REDIS_URL: url, STARTUP_TIMEOUT_MS: '600000' });
    await expect(start).rejects.toThrow(/cannot be used: ERR unknown (redis )?command.*rename-command/i);
  },
);

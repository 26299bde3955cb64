import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

/** A Redis that stands, answers a ping, and refuses what the gateway needs. */

const RIGHTS = ['on', 'nopass', '~*', '&*', '+@all'];
const undo: (() => unknown)[] = [];
const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
let server: TestRedis;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.dispose());
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  await run(MENDING);
  lines.length = 0;
});

const MENDING = [
  ['CONFIG', 'SET', 'maxmemory', '0'],
  ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
  ['CONFIG', 'SET', 'maxclients', '10000'],
  ['CONFIG', 'SET', 'replica-serve-stale-data', 'yes'],
  ['REPLICAOF', 'NO', 'ONE'],
  ['ACL', 'SETUSER', 'default', 'reset', ...RIGHTS],
  ['FLUSHALL'],
] as const;

async function open(
  options: { url?: string; startupTimeoutMs?: number; onMessagesLost?: () => void } = {},
): Promise<Redis> {
  const redis = await connectRedis({ url: server.url, prefix: 'test', startupTimeoutMs: 120_000, logger, ...options });
  undo.push(() => redis.close());
  return redis;
}

/** Opens the subscriptions of the adapter of a namespace, and says that the node may be sent something. */
async function join(redis: Redis, onMessage: () => void = () => undefined): Promise<Redis> {
  void redis.subscriber.pSubscribe('test#/#*', onMessage, true);
  void redis.subscriber.subscribe(['test-request#/#', 'test-response#/#'], () => undefined, true);
  await redis.join();
  return redis;
}

const urlOf = (user: string): string => server.url.replace('redis://', `redis://${user}@`);

/** Names of commands to run, one after the other. */
type Commands = readonly (readonly string[])[];
const run = async (commands: Commands): Promise<void> => {
  for (const command of commands) await server.command(...command);
};

describe('a start', () => {
  test.each([
    ['channels', ['resetchannels'], /NOPERM.*channel/],
    ['the right to psubscribe', ['-psubscribe'], /NOPERM.*psubscribe/],
    ['the right to subscribe', ['-subscribe'], /NOPERM.*'subscribe/],
    ['the right to publish', ['-publish'], /NOPERM.*publish/],
    ['the right to run scripts', ['-evalsha'], /NOPERM.*evalsha/],
    ['the right to load scripts', ['-script'], /NOPERM.*script/],
    ['a command that scripts use', ['-zadd'], /executing the script can't|ACL failure in script/],
    ['keys', ['resetkeys', '~other:*'], /NOPERM.*key/],
  ])('without %s fails at once with the reason and a sufficient ACL', async (_, rights, reason) => {
    await server.command('SCRIPT', 'FLUSH');
    await server.command('ACL', 'SETUSER', 'limited', 'reset', ...RIGHTS, '>secret', ...rights);
    // The time limit of the test is shorter: it does not wait for what time cannot mend.
    const start = open({ url: urlOf('limited:secret'), startupTimeoutMs: 600_000 }).then(join);
    const error: unknown = await start.catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(reason);
    expect(String(error)).toContain(`Redis at redis://127.0.0.1:${server.port} cannot be used`);
    expect(String(error)).not.toContain('secret');

    const advice = /ACL SETUSER (.*)$/.exec(String(error))?.[1] ?? '';
    const words = advice.replace('<user>', 'advised').replace('<password>', 'secret').split(' ');
    await server.command('ACL', 'SETUSER', ...words);
    const redis = await open({ url: urlOf('advised:secret') });
    await join(redis);
    expect(redis.isReady()).toBe(true);
  });

  test.each([
    ['a wrong password', 'limited:wrong', /WRONGPASS.*REDIS_URL/],
    ['an unknown user', 'unknown:wrong', /WRONGPASS.*REDIS_URL/],
  ])('with %s fails at once', async (_, credentials, reason) => {
    await server.command('ACL', 'SETUSER', 'limited', 'reset', ...RIGHTS, 'resetpass', '>secret');
    await expect(open({ url: urlOf(credentials), startupTimeoutMs: 600_000 })).rejects.toThrow(reason);
  });

  test('without the required password fails at once', async () => {
    await server.command('ACL', 'SETUSER', 'default', 'resetpass', '>secret');
    await expect(open({ startupTimeoutMs: 600_000 })).rejects.toThrow(/NOAUTH.*REDIS_URL/);
  });

  test('with a missing database number fails at once', async () => {
    const attempt = open({ url: `${server.url}/99`, startupTimeoutMs: 600_000 });
    await expect(attempt).rejects.toThrow(/DB index is out of range/);
  });

  test.each([
    ['a replica', [['REPLICAOF', '127.0.0.1', '1']], /READONLY.*REDIS_URL must name the master/],
    ['a Redis without memory', [['CONFIG', 'SET', 'maxmemory', '1']], /OOM.*maxmemory/],
    [
      'a Redis without replicas',
      [['CONFIG', 'SET', 'min-replicas-to-write', '1']],
      /NOREPLICAS.*min-replicas-to-write/,
    ],
    ['a Redis with too many clients', [['CONFIG', 'SET', 'maxclients', '1']], /max number of clients.*\(maxclients\)/],
  ] as [string, Commands, RegExp][])('on %s fails when the time is over', async (_, commands, reason) => {
    await run(commands);
    await expect(open({ startupTimeoutMs: 1_000 })).rejects.toThrow(reason);
  });

  test('waits for a fail-over', async () => {
    await server.command('REPLICAOF', '127.0.0.1', '1');
    const opening = open();
    await until(() => lines.some((line) => line.includes('READONLY')));
    await server.command('REPLICAOF', 'NO', 'ONE');
    expect((await opening).isReady()).toBe(true);
  });
});

const KILL: Commands = [['CLIENT', 'KILL', 'USER', 'default']];

describe('a running node', () => {
  test.each([
    ['OOM', [['CONFIG', 'SET', 'maxmemory', '1']]],
    ['NOREPLICAS', [['CONFIG', 'SET', 'min-replicas-to-write', '1']]],
    ['READONLY', [['REPLICAOF', '127.0.0.1', '1']]],
    [
      'MASTERDOWN',
      [
        ['CONFIG', 'SET', 'replica-serve-stale-data', 'no'],
        ['REPLICAOF', '127.0.0.1', '1'],
      ],
    ],
    ['NOPERM', [['ACL', 'SETUSER', 'default', 'resetchannels']]],
    ['NOPERM', [['ACL', 'SETUSER', 'default', '-psubscribe'], ...KILL]],
    ['NOPERM', [['ACL', 'SETUSER', 'default', '-publish']]],
    ['NOPERM', [['ACL', 'SETUSER', 'default', '-evalsha']]],
    ["executing the script can't|ACL failure in script", [['ACL', 'SETUSER', 'default', '-@write']]],
    ['NOPERM', [['ACL', 'SETUSER', 'default', 'resetkeys']]],
    ['WRONGPASS|NOAUTH', [['ACL', 'SETUSER', 'default', 'resetpass', '>new'], ...KILL]],
    ['WRONGPASS|NOAUTH', [['ACL', 'SETUSER', 'default', 'off'], ...KILL]],
    ['max number of clients', [['CONFIG', 'SET', 'maxclients', '1'], ...KILL]],
  ] as [string, Commands][])(
    'is not ready while Redis says %s (%j), and recovers by itself',
    async (reason, commands) => {
      const redis = await join(await open());
      const states: boolean[] = [];
      redis.onStateChange((isReady) => states.push(isReady));
      await run(commands);
      // A self-check each second would notice as well.
      await until(() =>
        redis.ping().then(
          () => false,
          () => true,
        ),
      );
      expect(redis.isReady()).toBe(false);
      await until(() => lines.some((line) => new RegExp(reason).test(line)));
      // Some more checks are as many lines only for a new reason.
      for (let i = 0; i < 5; i++) await redis.ping().catch(() => undefined);
      const errors = lines.map((line): { level: number; err?: { message: string } } => JSON.parse(line));
      const reasons = errors.filter(({ level }) => level === 50).map(({ err }) => err?.message);
      expect(reasons.length).toBeLessThanOrEqual(4);
      await run(MENDING);
      await until(() =>
        redis.ping().then(
          () => true,
          () => false,
        ),
      );
      expect(states).toEqual([false, true]);

      let isHeard = false;
      void redis.subscriber.subscribe(
        'test:hello',
        () => {
          isHeard = true;
        },
        true,
      );
      await redis.ping();
      await redis.publisher.publish('test:hello', 'hello');
      await redis.ping();
      expect(isHeard).toBe(true);
    },
  );

  test('detects refusals of Redis, and their end', async () => {
    const redis = await join(await open());
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    await until(() => !redis.isReady());
    await run(MENDING);
    await until(() => redis.isReady());
  });

  test('reconnects when its server is no longer the primary', async () => {
    const other = await startRedis();
    undo.push(() => other.dispose());
    const proxy = await startProxy(server);
    const redis = await join(await open({ url: proxy.url }));
    // The address now leads to the new master, the old connections still to the old one.
    proxy.setTarget(other);
    await server.command('REPLICAOF', '127.0.0.1', String(other.port));
    await until(async () => /name=|user=default/.test(String(await other.command('CLIENT', 'LIST', 'TYPE', 'pubsub'))));
    await until(() => redis.isReady());
    await redis.commands.sendCommand(['SET', 'test:key', 'value']);
    expect(await other.command('GET', 'test:key')).toBe('value');
  });

  test('detects that publisher and subscriber are on different servers', async () => {
    const other = await startRedis();
    undo.push(() => other.dispose());
    const proxy = await startProxy(server);
    const redis = await join(await open({ url: proxy.url }));
    let heard = 0;
    void redis.subscriber.subscribe(
      'test:hello',
      () => {
        heard += 1;
      },
      true,
    );
    await redis.ping();
    proxy.setTarget(other);
    await server.command('CLIENT', 'KILL', 'USER', 'default', 'TYPE', 'normal');
    await until(() => lines.some((line) => line.includes('did not reach its own subscriptions')));
    await until(() => redis.isReady());
    await redis.publisher.publish('test:hello', 'hello');
    await redis.ping();
    expect(heard).toBe(1);
  });
});

test('a Redis in protected mode is named in one sentence, without the advice to open it to everyone', async () => {
  const advice = "1) Just disable protected mode sending the command 'CONFIG SET protected-mode no'";
  const text = `-DENIED Redis is running in protected mode. In this mode connections are only accepted from the loopback interface. ${advice}.\r\n`;
  const refusing = createServer((socket) => void socket.on('error', () => undefined).end(text)).listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  undo.push(() => refusing.close());
  const { port } = refusing.address() as AddressInfo;
  await expect(open({ url: `redis://127.0.0.1:${port}` })).rejects.toThrow(
    `Redis at redis://127.0.0.1:${port} cannot be used: DENIED Redis is running in protected mode. Give Redis a password, and name it in REDIS_URL.`,
  );
});

/** Connections to it lead to whatever server is its target when they are made. */
async function startProxy(first: TestRedis): Promise<{ url: string; setTarget(server: TestRedis): void }> {
  let target = first;
  const proxy = createServer((near) => {
    const far = connectTcp(target.port, '127.0.0.1');
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  undo.push(() => proxy.close());
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  const setTarget = (server: TestRedis): void => {
    target = server;
  };
  return { url: `redis://127.0.0.1:${address.port}`, setTarget };
}

describe('a message', () => {
  test('counts as lost when an expected node is not subscribed', async () => {
    let lost = 0;
    await server.command('ACL', 'SETUSER', 'other', 'reset', ...RIGHTS, '>secret');
    const a = await join(
      await open({
        onMessagesLost: () => {
          lost += 1;
        },
      }),
    );
    const b = await join(await open({ url: urlOf('other:secret') }));
    await a.publisher.publish('test#/#room#', 'message');
    expect(lost).toBe(0);

    await server.command('ACL', 'SETUSER', 'other', 'resetchannels');
    await until(() => !b.isReady());
    await a.publisher.publish('test#/#room#', 'message');
    expect(lost).toBe(1);
    // Channels that not each node subscribes to say nothing.
    await a.publisher.publish('test-response#/#someone#', 'message');
    expect(lost).toBe(1);
    expect(a.isReady()).toBe(true);

    await server.command('ACL', 'SETUSER', 'other', 'allchannels');
    await until(() => b.isReady());
    await a.publisher.publish('test#/#room#', 'message');
    expect(lost).toBe(1);

    // One that leaves says so before it unsubscribes.
    await b.leave();
    await b.close();
    await a.publisher.publish('test#/#room#', 'message');
    expect(lost).toBe(1);
  });

  test('counts as lost while the other node has not resubscribed after a restart of Redis', async () => {
    const own = await startRedis();
    undo.push(() => own.dispose());
    let lost = 0;
    let heard = 0;
    const a = await join(
      await open({
        url: own.url,
        onMessagesLost: () => {
          lost += 1;
        },
      }),
      () => {
        heard += 1;
      },
    );
    const proxy = await startProxy(own);
    const b = await join(await open({ url: proxy.url }));
    // It comes after the announcement that the other node has joined.
    await b.publisher.publish('test#/#room#', 'barrier');
    await until(() => heard === 1);
    // From now on the other node reaches a port where nothing listens.
    proxy.setTarget({ ...own, port: 1 });
    await own.stop();
    await until(() => !a.isReady() && !b.isReady());
    await a.publisher.publish('test#/#room#', 'message');
    expect(lost).toBe(1);
    await own.start();
    await until(() => a.isReady());
    await a.publisher.publish('test#/#room#', 'message');
    expect(lost).toBe(2);
    proxy.setTarget(own);
    await until(() => b.isReady());
    await a.publisher.publish('test#/#room#', 'message');
    expect(lost).toBe(2);
  });
});

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import { pino } from 'pino';
import { Server } from 'socket.io';
import { type Socket as Client, io as connect } from 'socket.io-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRedisAdapter, toEveryNodeChannel } from '../../../src/library-internals/redis-adapter.js';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { createRouter } from '../../../src/realtime/routing/router.js';
import { freePort, startRedis, type TestRedis } from '../../support/redis-server.js';
import { startFailureOf } from '../../support/start-failure.js';
import { until } from '../../support/until.js';

/** Longer than any time limit of a connection. */
const PAUSE_MS = 7_000;

const logger = pino({ enabled: false });
const undo: (() => unknown)[] = [];
const unhandled: unknown[] = [];
const noteUnhandled = (reason: unknown): void => void unhandled.push(reason);
let server: TestRedis;

beforeEach(async () => {
  process.on('unhandledRejection', noteUnhandled);
  server = await startRedis();
  undo.push(() => server.dispose());
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  process.off('unhandledRejection', noteUnhandled);
  expect(unhandled.splice(0)).toEqual([]);
});

async function open(onMessagesLost?: (messages: number) => void, log = logger): Promise<Redis> {
  const options = { url: server.url, prefix: 'test', startupTimeoutMs: 120_000, logger: log };
  const redis = await connectRedis(onMessagesLost === undefined ? options : { ...options, onMessagesLost });
  undo.push(() => redis.close());
  return redis;
}

const stateOf = (redis: Redis, isReady: boolean): Promise<void> => until(() => redis.isReady() === isReady);

async function processIdOf(redis: Redis): Promise<number> {
  const info = await redis.commands.sendCommand<string>(['INFO', 'server']);
  return Number(/process_id:(\d+)/.exec(info)?.[1]);
}

describe('the first connection', () => {
  test('fails with the address and the cause, without the password', async () => {
    const url = `redis://user:hunter2@127.0.0.1:${await freePort()}`;
    const error = await startFailureOf((startupTimeoutMs) =>
      connectRedis({ url, prefix: 'test', startupTimeoutMs, logger }),
    );
    expect(error).toMatch(/127\.0\.0\.1:\d+.*\d{3,} ms.*ECONNREFUSED/);
    expect(error).not.toContain('hunter2');
  });

  test('does not quote an invalid URL', async () => {
    const attempt = connectRedis({ url: 'hunter2@nowhere', prefix: 'test', startupTimeoutMs: 200, logger });
    await expect(attempt).rejects.toThrow('redis://');
    await expect(attempt).rejects.not.toThrow('hunter2');
  });

  test('to a Redis that works is logged as ready, and as nothing before', async () => {
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(JSON.parse(line).msg);
    const options = { url: server.url, prefix: 'test', startupTimeoutMs: 120_000, logger: pino({}, { write }) };
    const redis = await connectRedis(options);
    undo.push(() => redis.close());
    expect(lines).toEqual(['dependency ready']);
  });

  test.each([
    ['of the default prefix warns', '/1', 'general-socket', 1],
    ['of another prefix does not', '/1', 'test', 0],
    ['that is the first one does not', '/0', 'general-socket', 0],
  ])('to a database %s that messages reach all databases', async (_case, database, prefix, warnings) => {
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(JSON.parse(line).msg);
    const options = { prefix, startupTimeoutMs: 120_000, logger: pino({}, { write }) };
    const redis = await connectRedis({ ...options, url: `${server.url}${database}` });
    undo.push(() => redis.close());
    expect(lines.filter((line) => line.includes('needs another REDIS_PREFIX'))).toHaveLength(warnings);
  });

  test.each([
    ['removes keys when its memory is full', 'allkeys-lru', '100mb', 1],
    ['removes keys with an end then', 'volatile-ttl', '100mb', 1],
    ['refuses writes then', 'noeviction', '100mb', 0],
    ['has no limit', 'allkeys-lru', '0', 0],
  ])('to a Redis that %s is logged with a warning or not', async (_case, policy, limit, warnings) => {
    await server.command('CONFIG', 'SET', 'maxmemory-policy', policy, 'maxmemory', limit);
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(JSON.parse(line).msg);
    const redis = await open(undefined, pino({}, { write }));
    // Answers come in order, and what follows the first has run by then.
    await redis.commands.ping();
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines.filter((line) => line.includes('maxmemory-policy'))).toHaveLength(warnings);
  });

  test('waits for a Redis that starts later', async () => {
    await server.stop();
    const opening = open();
    await server.start();
    await (await opening).ping();
  });
});

describe('an outage', () => {
  test('is reported, fails commands at once, and recovers', async () => {
    const redis = await open();
    const states: boolean[] = [];
    redis.onStateChange((isReady) => states.push(isReady));
    await server.stop();
    await stateOf(redis, false);
    await expect(redis.commands.sendCommand(['GET', 'key'])).rejects.toThrow();
    await expect(redis.ping()).rejects.toThrow();
    await server.start();
    await stateOf(redis, true);
    await redis.ping();
    expect(states).toEqual([false, true]);
  });

  test('of a hanging Redis rejects pending commands, and recovers', async () => {
    const lines: string[] = [];
    const redis = await open(undefined, pino({ level: 'warn' }, { write: (line: string) => lines.push(line) }));
    const processId = await processIdOf(redis);
    process.kill(processId, 'SIGSTOP');
    undo.push(() => process.kill(processId, 'SIGCONT'));
    // Writing all the time, as a busy gateway does: the socket never looks idle.
    const writing = setInterval(() => void redis.commands.sendCommand(['GET', 'key']).catch(() => undefined), 50);
    undo.push(() => clearInterval(writing));
    await expect(redis.commands.sendCommand(['GET', 'key'])).rejects.toThrow();
    await stateOf(redis, false);
    process.kill(processId, 'SIGCONT');
    await stateOf(redis, true);
    await redis.ping();
    // That this process has dropped the connection is no reason.
    const reasons = lines.map((line) => String(JSON.parse(line).err.message));
    expect(reasons[0]).toBe('no answer within 2000 ms');
    expect(reasons).not.toContain('Disconnects client');
  });

  test('loses messages of the adapter without rejecting, and counts them', async () => {
    let failures = 0;
    const redis = await open(() => {
      failures += 1;
    });
    await server.stop();
    await stateOf(redis, false);
    expect(await redis.publisher.publish('channel', 'message')).toBe(0);
    expect(failures).toBe(1);
  });

  test('lasts until the subscriptions are restored', async () => {
    const redis = await open();
    await redis.subscriber.subscribe('channel', () => undefined, true);
    await server.command('ACL', 'SETUSER', 'default', 'resetchannels');
    await stateOf(redis, false);
    await expect(redis.ping()).rejects.toThrow();
    await server.command('ACL', 'SETUSER', 'default', 'allchannels');
    await stateOf(redis, true);
    await redis.ping();
  });

  test('of this process itself, such as SIGSTOP, loses no message that Redis has sent meanwhile', async () => {
    const redis = await open();
    const heard: string[] = [];
    await redis.subscriber.subscribe('channel', (message) => heard.push(message.toString()), true);
    await redis.ping();
    // It is written in this turn of the event loop, so it comes back during the pause that follows.
    void redis.publisher.publish('channel', 'meanwhile');
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
        resolve();
      });
    });
    await redis.ping().catch(() => undefined);
    expect(heard).toEqual(['meanwhile']);
  });

  test('closes at once while Redis is away', async () => {
    const redis = await open();
    await server.stop();
    await stateOf(redis, false);
    await redis.close();
    expect(redis.isReady()).toBe(false);
  });
});

/** A Socket.IO server on the shared Redis, and one client of it in room `all`. */
async function startNode(namespace = '/'): Promise<{ io: Server; redis: Redis; client: Client; url: string }> {
  const redis = await open();
  const http: HttpServer = createServer();
  const noop = (): void => undefined;
  const names = { nodeId: randomUUID(), keyPrefix: 'test:', everyNodeChannel: toEveryNodeChannel('test') };
  const router = createRouter({ redis, ...names, onEcho: noop, onRead: noop });
  const adapter = createRedisAdapter({ redis, keyPrefix: 'test', logger, router, onRead: noop, onHeard: noop });
  const io = new Server(http, { transports: ['websocket'], adapter });
  io.of(namespace).on('connection', (socket) => void socket.join('all'));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  const url = `http://127.0.0.1:${address.port}`;
  undo.push(() => io.close());
  const client = connect(`${url}${namespace}`, { transports: ['websocket'] });
  undo.push(() => client.close());
  await new Promise<void>((resolve) => client.on('connect', resolve));
  return { io, redis, client, url };
}

/** Emits from one node until the client of the other receives it: right after a (re)connect there may be no subscriber yet. */
async function ensureCrossing(from: Server, to: Client, namespace = '/'): Promise<void> {
  let isHeard = false;
  to.once('hello', () => {
    isHeard = true;
  });
  await until(() => {
    from.of(namespace).to('all').emit('hello');
    return isHeard;
  });
}

describe('the adapter of Socket.IO', () => {
  test('delivers messages again after Redis was killed and restarted', async () => {
    const [a, b] = [await startNode(), await startNode()];
    await ensureCrossing(a.io, b.client);
    await server.stop();
    await Promise.all([stateOf(a.redis, false), stateOf(b.redis, false)]);
    a.io.to('all').emit('lost');
    await server.start();
    await Promise.all([stateOf(a.redis, true), stateOf(b.redis, true)]);
    await ensureCrossing(a.io, b.client);
    await ensureCrossing(b.io, a.client);
    expect(await a.io.of('/').adapter.serverCount()).toBe(2);
  });

  test.each(['killed', 'hanging'])('delivers messages of a namespace created while Redis was %s', async (how) => {
    const nodes = [await startNode(), await startNode()] as const;
    const [a, b] = nodes;
    const areReady = (isReady: boolean) => Promise.all(nodes.map(({ redis }) => stateOf(redis, isReady)));
    const processId = await processIdOf(a.redis);
    if (how === 'killed') {
      await server.stop();
      await areReady(false);
    } else {
      process.kill(processId, 'SIGSTOP');
      undo.push(() => process.kill(processId, 'SIGCONT'));
    }
    // While it hangs the subscription is sent, and lost with its connection; while it is away it has to wait.
    for (const { io } of nodes) io.of('/late').on('connection', (socket) => void socket.join('all'));
    const client = connect(`${b.url}/late`, { transports: ['websocket'], forceNew: true });
    undo.push(() => client.close());
    await new Promise<void>((resolve) => client.on('connect', resolve));
    if (how === 'killed') await server.start();
    else {
      await areReady(false);
      process.kill(processId, 'SIGCONT');
    }
    await areReady(true);
    await ensureCrossing(a.io, client, '/late');
  });

  test('survives malformed messages on its channels', async () => {
    const [a, b] = [await startNode(), await startNode()];
    await ensureCrossing(a.io, b.client);
    const forged = [
      '',
      'null',
      '{',
      '{}',
      '[]',
      '{"type":6}',
      '{"type":5,"requestId":"x"}',
      '{"type":7,"requestId":"x"}',
      '{"type":2,"opts":{}}',
      '{"type":4,"opts":{"rooms":7}}',
      '{"type":0,"rooms":{}}',
      '{"type":6,"data":1}',
      ...[0xc1, 0x93, 0xc0, 0xdf, 0xff, 0x92].map((first) => Buffer.from([first, 0, 1, 2, 3])),
      // [1, { nsp: '/' }], without options
      Buffer.from([0x92, 0x01, 0x81, 0xa3, 0x6e, 0x73, 0x70, 0xa1, 0x2f]),
    ];
    for (const channel of ['test#/#', 'test#/#all#', 'test-request#/#', 'test-response#/#']) {
      for (const message of forged) await a.redis.publisher.publish(channel, message);
    }
    await ensureCrossing(a.io, b.client);
    await ensureCrossing(b.io, a.client);
    expect(a.redis.isReady() && b.redis.isReady()).toBe(true);
  });
});

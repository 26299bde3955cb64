import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../../src/errors.js';
import { connectRedis, type Redis } from '../../src/platform/redis/connect.js';
import { createRateLimiter, type Limit, type RateLimiter } from '../../src/realtime/rate-limit.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const limit: Limit = { points: 3, windowMs: 60_000 };

/** Uses it until refused. @returns how many were let through, and the refusal */
async function exhaust(limiter: RateLimiter, key: string): Promise<{ uses: number; error: GatewayError }> {
  for (let uses = 0; ; uses++) {
    try {
      await limiter.consume({ name: 'emit', key, limit });
    } catch (error) {
      if (error instanceof GatewayError) return { uses, error };
      throw error;
    }
  }
}

describe('one node', () => {
  // The library that counts asks the machine for the time.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    undo.push(() => vi.useRealTimers());
  });
  const advance = (byMs: number): void => void vi.setSystemTime(Date.now() + byMs);

  test('refuses calls above the limit, with the time to wait', async () => {
    const limiter = createRateLimiter({ keyPrefix: '' });
    expect((await exhaust(limiter, 'ann')).uses).toBe(3);
    advance(20_000);
    const { uses, error } = await exhaust(limiter, 'ann');
    expect(uses).toBe(0);
    expect(error.code).toBe('RATE_LIMITED');
    expect(error.info.retryAfterMs).toBe(40_000);
  });

  test('a refused call waits no longer than the window, also when the date was set back by a day', async () => {
    const limiter = createRateLimiter({ keyPrefix: '' });
    await exhaust(limiter, 'ann');
    advance(-86_400_000);
    expect((await exhaust(limiter, 'ann')).error.info.retryAfterMs).toBe(60_000);
  });

  test('counts callers, names and limits apart', async () => {
    const limiter = createRateLimiter({ keyPrefix: '' });
    await exhaust(limiter, 'ann');
    await limiter.consume({ name: 'emit', key: 'bob', limit });
    await limiter.consume({ name: 'typing', key: 'ann', limit });
    await limiter.consume({ name: 'emit', key: 'ann', limit: { ...limit, windowMs: 1_000 } });
  });

  test('begins anew when the window is over', async () => {
    const limiter = createRateLimiter({ keyPrefix: '' });
    await exhaust(limiter, 'ann');
    advance(60_000);
    expect((await exhaust(limiter, 'ann')).uses).toBe(3);
  });

  test('takes several points while one is left, also more than there are, and then none', async () => {
    const limiter = createRateLimiter({ keyPrefix: '' });
    const use = { name: 'work', key: 'ann', limit };
    await limiter.consume(use, 2);
    await limiter.consume(use, 50);
    await expect(limiter.consume(use)).rejects.toMatchObject({ code: 'RATE_LIMITED', info: { retryAfterMs: 60_000 } });
    advance(60_000);
    await limiter.consume(use, 3);
    await expect(limiter.consume(use)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });

  test('forgets the oldest callers rather than grow without bound', async () => {
    const limiter = createRateLimiter({ keyPrefix: '' });
    await exhaust(limiter, 'oldest');
    for (let i = 0; i < 50_000; i++) await limiter.consume({ name: 'emit', key: `a${i}`, limit });
    await exhaust(limiter, 'recent');
    for (let i = 0; i < 60_000; i++) await limiter.consume({ name: 'emit', key: `b${i}`, limit });
    expect((await exhaust(limiter, 'recent')).uses).toBe(0);
    expect((await exhaust(limiter, 'oldest')).uses).toBe(3);
  });
});

describe('two nodes over Redis', () => {
  async function startNodes(): Promise<{ server: TestRedis; redis: Redis[]; limiters: [RateLimiter, RateLimiter] }> {
    const server = await startRedis();
    undo.push(() => server.dispose());
    const open = async (): Promise<Redis> => {
      const redis = await connectRedis({
        url: server.url,
        prefix: 'test',
        startupTimeoutMs: 120_000,
        logger: pino({ enabled: false }),
      });
      undo.push(() => redis.close());
      return redis;
    };
    const redis = [await open(), await open()];
    const [a, b] = redis.map((one) => createRateLimiter({ redis: one, keyPrefix: 'test:' }));
    if (a === undefined || b === undefined) throw new Error('two nodes');
    return { server, redis, limiters: [a, b] };
  }

  test('share one count', async () => {
    const { limiters } = await startNodes();
    const uses = Array.from({ length: 20 }, async (_, i) =>
      limiters[i % 2 === 0 ? 0 : 1].consume({ name: 'emit', key: 'ann', limit }),
    );
    const results = await Promise.allSettled(uses);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  });

  test('count the callers of one turn apart, by one command', async () => {
    const { limiters, redis } = await startNodes();
    const [limiter, other] = limiters;
    await limiter.consume({ name: 'emit', key: 'first', limit });
    const send = vi.spyOn((redis[0] as Redis).commands, 'sendCommand');
    const callers = Array.from({ length: 90 }, (_, i) => `caller ${i % 30}`);
    await Promise.all(callers.map((key) => limiter.consume({ name: 'emit', key, limit })));
    expect(send.mock.calls.filter(([[name]]) => name === 'EVALSHA')).toHaveLength(1);
    for (const key of new Set(callers)) expect((await exhaust(other, key)).uses, key).toBe(0);
    expect((await exhaust(other, 'first')).uses).toBe(2);
  });

  test('let one of several large charges at the same moment go over the limit', async () => {
    const { limiters } = await startNodes();
    const use = { name: 'work', key: 'ann', limit: { points: 250, windowMs: 60_000 } };
    const charges = Array.from({ length: 20 }, (_, i) => limiters[i % 2 === 0 ? 0 : 1].consume(use, 100));
    const results = await Promise.allSettled(charges);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    for (const limiter of limiters) await expect(limiter.consume(use)).rejects.toThrow();
  });

  test('begin anew when the window is over, which is a second at least', async () => {
    const { limiters } = await startNodes();
    const short = { points: 1, windowMs: 50 };
    await limiters[0].consume({ name: 'emit', key: 'ann', limit: short });
    await until(async () => {
      try {
        await limiters[1].consume({ name: 'emit', key: 'ann', limit: short });
        return true;
      } catch {
        return false;
      }
    });
  });

  /** How often Redis was asked so far. Of what these nodes do, only the limiter counts up. */
  async function asked(redis: Redis | undefined): Promise<number> {
    const stats = (await redis?.commands.sendCommand<string>(['INFO', 'commandstats'])) ?? '';
    return Number(/cmdstat_incrby:calls=(\d+)/.exec(stats)?.[1]);
  }

  test('do not ask Redis about a caller who is over the limit', async () => {
    const { redis, limiters } = await startNodes();
    await exhaust(limiters[0], 'ann');
    const before = await asked(redis[0]);
    expect(before).toBe(4);
    for (let i = 0; i < 2_000; i++) expect((await exhaust(limiters[0], 'ann')).uses).toBe(0);
    expect(await asked(redis[0])).toBe(before);
  });

  test('forget who is over the limit rather than grow without bound', async () => {
    const { redis, limiters } = await startNodes();
    for (let i = 0; i < 1_000; i++) await exhaust(limiters[0], `caller ${i}`);
    const before = await asked(redis[0]);
    expect((await exhaust(limiters[0], 'caller 0')).uses).toBe(0);
    expect(await asked(redis[0])).toBe(before + 1);
  });

  test('let a caller go on when the window is over, also when the date was set back by a day', async () => {
    const { server, limiters } = await startNodes();
    await exhaust(limiters[0], 'ann');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 86_400_000 });
    undo.push(() => vi.useRealTimers());
    // The window of Redis is over.
    await server.command('FLUSHALL');
    expect((await exhaust(limiters[0], 'ann')).uses).toBe(3);
  });

  test('go on alone while Redis is away, and together when it is back', async () => {
    const { server, redis, limiters } = await startNodes();
    await limiters[0].consume({ name: 'emit', key: 'ann', limit });
    await server.stop();
    // At once, also before the connection is known to be gone.
    expect((await exhaust(limiters[0], 'ann')).uses).toBe(3);
    expect((await exhaust(limiters[1], 'ann')).uses).toBe(3);
    await server.start();
    await until(() => redis.every((one) => one.isReady()));
    await limiters[0].consume({ name: 'emit', key: 'bob', limit });
    expect((await exhaust(limiters[1], 'bob')).uses).toBe(2);
  });
});

import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { GatewayError } from '../errors.js';
import type { Redis } from '../platform/redis/connect.js';
import { defineScript, type Script, type ScriptReply } from '../platform/redis/script.js';

/** How much of something one caller may do: `points` in each window of `windowMs`, which is rounded up to seconds. */
export interface Limit {
  readonly points: number;
  readonly windowMs: number;
}

/** Counts what callers do, over all nodes when there is Redis. */
export interface RateLimiter {
  /**
   * Counts one use of `name` by `key`. A window begins with a caller's first use.
   * @throws GatewayError `RATE_LIMITED` with `retryAfterMs`
   */
  consume(name: string, key: string, limit: Limit): Promise<void>;
  /** Takes back one use that did nothing. Never rejects. */
  refund(name: string, key: string, limit: Limit): Promise<void>;
}

/** What {@link createRateLimiter} needs. */
export interface RateLimiterOptions {
  /** Without it the limits hold for this node alone. */
  redis?: Redis | undefined;
  /** Begins every key in Redis. */
  keyPrefix: string;
}

/** Callers counted here per limit. The oldest windows are forgotten beyond that, so that a flood of keys has bounded memory. */
const CALLERS_MAX = 100_000;
/** Windows that begin between two looks at how many there are, which takes time for each of them. */
const LOOK_EVERY = 10_000;
/** Refusals by Redis until all of them are forgotten here. The library has no bound, and slows down beyond this many. */
const REFUSALS_MAX = 1_000;

/**
 * Makes a limiter. When Redis cannot be reached each node goes on counting alone; a caller who is over a limit is
 * remembered here until the window ends, so that a flood of requests is not a flood of commands to Redis.
 * Time is that of the machine, not of the gateway's clock.
 */
export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const counters = new Map<string, Counter>();
  const counterOf = (name: string, limit: Limit): Counter => {
    // The limit is part of the name: windows of different lengths must not share a count.
    const id = `${name}:${limit.points}:${limit.windowMs}`;
    const counter = counters.get(id) ?? createCounter(options, id, limit);
    counters.set(id, counter);
    return counter;
  };

  return {
    async consume(name, key, limit) {
      const { limiter, noteBegun, noteRefused } = counterOf(name, limit);
      try {
        const { isFirstInDuration } = await limiter.consume(key);
        if (isFirstInDuration) noteBegun();
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        // A refusal without a count is one that was remembered.
        if (refusal.consumedPoints > 0) noteRefused();
        throw new GatewayError('RATE_LIMITED', { retryAfterMs: Math.max(1, refusal.msBeforeNext) });
      }
    },
    async refund(name, key, limit) {
      // A window that has ended meanwhile begins with one use more than allowed; a failure leaves one less.
      await counterOf(name, limit)
        .limiter.reward(key)
        .catch(() => undefined);
    },
  };
}

/** Counts the callers of one limit. */
interface Counter {
  readonly limiter: RateLimiterMemory | RateLimiterRedis;
  /** To be called when a window has begun. */
  noteBegun(): void;
  /** To be called when a count was above the limit. */
  noteRefused(): void;
}

function createCounter({ redis, keyPrefix }: RateLimiterOptions, id: string, { points, windowMs }: Limit): Counter {
  // Redis would take a part of a second for no end at all.
  const options = { points, duration: Math.ceil(windowMs / 1000), keyPrefix: `${keyPrefix}limit:${id}` };
  const alone = new RateLimiterMemory(options);
  const noteBegun = every(LOOK_EVERY, () => {
    for (const { key } of alone.dump().storage.slice(0, -CALLERS_MAX)) void alone.delete(key);
  });
  if (redis === undefined) return { limiter: alone, noteBegun, noteRefused: () => undefined };

  const limiter = new RateLimiterRedis({
    ...options,
    storeClient: toStore(redis),
    useRedisPackage: true,
    inMemoryBlockOnConsumed: points + 1,
    insuranceLimiter: alone,
  });
  return { limiter, noteBegun, noteRefused: every(REFUSALS_MAX, () => limiter.deleteInMemoryBlockedAll()) };
}

/** As much of a client as the library uses. Scripts are called by their digest, as all of ours, and not sent each time. */
function toStore({ commands }: Redis) {
  const scripts = new Map<string, Script>();
  return {
    eval(lua: string, options: { keys: string[]; arguments: string[] }): Promise<ScriptReply> {
      const script = scripts.get(lua) ?? defineScript(lua);
      scripts.set(lua, script);
      return script(commands, options.keys, options.arguments);
    },
  };
}

/** Runs `task` at each `count`th call. */
function every(count: number, task: () => void): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls % count === 0) task();
  };
}

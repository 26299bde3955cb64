import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { GatewayError } from '../errors.js';
import { createBatcher } from '../platform/concurrency/batcher.js';
import type { Redis } from '../platform/redis/connect.js';
import { defineScript, type ScriptReply } from '../platform/redis/script.js';

/** Rate limit of one caller: `points` per window of `windowMs`, which is rounded up to seconds. */
export interface Limit {
  readonly points: number;
  readonly windowMs: number;
}

/** What is counted. */
interface Use {
  readonly name: string;
  readonly key: string;
  readonly limit: Limit;
}

/** Counts the uses of callers, over all nodes when there is Redis. */
export interface RateLimiter {
  /**
   * Counts a use. A window begins with the first one. A use passes while one point is left, so that work that costs more than the
   * whole limit can be done; then nothing passes until the window ends. Of concurrent calls at most one exceeds the limit.
   * @param points 1 by default
   * @throws GatewayError `RATE_LIMITED` with `retryAfterMs`
   */
  consume(use: Use, points?: number): Promise<void>;
  /** Takes back points of a use that had no effect, or less than was paid for. Never rejects. @param points 1 by default */
  refund(use: Use, points?: number): Promise<void>;
}

/** What {@link createRateLimiter} needs. */
export interface RateLimiterOptions {
  /** Without it the limits apply per node. */
  redis?: Redis | undefined;
  /** Prefix of every key in Redis. */
  keyPrefix: string;
  /** A caller was refused by a limit. */
  onReached?: (name: string, key: string) => void;
}

/** Callers that a node counts per limit. Beyond that the oldest windows are dropped, so that a flood of keys has bounded memory. */
const CALLERS_MAX = 100_000;
/** New windows between two checks of their number; a check costs time for each window. */
const LOOK_EVERY = 10_000;
/** Refusals by Redis that are remembered before all of them are dropped. The library has no bound, and slows down beyond this many. */
const REFUSALS_MAX = 1_000;
/** Calls of one command: a script blocks Redis for all of them. */
const CALLS_MAX = 100;

/**
 * When Redis cannot be reached each node counts by itself. A caller who exceeds a limit is remembered until the window ends,
 * so that a flood of requests is not a flood of commands to Redis. Time is that of the machine, not of the gateway's clock.
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
    async consume({ name, key, limit }, points = 1) {
      const windowMs = toSeconds(limit.windowMs) * 1000;
      const { limiter, noteBegun, noteRefused, forgetRefused } = counterOf(name, limit);
      try {
        const { isFirstInDuration } = await limiter.consume(key, points);
        if (isFirstInDuration) noteBegun();
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        // A refusal without a count was remembered.
        if (refusal.consumedPoints > 0) {
          noteRefused();
          if (refusal.consumedPoints - points < limit.points) return;
        } else if (refusal.msBeforeNext > windowMs) {
          // The date of the machine was set back: the window may be over.
          forgetRefused();
          return this.consume({ name, key, limit }, points);
        }
        options.onReached?.(name, key);
        throw new GatewayError('RATE_LIMITED', { retryAfterMs: Math.max(1, Math.min(refusal.msBeforeNext, windowMs)) });
      }
    },
    async refund({ name, key, limit }, points = 1) {
      // If the window has ended, the next one allows more; if the call fails, this one allows less.
      await counterOf(name, limit)
        .limiter.reward(key, points)
        .catch(() => undefined);
    },
  };
}

/** Counts the callers of one limit. */
interface Counter {
  readonly limiter: RateLimiterMemory | RateLimiterRedis;
  /** To be called when a window begins. */
  noteBegun(): void;
  /** To be called when a count exceeds the limit. */
  noteRefused(): void;
  /** Forgets the callers who are remembered to be over the limit. */
  forgetRefused(): void;
}

function createCounter({ redis, keyPrefix }: RateLimiterOptions, id: string, { points, windowMs }: Limit): Counter {
  // Redis would take a fraction of a second as no expiry at all.
  const options = { points, duration: toSeconds(windowMs), keyPrefix: `${keyPrefix}limit:${id}` };
  const alone = new RateLimiterMemory(options);
  const noteBegun = every(LOOK_EVERY, () => {
    for (const { key } of alone.dump().storage.slice(0, -CALLERS_MAX)) void alone.delete(key);
  });
  const none = (): void => undefined;
  if (redis === undefined) return { limiter: alone, noteBegun, noteRefused: none, forgetRefused: none };

  const limiter = new RateLimiterRedis({
    ...options,
    storeClient: toStore(redis),
    useRedisPackage: true,
    inMemoryBlockOnConsumed: points + 1,
    insuranceLimiter: alone,
  });
  const forgetRefused = (): void => limiter.deleteInMemoryBlockedAll();
  return { limiter, noteBegun, noteRefused: every(REFUSALS_MAX, forgetRefused), forgetRefused };
}

const toSeconds = (ms: number): number => Math.ceil(ms / 1000);

/** A call of the script that counts: for one caller. */
interface Call {
  readonly keys: readonly string[];
  readonly arguments: readonly string[];
}

type Run = (call: Call) => Promise<ScriptReply>;

/**
 * The part of a client that the library uses. Scripts are called by their digest, not sent each time. The calls of one event loop
 * iteration, and those that arrive while Redis answers, are one command. In a Redis Cluster callers can be on different servers,
 * so each is one.
 */
function toStore({ commands, isCluster }: Redis) {
  const toRun = (lua: string): Run => {
    if (!isCluster) return createBatcher(createRunAll(commands, lua), CALLS_MAX);
    const script = defineScript(lua);
    return (call) => script(commands, call.keys, call.arguments);
  };
  const runs = new Map<string, Run>();
  return {
    eval(lua: string, call: Call): Promise<ScriptReply> {
      const run = runs.get(lua) ?? toRun(lua);
      runs.set(lua, run);
      return run(call);
    },
  };
}

/** Runs a script of one key for several calls. They have the same number of arguments. */
function createRunAll(commands: Redis['commands'], lua: string): (calls: readonly Call[]) => Promise<ScriptReply[]> {
  const script = defineScript(`
    local function run(KEYS, ARGV)
      ${lua}
    end
    local count = #ARGV / #KEYS
    local replies = {}
    for i, key in ipairs(KEYS) do
      replies[i] = run({ key }, { unpack(ARGV, (i - 1) * count + 1, i * count) })
    end
    return replies
  `);
  return async function runAll(calls) {
    const keys = calls.flatMap((call) => call.keys);
    const args = calls.flatMap((call) => call.arguments);
    return (await script(commands, keys, args)) as ScriptReply[];
  };
}

/** Runs `task` at every `count`th call. */
function every(count: number, task: () => void): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls % count === 0) task();
  };
}

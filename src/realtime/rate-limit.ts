import { GatewayError } from '../errors.js';
import { type Clock, systemClock } from '../platform/clock.js';
import type { Redis } from '../platform/redis.js';
import { defineScript } from '../platform/redis-script.js';

/** How much of something one caller may do: `points` in each window of `windowMs`. */
export interface Limit {
  readonly points: number;
  readonly windowMs: number;
}

/** Counts what callers do, over all nodes when there is Redis. */
export interface RateLimiter {
  /**
   * Counts one use of `name` by `key`. A window begins with a caller's first use. Returns at once, without a promise, when
   * Redis need not be asked.
   * @throws GatewayError `RATE_LIMITED` with `retryAfterMs`; as a rejection when it came from Redis.
   */
  consume(name: string, key: string, limit: Limit): Promise<void> | void;
}

/** What {@link createRateLimiter} needs. */
export interface RateLimiterOptions {
  /** Without it the limits hold for this node alone. */
  redis?: Redis | undefined;
  clock?: Clock;
  /** Begins every key in Redis. */
  keyPrefix: string;
}

/** Callers remembered per limit. The oldest windows are forgotten beyond that, so that a flood of keys has bounded memory. */
const WINDOWS_MAX = 100_000;

/** @returns uses in the window, this one included, and the milliseconds until it ends */
const count = defineScript(`
  local uses = redis.call('INCR', KEYS[1])
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
  end
  return { uses, left }
`);

/**
 * Makes a limiter. When Redis cannot be reached each node goes on counting alone; a caller who is over a limit is
 * remembered here until the window ends, so that a flood of requests is not a flood of commands to Redis.
 */
export function createRateLimiter({ redis, clock = systemClock, keyPrefix }: RateLimiterOptions): RateLimiter {
  const counters = new Map<string, { local: Windows; blocked: Windows }>();
  const countersOf = (id: string, windowMs: number) => {
    let known = counters.get(id);
    if (known === undefined) {
      known = { local: new Windows(windowMs, clock), blocked: new Windows(windowMs, clock) };
      counters.set(id, known);
    }
    return known;
  };
  const ensureWithin = (uses: number, limit: Limit, leftMs: number): void => {
    if (uses > limit.points) throw new GatewayError('RATE_LIMITED', { retryAfterMs: Math.max(1, leftMs) });
  };

  return {
    consume(name, key, limit) {
      // The limit is part of the name: windows of different lengths must not share a count.
      const id = `${name}:${limit.points}:${limit.windowMs}`;
      const { local, blocked } = countersOf(id, limit.windowMs);
      const countHere = (): void => {
        const window = local.count(key);
        ensureWithin(window.uses, limit, window.endsAt - clock.now());
      };
      if (redis === undefined || !redis.commands.isReady) return countHere();

      const block = blocked.get(key);
      if (block !== undefined) return ensureWithin(Number.POSITIVE_INFINITY, limit, block.endsAt - clock.now());
      return count(redis.commands, [`${keyPrefix}limit:${id}:${key}`], [String(limit.windowMs)]).then(
        (reply) => {
          const [uses, leftMs] = reply as [number, number];
          if (uses > limit.points) blocked.count(key, leftMs);
          ensureWithin(uses, limit, leftMs);
        },
        () => countHere(),
      );
    },
  };
}

interface Window {
  uses: number;
  endsAt: number;
}

/**
 * Counts per key in windows that end by themselves. Two generations of windows take turns: whenever a window's length is
 * over, or the newer one is full, the older is dropped as a whole. So nothing is scanned, no key needs a timer, and a
 * window outlives its end by little.
 */
class Windows {
  #newer = new Map<string, Window>();
  #older = new Map<string, Window>();
  #turnedAt: number;
  readonly #windowMs: number;
  readonly #clock: Clock;

  constructor(windowMs: number, clock: Clock) {
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#turnedAt = clock.now();
  }

  get(key: string): Window | undefined {
    const window = this.#newer.get(key) ?? this.#older.get(key);
    return window !== undefined && window.endsAt > this.#clock.now() ? window : undefined;
  }

  /** @param windowMs length of the window if one begins now, not above that of all */
  count(key: string, windowMs: number = this.#windowMs): Window {
    const current = this.get(key);
    if (current !== undefined) {
      current.uses += 1;
      return current;
    }
    const now = this.#clock.now();
    if (this.#newer.size >= WINDOWS_MAX / 2 || now - this.#turnedAt >= this.#windowMs) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#turnedAt = now;
    }
    const window = { uses: 1, endsAt: now + windowMs };
    this.#newer.set(key, window);
    return window;
  }
}

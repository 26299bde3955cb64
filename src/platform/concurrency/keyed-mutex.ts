import { GatewayError } from '../../errors.js';
import type { Clock } from '../time/clock.js';

/** Serializes tasks that share a key, in order of arrival. Others run concurrently. */
export interface KeyedMutex {
  /**
   * Runs a task after all earlier tasks with one of the keys.
   * @throws GatewayError `UNAVAILABLE` when the wait is too long; the task is then never run
   */
  run<T>(keys: readonly string[], task: () => Promise<T>): Promise<T>;
  /**
   * Starts a task at once; it awaits its turn itself, after work that needs no order.
   * @param task gets a promise that resolves after all earlier tasks with one of the keys, or rejects as `run` does
   */
  join<T>(keys: readonly string[], task: (turn: Promise<unknown>) => Promise<T>): Promise<T>;
}

interface Options {
  clock: Clock;
  /**
   * Maximum wait of a task. Must be less than the time limit of its caller: a refused task was not run, and no task
   * runs for callers that already got an error.
   */
  waitMs: number;
}

const RETRY_AFTER_MS = 1000;

/**
 * A keyed mutex within this process. Unused keys cost nothing. A task requests all its keys at once, so there is no
 * deadlock. Correctness over several nodes is left to the database; the mutex only avoids conflicts on one node.
 */
export function createKeyedMutex({ clock, waitMs }: Options): KeyedMutex {
  const last = new Map<string, Promise<unknown>>();

  const inTime = (before: Promise<unknown>): Promise<unknown> => {
    const turn = new Promise((resolve, reject) => {
      const cancel = clock.after(waitMs, () =>
        reject(new GatewayError('UNAVAILABLE', { retryAfterMs: RETRY_AFTER_MS })),
      );
      void before.then(() => {
        cancel();
        resolve(undefined);
      });
    });
    // The task may end without awaiting its turn.
    turn.catch(() => undefined);
    return turn;
  };

  const join: KeyedMutex['join'] = (keys, task) => {
    const ahead = keys.flatMap((key) => last.get(key) ?? []);
    const before = Promise.all(ahead);
    const result = task(ahead.length === 0 ? before : inTime(before));
    // A task that ends before its turn must not let later tasks overtake earlier ones.
    const ended = Promise.allSettled([before, result]).then(() => {
      for (const key of keys) if (last.get(key) === ended) last.delete(key);
    });
    for (const key of keys) last.set(key, ended);
    return result;
  };

  return { join, run: (keys, task) => join(keys, (turn) => turn.then(task)) };
}

import { GatewayError } from '../errors.js';
import type { Clock } from './clock.js';

/** Serializes tasks with a common key, in order of arrival; other tasks run meanwhile. */
export interface KeyedMutex {
  /**
   * Runs a task when all earlier tasks with one of the keys have finished.
   * @throws GatewayError `UNAVAILABLE` when that takes too long; then the task never runs
   */
  run<T>(keys: readonly string[], task: () => Promise<T>): Promise<T>;
  /**
   * Runs a task at once that waits for its turn by itself, and so does beforehand what needs no order.
   * @param task gets a promise that resolves when all earlier tasks with one of the keys have finished, or rejects as `run`
   */
  join<T>(keys: readonly string[], task: (turn: Promise<unknown>) => Promise<T>): Promise<T>;
}

interface Options {
  clock: Clock;
  /**
   * How long a task waits for its turn. Less than its caller waits for an answer: what is refused here was not done, and
   * nothing is done for callers who have been answered meanwhile.
   */
  waitMs: number;
}

const RETRY_AFTER_MS = 1000;

/**
 * A keyed mutex within this process; unused keys cost nothing. A task requests all its keys at once, so there is no
 * deadlock. It does not guarantee anything over several nodes: the database does. It only avoids conflicts on one node.
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
    // A task may end without a look at its turn.
    turn.catch(() => undefined);
    return turn;
  };

  const join: KeyedMutex['join'] = (keys, task) => {
    const ahead = keys.flatMap((key) => last.get(key) ?? []);
    const before = Promise.all(ahead);
    const result = task(ahead.length === 0 ? before : inTime(before));
    // A task that ends before its turn does not let the next one pass those before it.
    const ended = Promise.allSettled([before, result]).then(() => {
      for (const key of keys) if (last.get(key) === ended) last.delete(key);
    });
    for (const key of keys) last.set(key, ended);
    return result;
  };

  return { join, run: (keys, task) => join(keys, (turn) => turn.then(task)) };
}

import { GatewayError } from '../errors.js';
import type { Clock } from './clock.js';

/** Lets tasks that need the same things take turns, in the order in which they came; others run meanwhile. */
export interface Turns {
  /**
   * Runs a task when all earlier tasks with one of the keys have finished.
   * @throws GatewayError `UNAVAILABLE` when that takes too long; then the task never runs
   */
  take<T>(keys: readonly string[], task: () => Promise<T>): Promise<T>;
  /**
   * Runs a task at once that waits for its turn by itself, and so does beforehand what needs no order.
   * @param task gets a promise that resolves when all earlier tasks with one of the keys have finished, or rejects as `take`
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
 * A keyed mutex within this process; unused keys cost nothing. All keys of a task are asked for at once, so two tasks
 * never wait for each other. They hold no truth: what must hold over all nodes holds by the database, where turns keep tasks
 * from getting in each other's way.
 */
export function createTurns({ clock, waitMs }: Options): Turns {
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

  const join: Turns['join'] = (keys, task) => {
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

  return { join, take: (keys, task) => join(keys, (turn) => turn.then(task)) };
}

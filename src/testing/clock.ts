import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../platform/time/clock.js';

/** A clock that runs, and that a test can move ahead. */
export interface MovableClock extends Clock {
  /**
   * Moves time ahead at once, as when a computer wakes up, and starts what falls due, in order. What falls due several times
   * starts once.
   */
  advance(byMs: number): Promise<void>;
}

interface Timer {
  dueAt: number;
  readonly intervalMs: number | undefined;
  readonly task: () => void;
  handle?: NodeJS.Timeout;
}

/** Maximum delay of a Node.js timer. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Creates a clock that shows the time of the system until it is moved. */
export function createMovableClock(): MovableClock {
  let aheadMs = 0;
  const timers = new Set<Timer>();
  const now = (): number => Date.now() + aheadMs;

  function arm(timer: Timer): void {
    clearTimeout(timer.handle);
    const delayMs = Math.min(Math.max(0, timer.dueAt - now()), MAX_DELAY_MS);
    timer.handle = setTimeout(() => (timer.dueAt <= now() ? run(timer) : arm(timer)), delayMs).unref();
  }

  function run(timer: Timer): void {
    clearTimeout(timer.handle);
    if (timer.intervalMs === undefined) timers.delete(timer);
    else {
      timer.dueAt = now() + timer.intervalMs;
      arm(timer);
    }
    timer.task();
  }

  function schedule(delayMs: number, task: () => void, intervalMs?: number): () => void {
    const timer: Timer = { dueAt: now() + delayMs, intervalMs, task };
    timers.add(timer);
    arm(timer);
    return () => {
      clearTimeout(timer.handle);
      timers.delete(timer);
    };
  }

  return {
    now,
    after: (delayMs, task) => schedule(delayMs, task),
    every: (intervalMs, task) => schedule(intervalMs, task, intervalMs),
    async advance(byMs) {
      aheadMs += byMs;
      const due = [...timers].filter(({ dueAt }) => dueAt <= now()).sort((a, b) => a.dueAt - b.dueAt);
      for (const timer of due) {
        // One that ran before may have cancelled it.
        if (timers.has(timer)) run(timer);
        await setImmediate();
      }
      for (const timer of timers) arm(timer);
    },
  };
}

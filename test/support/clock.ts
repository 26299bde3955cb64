import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../../src/platform/time/clock.js';

/** Times that a condition is checked before the next step, a millisecond apart. */
const LOOKS = 10;

/** A clock that stands still until a test moves it. */
export interface TestClock extends Clock {
  /** Moves time forward and runs what falls due, in order. */
  advance(byMs: number): void;
  /**
   * Moves time forward by `stepMs` again and again until `condition` holds. What a step has started gets real time before
   * the next one; time that runs faster than the database answers would reach deadlines that the test is not about.
   */
  advanceUntil(stepMs: number, condition: () => boolean | Promise<boolean>): Promise<void>;
}

interface Timer {
  dueAt: number;
  intervalMs: number | undefined;
  task: () => void;
}

/** @param startAt Unix time in milliseconds; real time by default, so that signed tokens are valid. */
export function createTestClock(startAt: number = Date.now()): TestClock {
  let time = startAt;
  const timers = new Set<Timer>();
  const schedule = (delayMs: number, task: () => void, intervalMs?: number): (() => void) => {
    const timer = { dueAt: time + delayMs, intervalMs, task };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  const nextDue = (until: number): Timer | undefined =>
    [...timers].filter((timer) => timer.dueAt <= until).sort((a, b) => a.dueAt - b.dueAt)[0];

  const clock: TestClock = {
    now: () => time,
    after: (delayMs, task) => schedule(delayMs, task),
    every: (intervalMs, task) => schedule(intervalMs, task, intervalMs),
    advance(byMs) {
      const until = time + byMs;
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        time = timer.dueAt;
        if (timer.intervalMs === undefined) timers.delete(timer);
        else timer.dueAt += timer.intervalMs;
        timer.task();
      }
      time = until;
    },
    async advanceUntil(stepMs, condition) {
      for (let looks = 1; !(await condition()); looks += 1) {
        if (looks % LOOKS === 0) clock.advance(stepMs);
        await setTimeout(1);
      }
    },
  };
  return clock;
}

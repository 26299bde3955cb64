/** Time and timers. Injected, so that tests can control them. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  /** Runs `task` once after `delayMs`. Does not keep the process alive. @returns cancels it */
  after(delayMs: number, task: () => void): () => void;
  /** Runs `task` every `intervalMs`. Does not keep the process alive. @returns cancels it */
  every(intervalMs: number, task: () => void): () => void;
}

/** Resolves after a time by a clock. */
export const pause = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => clock.after(delayMs, resolve));

/** Maximum delay of a Node.js timer; longer ones would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The system clock. It jumps when the date is set. */
export const systemClock: Clock = {
  now: Date.now,
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS)).unref();
    return () => clearTimeout(timer);
  },
  every(intervalMs, task) {
    const timer = setInterval(task, intervalMs).unref();
    return () => clearInterval(timer);
  },
};

/** Milliseconds since any moment, which go on evenly. For measurements. */
export const steadyClock: Clock = { ...systemClock, now: () => performance.now() };

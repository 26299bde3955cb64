/** Time as the gateway sees it. Passed in, so that a test moves it instead of waiting. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  /** Runs `task` once after `delayMs`; the process does not stay alive for it. @returns cancels it */
  after(delayMs: number, task: () => void): () => void;
  /** Runs `task` every `intervalMs`; the process does not stay alive for it. @returns cancels it */
  every(intervalMs: number, task: () => void): () => void;
}

/** The longest delay a Node.js timer takes; longer ones would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The machine's clock. */
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

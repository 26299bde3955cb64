/** Time and chance, replaceable in tests. */
export interface ClientClock {
  /** Milliseconds since any moment; only differences count. */
  now(): number;
  /** Runs a task once. @returns cancels it */
  after(delayMs: number, task: () => void): () => void;
}

/** The clock of the machine, which goes on evenly when its date is set. */
export const systemClock: ClientClock = {
  now: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

const DELAY_MIN_MS = 500;
const DELAY_MAX_MS = 15_000;

/** Waiting time before attempt `attempt` (0, 1, …): grows to {@link DELAY_MAX_MS}, the second half at random. */
export const backoffMs = (attempt: number, random: () => number): number =>
  Math.min(DELAY_MIN_MS * 2 ** attempt, DELAY_MAX_MS) * (0.5 + random() / 2);

/** Resolves after a time. */
export const pause = (clock: ClientClock, delayMs: number): Promise<void> =>
  new Promise((resolve) => clock.after(delayMs, resolve));

/** Rejects with the error of `late` when work takes longer than `limitMs`. */
export function inTime<T>(clock: ClientClock, limitMs: number, { work, late }: Limited<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(late()));
    work.then(resolve, reject).finally(cancel);
  });
}

interface Limited<T> {
  readonly work: Promise<T>;
  readonly late: () => Error;
}

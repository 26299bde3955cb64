import type { Clock } from './clock.js';

/** Lets so many through at a time; the others wait in line. */
export interface ConcurrencyLimiter {
  /** @throws the error made by `refusal`, when the queue is full or the wait was too long */
  run<T>(work: () => Promise<T>): Promise<T>;
}

interface Options {
  clock: Clock;
  /** How many at a time. */
  width: number;
  /** How many may wait, and for how long. */
  waitingMax: number;
  waitMs: number;
  refusal: () => Error;
}

/** Bounds how much is done at a time, and how much waits to be done. */
export function createConcurrencyLimiter({ clock, width, waitingMax, waitMs, refusal }: Options): ConcurrencyLimiter {
  const waiting = new Set<() => void>();
  let running = 0;

  const wait = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const enter = (): void => {
        cancel();
        resolve();
      };
      const cancel = clock.after(waitMs, () => {
        waiting.delete(enter);
        reject(refusal());
      });
      waiting.add(enter);
    });

  const leave = (): void => {
    // The place passes directly to the next waiter, so that new callers cannot overtake.
    const [next] = waiting;
    if (next === undefined) running -= 1;
    else waiting.delete(next);
    next?.();
  };

  return {
    async run(work) {
      if (running < width) running += 1;
      else if (waiting.size < waitingMax) await wait();
      else throw refusal();
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}

import type { Clock } from '../time/clock.js';

/** Limits concurrency; further calls are queued. */
export interface ConcurrencyLimiter {
  /** @throws the error made by `refusal`, when the queue is full or the wait is too long */
  run<T>(work: () => Promise<T>): Promise<T>;
}

interface Options {
  clock: Clock;
  /** Maximum concurrent calls. */
  width: number;
  /** Maximum queued calls, and their maximum wait. */
  waitingMax: number;
  waitMs: number;
  refusal: () => Error;
}

/** Creates a concurrency limiter with a bounded queue. */
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
    // The slot passes directly to the next waiter, so that new callers cannot overtake.
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

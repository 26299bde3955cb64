import type { Clock } from '../time/clock.js';

/** Limits concurrency; further calls are queued. */
export interface ConcurrencyLimiter {
  /**
   * @param caller who waits: callers take turns, so that one with many calls delays only its own
   * @throws the error made by `refusal`, when the queue is full or the wait is too long
   */
  run<T>(work: () => Promise<T>, caller?: string): Promise<T>;
}

interface Options {
  clock: Clock;
  /** Maximum concurrent calls. */
  width: number;
  /** Maximum queued calls, and their maximum wait. When the queue is full, as many callers with a single call each still wait. */
  waitingMax: number;
  waitMs: number;
  refusal: () => Error;
}

/** Creates a concurrency limiter with a bounded queue. */
export function createConcurrencyLimiter({ clock, width, waitingMax, waitMs, refusal }: Options): ConcurrencyLimiter {
  /** The calls of each caller. The first caller is the next one. */
  const queues = new Map<string, Set<() => void>>();
  let waiting = 0;
  let running = 0;

  const remove = (caller: string, enter: () => void): void => {
    const queue = queues.get(caller);
    if (queue?.delete(enter) !== true) return;
    waiting -= 1;
    if (queue.size === 0) queues.delete(caller);
  };

  const wait = (caller: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const enter = (): void => {
        cancel();
        resolve();
      };
      const cancel = clock.after(waitMs, () => {
        remove(caller, enter);
        reject(refusal());
      });
      const queue = queues.get(caller) ?? new Set();
      queues.set(caller, queue.add(enter));
      waiting += 1;
    });

  const mayWait = (caller: string): boolean =>
    waiting < waitingMax || (waiting < 2 * waitingMax && !queues.has(caller));

  /** Takes the first call of the next caller, who is the last one then. */
  const takeNext = (): (() => void) | undefined => {
    const [first] = queues;
    if (first === undefined) return undefined;
    const [caller, queue] = first;
    const [enter] = queue;
    queues.delete(caller);
    queues.set(caller, queue);
    if (enter !== undefined) remove(caller, enter);
    return enter;
  };

  const leave = (): void => {
    // The slot passes directly to the next waiter, so that new callers cannot overtake.
    const next = takeNext();
    if (next === undefined) running -= 1;
    else next();
  };

  return {
    async run(work, caller = '') {
      if (running < width) running += 1;
      else if (mayWait(caller)) await wait(caller);
      else throw refusal();
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}

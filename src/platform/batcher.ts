import type { Clock } from './clock.js';

/** Does for all who wait at once what each of them asks for: a result, or an error, at the place of each item. */
type Work<Item, Result> = (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;

/** Those who wait for their part of one piece of work. */
function createWaitingList<Item, Result>(work: Work<Item, Result>) {
  interface Waiting {
    item: Item;
    resolve: (result: Result) => void;
    reject: (error: unknown) => void;
  }
  const waiting: Waiting[] = [];
  return {
    count: (): number => waiting.length,
    add: (item: Item): Promise<Result> =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
      }),
    /** Works on the first of them. What fails as a whole fails for each; it never rejects itself. */
    async workOff(sizeMax: number): Promise<void> {
      const group = waiting.splice(0, sizeMax);
      try {
        const results = await work(group.map(({ item }) => item));
        for (const [index, { resolve, reject }] of group.entries()) {
          const result = results[index];
          if (result instanceof Error) reject(result);
          else resolve(result as Result);
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    },
  };
}

/**
 * Runs `work` on everything that arrives in one turn of the event loop, and on everything that arrives while the work
 * before is under way: one database call for many callers, who never wait for others to come.
 */
export function createBatcher<Item, Result>(
  work: Work<Item, Result>,
  sizeMax: number,
): (item: Item) => Promise<Result> {
  const waiting = createWaitingList(work);
  let isRunning = false;

  const run = async (): Promise<void> => {
    while (waiting.count() > 0) await waiting.workOff(sizeMax);
    isRunning = false;
  };

  return (item) => {
    if (!isRunning) {
      isRunning = true;
      setImmediate(run);
    }
    return waiting.add(item);
  };
}

/** When a batch is full: at so many items, or so long after its first one. */
export interface BatchSize {
  readonly size: number;
  readonly afterMs: number;
}

/** Gathers items and has them worked on together. */
export interface Batch<Item, Result> {
  add(item: Item): Promise<Result>;
  /** Works on what has been gathered, and waits until everything is done. */
  flush(): Promise<void>;
}

/** Runs `work` on fewer, larger groups than {@link createBatcher}: callers wait to be grouped, but groups run in parallel. */
export function createTimedBatcher<Item, Result>(
  work: Work<Item, Result>,
  { size, afterMs, clock }: BatchSize & { clock: Clock },
): Batch<Item, Result> {
  const waiting = createWaitingList(work);
  const running = new Set<Promise<void>>();
  let cancel = (): void => undefined;

  const begin = (): void => {
    cancel();
    if (waiting.count() === 0) return;
    const run = waiting.workOff(size).finally(() => running.delete(run));
    running.add(run);
  };

  return {
    add(item) {
      const added = waiting.add(item);
      if (waiting.count() >= size) begin();
      else if (waiting.count() === 1) cancel = clock.after(afterMs, begin);
      return added;
    },
    async flush() {
      begin();
      await Promise.all(running);
    },
  };
}

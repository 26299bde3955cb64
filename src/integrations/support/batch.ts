import type { Clock } from '../../platform/clock.js';

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

/**
 * @param work does all of a batch: a result, or an error, at the place of each item. Its own failure is that of all
 */
export function createBatch<Item, Result>(
  work: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>,
  { size, afterMs, clock }: BatchSize & { clock: Clock },
): Batch<Item, Result> {
  interface Waiting {
    item: Item;
    resolve: (result: Result) => void;
    reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let cancel = (): void => undefined;
  const running = new Set<Promise<void>>();

  const run = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const results = await work(batch.map(({ item }) => item));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index];
        if (result instanceof Error) reject(result);
        else resolve(result as Result);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const begin = (): void => {
    cancel();
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    const run_ = run(batch).finally(() => running.delete(run_));
    running.add(run_);
  };

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (waiting.length >= size) begin();
        else if (waiting.length === 1) cancel = clock.after(afterMs, begin);
      }),
    async flush() {
      begin();
      await Promise.all(running);
    },
  };
}

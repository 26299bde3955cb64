import { setTimeout as pause } from 'node:timers/promises';
import { chunksOf } from '../lists.js';
import type { Clock } from '../time/clock.js';

/** Processes a batch. Returns a result or an error for each item, by position. */
type Work<Item, Result> = (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;

/** The callers that wait for a batch. */
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
    /** Processes the first callers. An error of the whole batch rejects each of them. Never rejects itself. */
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

/** Sizes of the batches of {@link createBatcher}. A number: the largest one, without spacing. */
export type BatcherSizes =
  | number
  | {
      readonly sizeMax: number;
      /** Minimum time between the beginnings of two batches: a single item does not wait, a burst makes few batches. */
      readonly spacingMs: number;
      /** Instead of `spacingMs` after a batch of {@link CROWD} items or more, as when many clients come back. */
      readonly crowdedSpacingMs?: number;
    };

/** Items of a batch from which on many are expected to follow. */
const CROWD = 3;

/**
 * Runs `work` on all items of one event loop iteration, and on all items that arrive while a batch is running. Many callers share
 * a database call without an added delay, unless there is a spacing.
 */
export function createBatcher<Item, Result>(
  work: Work<Item, Result>,
  sizes: BatcherSizes,
): (item: Item) => Promise<Result> {
  const { sizeMax, spacingMs, crowdedSpacingMs = spacingMs } = toSizes(sizes);
  const waiting = createWaitingList(work);
  let isRunning = false;

  const run = async (): Promise<void> => {
    while (waiting.count() > 0) {
      const nextAt = performance.now() + (waiting.count() < CROWD ? spacingMs : crowdedSpacingMs);
      await waiting.workOff(sizeMax);
      const restMs = waiting.count() < sizeMax ? nextAt - performance.now() : 0;
      if (restMs > 0) await pause(restMs, undefined, { ref: false });
    }
    isRunning = false;
  };

  return function addToBatch(item) {
    if (!isRunning) {
      isRunning = true;
      setImmediate(run);
    }
    return waiting.add(item);
  };
}

const toSizes = (sizes: BatcherSizes): Exclude<BatcherSizes, number> =>
  typeof sizes === 'number' ? { sizeMax: sizes, spacingMs: 0 } : sizes;

/** Sizes of the batches of {@link createGatheringBatcher}. */
export interface GatheringSizes {
  readonly sizeMax: number;
  /** The longest wait for the callers of the batch before. It is never longer than that batch took. */
  readonly gatherMs: number;
}

/**
 * A {@link createBatcher} whose batches wait for the callers of the one before, who often call again as soon as they are answered.
 * Otherwise many callers become two halves that take turns, which makes twice as many batches. A single caller does not wait.
 */
export function createGatheringBatcher<Item, Result>(
  work: Work<Item, Result>,
  { sizeMax, gatherMs }: GatheringSizes,
): (item: Item) => Promise<Result> {
  /** Of the last batch, and those that waited at its end. */
  let callers = 0;
  const waiting = createWaitingList<Item, Result>(async (items) => {
    try {
      return await work(items);
    } finally {
      // Before the answers, which are followed by new calls.
      callers = Math.min(items.length + waiting.count(), sizeMax);
    }
  });
  let isRunning = false;
  /** Items that end the wait. */
  let awaited = Number.POSITIVE_INFINITY;
  let endWait = (): void => undefined;

  const gather = async (limitMs: number): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      awaited = callers;
      endWait = resolve;
      timer = setTimeout(resolve, limitMs).unref();
    });
    clearTimeout(timer);
    awaited = Number.POSITIVE_INFINITY;
  };
  const run = async (): Promise<void> => {
    while (waiting.count() > 0) {
      const startedAt = performance.now();
      await waiting.workOff(sizeMax);
      if (callers > 1 && waiting.count() < callers) await gather(Math.min(gatherMs, performance.now() - startedAt));
    }
    isRunning = false;
  };

  return function addToBatch(item) {
    const added = waiting.add(item);
    if (!isRunning) {
      isRunning = true;
      setImmediate(run);
    } else if (waiting.count() === awaited) setImmediate(endWait);
    return added;
  };
}

/**
 * Reads by key. All keys that are read in one event loop iteration are one call, each of them once.
 * @param read keys without a value are missing in its result
 * @returns reads the value of a key; `undefined`: there is none
 */
export function createLoader<Value>(
  read: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
  sizes: BatcherSizes,
): (key: string) => Promise<Value | undefined> {
  return createBatcher<string, Value | undefined>(async (keys) => {
    const found = await read([...new Set(keys)]);
    return keys.map((key) => found.get(key));
  }, sizes);
}

/** Callers whose keys are one call of {@link createGroupLoader}. */
const GROUPS_MAX = 1000;

/**
 * As {@link createLoader}, for callers that each ask for several keys. They share the result, which can hold keys of others too.
 * @param keysMax keys of one call of `read`
 */
export function createGroupLoader<Value>(
  read: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
  keysMax: number,
): (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>> {
  return createBatcher<readonly string[], ReadonlyMap<string, Value>>(async (groups) => {
    const keys = [...new Set(groups.flat())];
    const parts: ReadonlyMap<string, Value>[] = [];
    for (const chunk of chunksOf(keys, keysMax)) parts.push(await read(chunk));
    const [found = new Map<string, Value>()] = parts.length > 1 ? [new Map(parts.flatMap((part) => [...part]))] : parts;
    return groups.map(() => found);
  }, GROUPS_MAX);
}

/** When a batch is full: after a number of items, or a time after its first one. */
export interface BatchSize {
  readonly size: number;
  readonly afterMs: number;
}

/** Collects items into batches. */
export interface Batch<Item, Result> {
  add(item: Item): Promise<Result>;
  /** Runs the pending batch, and waits for all batches. */
  flush(): Promise<void>;
}

/**
 * Runs `work` on fewer, larger batches than {@link createBatcher}. Callers wait for a batch to fill, but batches run in
 * parallel.
 */
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

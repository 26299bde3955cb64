import type { Clock } from './clock.js';

/** Items with the same time limit. */
export interface Deadlines<Item> {
  /** Starts the time limit of an item, unless it is already running. */
  begin(item: Item): void;
  /** Removes an item. */
  end(item: Item): void;
}

interface Options {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Items expire by so much earlier when another one does. */
  readonly togetherMs?: number;
}

/**
 * Uses one timer for all items, set to the oldest: an item costs one map entry.
 * @param expire called for each item that exceeded the limit, after its removal
 */
export function createDeadlines<Item>(
  { clock, timeoutMs, togetherMs = 0 }: Options,
  expire: (item: Item) => void,
): Deadlines<Item> {
  /** item → deadline, oldest first */
  const dueAt = new Map<Item, number>();
  let isScheduled = false;

  const schedule = (atMs: number): void => {
    isScheduled = true;
    clock.after(Math.max(1, atMs - clock.now()), pass);
  };
  const pass = (): void => {
    isScheduled = false;
    const now = clock.now();
    for (const [item, due] of dueAt) {
      if (due > now + togetherMs) {
        schedule(due);
        return;
      }
      dueAt.delete(item);
      expire(item);
    }
  };

  return {
    begin(item) {
      if (dueAt.has(item)) return;
      const due = clock.now() + timeoutMs;
      dueAt.set(item, due);
      if (!isScheduled) schedule(due);
    },
    end: (item) => void dueAt.delete(item),
  };
}

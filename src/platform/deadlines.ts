import type { Clock } from './clock.js';

/** Things that may last for the same time each. */
export interface Deadlines<Item> {
  /** Its time begins now, unless it has begun before. */
  begin(item: Item): void;
  /** It has ended in time. */
  end(item: Item): void;
}

/**
 * One timer for all of them, set to the oldest, so that each costs an entry of a map.
 * @param expire called for each one that has lasted longer; it has ended then
 */
export function createDeadlines<Item>(
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
  expire: (item: Item) => void,
): Deadlines<Item> {
  /** item → when it ends; the oldest first */
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
      if (due > now) {
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

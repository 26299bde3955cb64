/** Lets tasks that need the same things take turns, in the order in which they came; others run meanwhile. */
export interface Turns {
  /** Runs a task when everybody who asked for one of the keys before has finished. */
  take<T>(keys: readonly string[], task: () => Promise<T>): Promise<T>;
  /**
   * Runs a task at once that waits for its turn by itself, and so does beforehand what needs no order.
   * @param task gets what resolves when everybody who asked for one of the keys before has finished
   */
  join<T>(keys: readonly string[], task: (turn: Promise<unknown>) => Promise<T>): Promise<T>;
}

/**
 * Turns within this process; keys that nobody needs cost nothing. All keys of a task are asked for at once, so two tasks
 * never wait for each other. They hold no truth: what must hold over all nodes holds by the database, where turns keep tasks
 * from getting in each other's way.
 */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();

  const join: Turns['join'] = (keys, task) => {
    const turn = Promise.all(keys.map((key) => last.get(key)));
    const result = task(turn);
    // A task that ends before its turn does not let the next one pass those before it.
    const ended = Promise.allSettled([turn, result]).then(() => {
      for (const key of keys) if (last.get(key) === ended) last.delete(key);
    });
    for (const key of keys) last.set(key, ended);
    return result;
  };

  return { join, take: (keys, task) => join(keys, (turn) => turn.then(task)) };
}

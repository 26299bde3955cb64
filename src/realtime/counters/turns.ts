/** Lets tasks that need the same things take turns, in the order in which they came; others run meanwhile. */
export interface Turns {
  /** Runs a task when everybody who asked for one of the keys before has finished. */
  take<T>(keys: readonly string[], task: () => Promise<T>): Promise<T>;
}

/**
 * Turns within this process. All keys of a task are asked for at once, so two tasks never wait for each other. They hold no
 * truth: what must hold over all nodes holds by transactions, which turns keep from getting in each other's way.
 */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    async take(keys, task) {
      const before = keys.flatMap((key) => last.get(key) ?? []);
      const turn = Promise.all(before).then(task);
      const ended = turn.then(
        () => undefined,
        () => undefined,
      );
      for (const key of keys) last.set(key, ended);
      try {
        return await turn;
      } finally {
        for (const key of keys) if (last.get(key) === ended) last.delete(key);
      }
    },
  };
}

/**
 * Lets calls with the key of a call that this node is doing wait for it. Its answer is stored by then; before, each of them would
 * ask the database for it again and again.
 */
export function createRepeats() {
  const running = new Map<string, Promise<unknown>>();
  return async function doAfterFirst<T>(key: string, work: () => Promise<T>): Promise<T> {
    const first = running.get(key);
    if (first !== undefined) {
      await first.catch(() => undefined);
      return work();
    }
    const own = work();
    running.set(key, own);
    try {
      return await own;
    } finally {
      running.delete(key);
    }
  };
}

/** Tracks background work, so that shutdown can wait for it. */
export interface TaskTracker {
  run(work: Promise<unknown>): void;
  /** Resolves when all work has ended, including work started while waiting. */
  ended(): Promise<void>;
}

/** @param report receives the errors of failed work */
export function createTaskTracker(report: (error: unknown) => void): TaskTracker {
  const running = new Set<Promise<void>>();
  return {
    run(work) {
      const reported = work.then(() => undefined, report).finally(() => running.delete(reported));
      running.add(reported);
    },
    async ended() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

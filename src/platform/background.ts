/** Tracks background work, so that a stop can wait for it. */
export interface Background {
  run(work: Promise<unknown>): void;
  /** Resolves when all of it has ended, also what was begun meanwhile. */
  ended(): Promise<void>;
}

/** @param report is told what failed */
export function createBackground(report: (error: unknown) => void): Background {
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

import type { Logger } from './logger.js';

/** What must be undone at the end, in the reverse order of its beginning. */
export interface Cleanup {
  /**
   * Remembers how to undo something that has just begun. After the end has begun it is undone at once.
   * @throws Error in that case, so that nothing further begins
   */
  add(name: string, undo: () => Promise<void> | void): void;
  /** Undoes everything, last first. A failing step is logged and does not keep the others from running. */
  run(): Promise<void>;
}

/** How long a step may take before it is said which one the end waits for. */
const SLOW_MS = 5000;

/** A stack of undo steps. */
export function createCleanup(logger: Logger): Cleanup {
  const steps: Step[] = [];
  let hasEnded = false;

  const runStep = async ({ name, undo }: Step): Promise<void> => {
    const slow = setTimeout(() => logger.warn({ step: name }, 'a part takes long to close'), SLOW_MS);
    try {
      await undo();
    } catch (error) {
      logger.error({ err: error, step: name }, 'a part did not close cleanly');
    } finally {
      clearTimeout(slow);
    }
  };

  return {
    add(name, undo) {
      if (!hasEnded) return void steps.push({ name, undo });
      void runStep({ name, undo });
      throw new Error('The gateway was stopped while it was starting');
    },
    async run() {
      hasEnded = true;
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) await runStep(step);
    },
  };
}

interface Step {
  readonly name: string;
  readonly undo: () => Promise<void> | void;
}

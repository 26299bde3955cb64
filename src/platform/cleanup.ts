import type { Logger } from './logging/logger.js';

/** Undo steps for shutdown, run in reverse order. */
export interface Cleanup {
  /**
   * Registers an undo step. After shutdown has begun, the step runs at once.
   * @throws Error in that case, so that startup stops
   */
  add(name: string, undo: () => Promise<void> | void): void;
  /** Runs all steps, last first. A failing step is logged and does not stop the others. */
  run(): Promise<void>;
}

/** Time after which a running step is logged as slow. */
const SLOW_MS = 5000;

/** A stack of undo steps. */
export function createCleanup(logger: Logger): Cleanup {
  const steps: Step[] = [];
  let hasEnded = false;

  const runStep = async ({ name, undo }: Step): Promise<void> => {
    const slow = setTimeout(() => logger.warn({ step: name }, 'a shutdown step is slow'), SLOW_MS);
    try {
      await undo();
    } catch (error) {
      logger.error({ err: error, step: name }, 'a shutdown step failed');
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

import type { Logger } from './logger.js';

/** What must be undone at the end, in the reverse order of its beginning. */
export interface Cleanup {
  /** Remembers how to undo something that has just begun. */
  add(name: string, undo: () => Promise<void> | void): void;
  /** Undoes everything, last first. A failing step is logged and does not keep the others from running. */
  run(): Promise<void>;
}

/** How long a step may take before it is said which one the end waits for. */
const SLOW_MS = 5000;

/** A stack of undo steps. */
export function createCleanup(logger: Logger): Cleanup {
  const steps: { name: string; undo: () => Promise<void> | void }[] = [];
  return {
    add: (name, undo) => void steps.push({ name, undo }),
    async run() {
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
        const { name, undo } = step;
        const slow = setTimeout(() => logger.warn({ step: name }, 'a part takes long to close'), SLOW_MS);
        try {
          await undo();
        } catch (error) {
          logger.error({ err: error, step: name }, 'a part did not close cleanly');
        } finally {
          clearTimeout(slow);
        }
      }
    },
  };
}

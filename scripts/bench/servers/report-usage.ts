import { setImmediate } from 'node:timers/promises';
import { answerQuestions, type ServerQuestion, type Usage } from '../wire.js';

/** Consecutive full collections: the finalizers of one make more memory collectable for the next. */
const COLLECTIONS = 4;

/**
 * Reports that the server listens on `port`, then collects garbage on request. Needs `--expose-gc`.
 * @param stop shuts the server down
 */
export function reportUsage(port: number, stop?: () => Promise<void>): void {
  answerQuestions<ServerQuestion>(async (): Promise<Usage> => {
    for (let run = 0; run < COLLECTIONS; run += 1) {
      globalThis.gc?.();
      await setImmediate();
    }
    return { heapBytes: process.memoryUsage().heapUsed };
  }, stop);
  process.send?.({ id: 0, answer: { port } });
}

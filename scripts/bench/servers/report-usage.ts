import { setImmediate } from 'node:timers/promises';
import { answerQuestions, type ServerQuestion, type Usage } from '../wire.js';

/** Consecutive full collections: the finalizers of one make more memory collectable for the next. */
const COLLECTIONS = 4;

/**
 * Reports that the server listens on `port`, then answers usage requests. Needs `--expose-gc`.
 * @param stop shuts the server down
 */
export function reportUsage(port: number, stop?: () => Promise<void>): void {
  answerQuestions<ServerQuestion>(async ({ kind }): Promise<Usage> => {
    if (kind === 'usageAfterCollection') {
      for (let run = 0; run < COLLECTIONS; run += 1) {
        globalThis.gc?.();
        await setImmediate();
      }
    }
    const { user, system } = process.cpuUsage();
    const { heapUsed, rss } = process.memoryUsage();
    return { cpuMicros: user + system, heapBytes: heapUsed, rssBytes: rss, connections: countConnections() };
  }, stop);
  process.send?.({ id: 0, answer: { port } });
}

/** Open TCP connections: the same count for every server. */
const countConnections = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;

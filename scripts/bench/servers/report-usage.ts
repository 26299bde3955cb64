import { setImmediate } from 'node:timers/promises';
import { answerQuestions, type ServerQuestion, type Usage } from '../wire.js';

/** Full collections in a row: what the finalizers of one make unreachable, the next frees. */
const COLLECTIONS = 4;

/** Says that the server listens on `port`, then answers what it has used. Needs `--expose-gc`. @param stop ends it */
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

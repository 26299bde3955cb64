/**
 * What the processes of a benchmark say to each other: the runner asks, the server under test and the load generator
 * answer. Each process imports this file alone from the others.
 */

/** What a server has used so far. */
export interface Usage {
  /** Processor time of the whole process since its start, user and system, in microseconds. */
  cpuMicros: number;
  /** JavaScript heap in bytes; after a collection if one was asked for. */
  heapBytes: number;
  /** Memory of the process in bytes, as the operating system sees it. */
  rssBytes: number;
  /** TCP connections that are open now, those to Redis and the database among them. */
  connections: number;
}

/** A question to a server under test. */
export type ServerQuestion = { kind: 'usage' } | { kind: 'usageAfterCollection' };

/** What kind of protocol a server's clients speak. */
export type Protocol = 'socket.io' | 'ws';

/** Where the load goes. */
export interface Target {
  protocol: Protocol;
  port: number;
}

/** An order to the load generator. Connections stay open under the target's port until they are closed. */
export type LoadOrder =
  | { kind: 'connect'; target: Target; count: number; inFlight: number }
  | { kind: 'close'; target: Target }
  | { kind: 'emit'; target: Target; requests: number; inFlight: number }
  | { kind: 'emitBatch'; target: Target; requests: number; itemsPerRequest: number }
  | { kind: 'fanOut'; target: Target; requests: number };

/** What the load generator saw. It fails instead of answering when anything was lost, doubled or wrong. */
export interface LoadResult {
  /** Requests, connections, items or deliveries, depending on the order. */
  operations: number;
  durationMs: number;
  /** Processor time of the load generator, in microseconds. */
  cpuMicros: number;
}

/** A question on its way, and its answer. */
export interface Envelope<Content> {
  id: number;
  content: Content;
}
export type Reply = { id: number; answer: unknown } | { id: number; error: string };

/** The namespace that the Socket.IO clients enter. */
export const NAMESPACE = '/v1/shared';
/** The event that every server sends. */
export const EVENT = 'deal_updated';
/** The id of the n-th user; each has one connection. */
export const userIdOf = (index: number): string => `user-${index}`;
/** The key of the REST calls and the secret of the tokens: every server gets the same. */
export const API_KEY = 'the-key-of-the-benchmark';
export const SECRET = 'the secret of the benchmark, and of nothing else';

/** Heartbeats come so seldom that none falls into a measurement. */
export const PING_INTERVAL_MS = 600_000;

/**
 * Answers the questions of the process that started this one, until that goes away or lets go; then ends the process.
 * @param answer a thrown error becomes a failure of the caller
 * @param stop what is to be done before the end
 */
export function answerQuestions<Question>(
  answer: (question: Question) => unknown,
  stop: () => Promise<void> = async () => undefined,
): void {
  process.on('message', ({ id, content }: Envelope<Question>) => {
    void (async () => {
      let reply: Reply;
      try {
        reply = { id, answer: await answer(content) };
      } catch (error) {
        reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
      }
      process.send?.(reply);
    })();
  });
  process.once('disconnect', () => {
    void stop().finally(() => process.exit(0));
  });
}

/** Protocol between the benchmark's processes. The runner sends requests; the server under test and the load generator answer. */

/** Resource usage of a server. */
export interface Usage {
  /** CPU time of the process since its start, user and system, in microseconds. */
  cpuMicros: number;
  /** JavaScript heap in bytes, after a collection if requested. */
  heapBytes: number;
  /** RSS in bytes. */
  rssBytes: number;
  /** Open TCP connections, including those to Redis and the database. */
  connections: number;
}

/** A request to a server under test. */
export type ServerQuestion = { kind: 'usage' } | { kind: 'usageAfterCollection' };

/** Protocol of a server's clients. */
export type Protocol = 'socket.io' | 'ws';

/** Target of the load. */
export interface Target {
  protocol: Protocol;
  port: number;
}

/** A request to the load generator. Connections to a target's port stay open until they are closed. */
export type LoadOrder =
  | { kind: 'connect'; target: Target; count: number; inFlight: number }
  | { kind: 'close'; target: Target }
  | { kind: 'emit'; target: Target; requests: number; inFlight: number }
  | { kind: 'emitBatch'; target: Target; requests: number; itemsPerRequest: number }
  | { kind: 'fanOut'; target: Target; requests: number };

/** Result of the load generator. It fails when a message was lost, repeated or wrong. */
export interface LoadResult {
  /** Requests, connections, items or deliveries, depending on the order. */
  operations: number;
  durationMs: number;
  /** CPU time of the load generator, in microseconds. */
  cpuMicros: number;
}

/** A request in flight, or its reply. */
export interface Envelope<Content> {
  id: number;
  content: Content;
}
export type Reply = { id: number; answer: unknown } | { id: number; error: string };

/** Namespace of the Socket.IO clients. */
export const NAMESPACE = '/v1/shared';
/** The event that every server sends. */
export const EVENT = 'deal_updated';
/** The id of the n-th user; each has one connection. */
export const userIdOf = (index: number): string => `user-${index}`;
/** API key and token secret, the same for every server. */
export const API_KEY = 'the-key-of-the-benchmark';
export const SECRET = 'the secret of the benchmark, and of nothing else';

/** Long enough that no heartbeat falls into a measurement. */
export const PING_INTERVAL_MS = 600_000;

/**
 * Answers requests of the parent process until it disconnects, then ends this process.
 * @param answer a thrown error becomes a failure of the caller
 * @param stop runs before the end
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

/** Protocol between the benchmark's processes. The runner sends requests; the server under test and the load generator answer. */

/** What the process of a server says of itself. What it uses is read from `/proc`, see `processes.ts`. */
export interface Usage {
  /** JavaScript heap in bytes. */
  heapBytes: number;
}

/** A request to a server under test. */
export type ServerQuestion = { kind: 'usageAfterCollection' };

/** Protocol of a server's clients. */
export type Protocol = 'socket.io' | 'ws' | 'centrifugo';

/** Target of the load. */
export interface Target {
  protocol: Protocol;
  /** Of each node. Clients and calls are spread over them. */
  ports: readonly number[];
  /** Calls go to these instead. */
  callPorts?: readonly number[];
}

/** A request to the load generator. Connections to a target stay open until they are closed. */
export type LoadOrder =
  | {
      kind: 'connect';
      target: Target;
      namespace?: string;
      count: number;
      inFlight: number;
      firstUser?: number;
      /** Time over which the connects begin, evenly; absent: as soon as `inFlight` allows. */
      spreadOverMs?: number;
    }
  | { kind: 'close'; target: Target }
  | { kind: 'emit'; target: Target; requests: number; inFlight: number; isDurable?: boolean; users?: number }
  | { kind: 'emitBatch'; target: Target; requests: number; itemsPerRequest: number; isDurable?: boolean }
  | { kind: 'fanOut'; target: Target; requests: number }
  /** Stores messages for users who are away. */
  | { kind: 'store'; target: Target; users: number; messagesEach: number; firstUser?: number }
  /** Connects clients and waits until each has the messages that it missed. */
  | { kind: 'comeBack'; target: Target; count: number; inFlight: number; messagesEach: number }
  /** Connects callers, who send events and count what they hear. They stay connected until `close`. */
  | { kind: 'enter'; target: Target; namespace: string; count: number }
  /** The callers send an event in turns, and wait for its answer and until each has heard of it who should. */
  | { kind: 'ask'; target: Target; what: Asked; requests: number; inFlight: number };

/** Events that callers send. */
export type Asked =
  | 'conversation message'
  | 'support message'
  | 'community message'
  | 'add_conversation'
  | 'channel'
  | 'list_conversation';

/** Result of the load generator. It fails when a message was lost, repeated or wrong. */
export interface LoadResult {
  /** Requests, connections, items or deliveries, depending on the order. */
  operations: number;
  durationMs: number;
}

/** A request in flight, or its reply. */
export interface Envelope<Content> {
  id: number;
  content: Content;
}

/** The reply to a request, by its id. An error is a message for people. */
export type Reply = { id: number; answer: unknown } | { id: number; error: string };

/** Namespace of the Socket.IO clients. */
export const NAMESPACE = '/v1/shared';
/** Namespace of the chats. */
export const CHATS = '/';
/** Namespace of the conversations. */
export const CONVERSATIONS = '/v1/conversation';
/** The event that every server sends. */
export const EVENT = 'deal_updated';
/** The id of the n-th user, an ObjectId as in `_users`; each has one connection. */
export const userIdOf = (index: number): string => `6650a1b2c3d4${index.toString(16).padStart(12, '0')}`;
/** The account of all users. */
export const ACCOUNT_ID = '6650a1b2c3d4e5f600000000';
/** Users who share a chat, a support conversation and a team conversation. */
export const CIRCLE = 10;
/** The id of what the n-th circle of users shares: a chat, a support conversation or a team conversation. */
export const sharedIdOf = (circle: number): string => `6650a1b2c3d5${circle.toString(16).padStart(12, '0')}`;
/** The channel of the seeded conversations. */
export const CHANNEL = 'x';
/** The key of the backend, the same for every server. */
export const API_KEY = 'the-key-of-the-benchmark';
/** Signs the tokens of users by HS256. */
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

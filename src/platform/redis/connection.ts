import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { withinMs } from '../time/within-ms.js';
import { type Answers, createAnswers } from './answers.js';
import { type Connection, type ConnectionSettings, createConnection, HUNG_AFTER_MS } from './server-connection.js';
import {
  createSubscriptionMemory,
  type MessageListener,
  OPPOSITES,
  type SubscriptionKind,
} from './subscription-memory.js';
import type { RedisServer } from './url.js';

type Subscribe = (names: string | string[], listener: MessageListener) => Promise<void>;

/**
 * A connection to Redis that finds its server, reconnects forever and restores its subscriptions. While it is
 * disconnected, everything is rejected at once.
 */
export interface RedisClient {
  readonly isReady: boolean;
  /** The server that it is connected to. */
  readonly server: RedisServer | undefined;
  readonly answers: Answers;
  /** Events: `ready` after each connect, `error` after each failure. */
  on(event: 'ready' | 'error', listener: (error?: unknown) => void): unknown;
  off(event: 'ready' | 'error', listener: (error?: unknown) => void): unknown;
  /** Begins to connect. Never rejects. */
  connect(): void;
  /** Drops the connection, rejects its pending commands, and locates the server again. */
  reconnect(): void;
  /**
   * @param key decides the server in a Redis Cluster
   * @param isPatient whether it is repeated for a time while a Redis Cluster moves its keys. Default: yes
   */
  sendCommand<Reply = unknown>(args: readonly string[], key?: string, isPatient?: boolean): Promise<Reply>;
  publish(channel: string, message: string | Buffer): Promise<number>;
  ping(): Promise<unknown>;
  /** Subscriptions are restored after each connect, also those that were rejected while disconnected. */
  subscribe: Subscribe;
  unsubscribe: Subscribe;
  pSubscribe: Subscribe;
  pUnsubscribe: Subscribe;
  sSubscribe: Subscribe;
  sUnsubscribe: Subscribe;
  /** Waits for pending commands, up to a limit, and disconnects. */
  close(): Promise<void>;
}

/** The part of a client that runs commands. */
export type CommandClient = Pick<
  RedisClient,
  'isReady' | 'server' | 'answers' | 'on' | 'off' | 'connect' | 'reconnect' | 'sendCommand' | 'ping' | 'close'
>;

/** Options of {@link createRedisClient}. */
export interface RedisClientOptions {
  readonly settings: ConnectionSettings;
  /** Finds the server. @throws (rejects) the reason why there is none */
  locate(): Promise<RedisServer>;
  /** Checks a new connection. @throws (rejects) the reason why it cannot be used */
  ensureUsable?(connection: Connection): Promise<void>;
}

/** Maximum delay between reconnects. */
const RECONNECT_MAX_MS = 2_000;

/** Time limit of what precedes the first command. Later a connection is watched: see `watchConnection`. */
const OPEN_LIMIT_MS = 3 * HUNG_AFTER_MS;
const CLOSE_LIMIT_MS = 2_000;

/** Exponential back-off with jitter, so that nodes do not reconnect at the same time. */
export const backOffMs = (attempt: number): number =>
  Math.min(RECONNECT_MAX_MS, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);

/**
 * Creates a client of one server. node-redis' own reconnects go to the same address forever, and its client for
 * Sentinel queues commands while the master is away and hides its connection for subscriptions. Hence each connection
 * here is a new client of node-redis, to the server that is the right one at that moment.
 */
export function createRedisClient({ settings, locate, ensureUsable }: RedisClientOptions): RedisClient {
  const events = new EventEmitter();
  // The adapter adds a listener for each namespace.
  events.setMaxListeners(0).on('error', () => undefined);
  const subscriptions = createSubscriptionMemory();
  const answers = createAnswers();
  /** Ready for commands. */
  let current: Connection | undefined;
  let currentServer: RedisServer | undefined;
  /** The connection that is being opened or used. */
  let latest: Connection | undefined;
  let isOpen = false;

  /** Opens a connection and uses it until it fails. @throws the failure; `undefined` when the connection was dropped */
  const useConnection = async (onReady: () => void): Promise<never> => {
    const server = await locate();
    if (!isOpen) throw new Error('closed');
    const connection = createConnection(server, settings);
    latest = connection;
    try {
      const lost = new Promise<unknown>((resolve) => {
        // It ends without an error when this process has dropped it, for a reason that is known.
        connection.once('error', resolve).once('end', () => resolve(undefined));
      });
      const prepare = async (): Promise<void> => {
        await ensureUsable?.(connection);
        await subscriptions.restore(connection);
      };
      const open = async (): Promise<void> => {
        await connection.connect();
        await Promise.race([prepare(), lost.then((error) => Promise.reject(error))]);
      };
      await withinMs(OPEN_LIMIT_MS, open());
      current = connection;
      currentServer = server;
      onReady();
      throw await lost;
    } finally {
      current = undefined;
      connection.destroy();
    }
  };
  const run = async (): Promise<void> => {
    for (let attempt = 0; isOpen; attempt += 1) {
      await useConnection(() => {
        attempt = -1;
        events.emit('ready');
      }).catch((error: unknown) => {
        if (isOpen && error !== undefined) events.emit('error', error);
      });
      if (isOpen) await delay(backOffMs(Math.max(attempt, 0)));
    }
  };
  const connected = (): Connection => {
    if (current?.isReady !== true) throw new Error('not connected to Redis');
    return current;
  };
  const subscribe =
    (kind: SubscriptionKind): Subscribe =>
    async (names, listener) => {
      subscriptions.add(kind, names, listener);
      await connected()[kind](names, listener, true);
    };
  const unsubscribe =
    (kind: SubscriptionKind): Subscribe =>
    async (names, listener) => {
      subscriptions.delete(kind, names, listener);
      await connected()[OPPOSITES[kind]](names, listener, true);
    };

  return {
    get isReady() {
      return current?.isReady === true;
    },
    get server() {
      return current === undefined ? undefined : currentServer;
    },
    answers,
    on: (event, listener) => events.on(event, listener),
    off: (event, listener) => events.off(event, listener),
    connect() {
      if (isOpen) return;
      isOpen = true;
      void run();
    },
    reconnect: () => current?.destroy(),
    sendCommand: async <Reply>(args: readonly string[]) => answers.track(connected().sendCommand<Reply>(args)),
    publish: async (channel, message) => answers.track(connected().publish(channel, message)),
    ping: async () => answers.track(connected().ping()),
    subscribe: subscribe('subscribe'),
    unsubscribe: unsubscribe('subscribe'),
    pSubscribe: subscribe('pSubscribe'),
    pUnsubscribe: unsubscribe('pSubscribe'),
    sSubscribe: subscribe('sSubscribe'),
    sUnsubscribe: unsubscribe('sSubscribe'),
    async close() {
      isOpen = false;
      if (current?.isReady === true) await withinMs(CLOSE_LIMIT_MS, current.close()).catch(() => undefined);
      latest?.destroy();
    },
  };
}

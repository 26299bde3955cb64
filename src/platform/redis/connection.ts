import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'redis';
import { type RedisTlsFiles, readTlsFiles } from './tls.js';
import type { RedisCredentials, RedisServer } from './url.js';

/** Receives a raw message: bytes and channel. */
export type MessageListener = (message: Buffer, channel: Buffer) => unknown;

type Subscribe = (names: string | string[], listener: MessageListener) => Promise<void>;

/**
 * A connection to Redis that finds its server, reconnects forever and restores its subscriptions. While it is
 * disconnected, everything is rejected at once.
 */
export interface RedisClient {
  readonly isReady: boolean;
  /** The server that it is connected to. */
  readonly server: RedisServer | undefined;
  /** Events: `ready` after each connect, `error` after each failure. */
  on(event: 'ready' | 'error', listener: (error?: unknown) => void): unknown;
  off(event: 'ready' | 'error', listener: (error?: unknown) => void): unknown;
  /** Begins to connect. Never rejects. */
  connect(): void;
  /** Drops the connection, rejects its pending commands, and finds the server anew. */
  reconnect(): void;
  /** @param key decides the server in a Redis Cluster */
  sendCommand<Reply = unknown>(args: readonly string[], key?: string): Promise<Reply>;
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
  'isReady' | 'server' | 'on' | 'off' | 'connect' | 'reconnect' | 'sendCommand' | 'ping' | 'close'
>;

/** How to reach a server. */
export interface ConnectionSettings {
  readonly isTls: boolean;
  readonly tlsFiles?: RedisTlsFiles;
  readonly credentials: RedisCredentials;
  readonly database: number;
}

/** A connection to one server. It does not reconnect. */
export type Connection = ReturnType<typeof createConnection>;

/** Options of {@link createRedisClient}. */
export interface RedisClientOptions {
  readonly settings: ConnectionSettings;
  /** Finds the server. @throws (rejects) the reason why there is none */
  locate(): Promise<RedisServer>;
  /** Checks a new connection. @throws (rejects) the reason why it cannot be used */
  ensureUsable?(connection: Connection): Promise<void>;
}

/** A connection whose ping is unanswered for this long is dropped, and its pending commands are rejected. */
export const HUNG_AFTER_MS = 2_000;
/** Maximum delay between reconnects. */
const RECONNECT_MAX_MS = 2_000;

const PING_INTERVAL_MS = 500;
const CLOSE_LIMIT_MS = 2_000;
/** Maximum queued commands of one connection. Bounds memory when Redis is slow. */
const QUEUE_MAX = 100_000;

/** Exponential back-off with jitter, so that nodes do not reconnect at the same time. */
export const backOffMs = (attempt: number): number =>
  Math.min(RECONNECT_MAX_MS, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);

/** Options of a connection for node-redis. @throws Error when a file for TLS cannot be read */
export const toClientOptions = (settings: ConnectionSettings, server?: RedisServer) => {
  const { isTls, tlsFiles = {}, credentials, database } = settings;
  const socket = {
    ...server,
    connectTimeout: HUNG_AFTER_MS,
    // Covers the handshake, which has no pings of the gateway. Later the pings keep a healthy connection active.
    socketTimeout: 3 * HUNG_AFTER_MS,
  };
  return {
    ...credentials,
    database,
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE_MAX,
    maintNotifications: 'disabled',
    socket: isTls ? { ...socket, ...readTlsFiles(tlsFiles), tls: true as const } : socket,
  } as const;
};

/** A connection to `server` that ends with its first failure. @throws Error when a file for TLS cannot be read */
export function createConnection(server: RedisServer, settings: ConnectionSettings) {
  const options = toClientOptions(settings, server);
  const connection = createClient({ ...options, socket: { ...options.socket, reconnectStrategy: false } });
  // The caller learns of errors from `connect` and from pending commands.
  connection.on('error', () => undefined);
  return connection;
}

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
      await connection.connect();
      const prepare = async (): Promise<void> => {
        await ensureUsable?.(connection);
        await subscriptions.restore(connection);
      };
      await Promise.race([prepare(), lost.then((error) => Promise.reject(error))]);
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
    on: (event, listener) => events.on(event, listener),
    off: (event, listener) => events.off(event, listener),
    connect() {
      if (isOpen) return;
      isOpen = true;
      void run();
    },
    reconnect: () => current?.destroy(),
    sendCommand: async <Reply>(args: readonly string[]) => connected().sendCommand<Reply>(args),
    publish: async (channel, message) => connected().publish(channel, message),
    ping: async () => connected().ping(),
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

type SubscriptionKind = 'subscribe' | 'pSubscribe' | 'sSubscribe';
const OPPOSITES = { subscribe: 'unsubscribe', pSubscribe: 'pUnsubscribe', sSubscribe: 'sUnsubscribe' } as const;

/** The subscriptions that each new connection gets. */
function createSubscriptionMemory() {
  const channels = new Map<SubscriptionKind, Map<MessageListener, Set<string>>>();
  const namesOf = (kind: SubscriptionKind, listener: MessageListener): Set<string> => {
    const listeners = channels.get(kind) ?? new Map<MessageListener, Set<string>>();
    const names = listeners.get(listener) ?? new Set();
    channels.set(kind, listeners.set(listener, names));
    return names;
  };
  return {
    add(kind: SubscriptionKind, names: string | string[], listener: MessageListener) {
      for (const name of [names].flat()) namesOf(kind, listener).add(name);
    },
    delete(kind: SubscriptionKind, names: string | string[], listener: MessageListener) {
      const known = namesOf(kind, listener);
      for (const name of [names].flat()) known.delete(name);
      if (known.size === 0) channels.get(kind)?.delete(listener);
    },
    /** @throws the refusal of Redis */
    async restore(connection: Connection): Promise<void> {
      const all = [...channels].flatMap(([kind, listeners]) =>
        [...listeners].map(([listener, names]) => connection[kind]([...names], listener, true)),
      );
      await Promise.all(all);
    },
  };
}

/** Detects a hung connection. @returns stops it */
export function watchConnection(client: CommandClient, onHung: () => void): () => void {
  let isPinging = false;
  const timer = setInterval(() => {
    if (isPinging || !client.isReady) return;
    isPinging = true;
    // After a pause of this process the reply may already be in the socket when the timer fires. Two turns of the event
    // loop let it be read.
    const limit = setTimeout(() => setImmediate(() => setImmediate(() => isPinging && drop())), HUNG_AFTER_MS);
    limit.unref();
    const settle = (): void => {
      clearTimeout(limit);
      isPinging = false;
    };
    client.ping().then(settle, settle);
  }, PING_INTERVAL_MS).unref();

  /**
   * The connection is half-open, or Redis hangs. The time-outs of node-redis end when a command is written, and its idle
   * time-out never fires while commands are written; hence the own ping.
   */
  const drop = (): void => {
    if (!client.isReady) return;
    onHung();
    client.reconnect();
  };
  return () => clearInterval(timer);
}

/** @throws Error when `promise` has not settled within `limitMs` */
export async function withinMs<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

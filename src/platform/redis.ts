import { createClient } from 'redis';
import type { Logger } from './logger.js';
import { type AdapterPublisher, type AdapterSubscriber, toPublisher, toSubscriber } from './redis-pubsub.js';

/** A client of node-redis with our settings. */
export type RedisClient = ReturnType<typeof createRedisClient>;

/**
 * The gateway's three connections to one Redis. All of them reconnect for ever; nothing that happens to Redis ends the
 * process. While Redis is away commands are refused at once instead of queued.
 */
export interface Redis {
  /** For our own commands. They are rejected within {@link HUNG_AFTER_MS} and a little when Redis hangs. */
  readonly commands: RedisClient;
  /** For the Socket.IO adapter. */
  readonly publisher: AdapterPublisher;
  /** For the Socket.IO adapter. */
  readonly subscriber: AdapterSubscriber;
  /** All three connections stand. */
  isReady(): boolean;
  /** Calls `listener` with each change of {@link Redis.isReady}. @returns stops that */
  onStateChange(listener: (isReady: boolean) => void): () => void;
  /** @throws Error when a connection or a subscription is missing, or Redis does not answer within {@link PING_LIMIT_MS}. */
  ping(): Promise<void>;
  /** Lets pending commands finish, for a limited time, and disconnects. */
  close(): Promise<void>;
}

/** What {@link connectRedis} needs. */
export interface RedisOptions {
  /** `redis[s]://[[user][:password]@]host[:port][/database]` or `unix:` */
  url: string;
  /** How long to wait for the first connection. */
  startupTimeoutMs: number;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Called for each message of the adapter that could not be published, so that it can be counted. */
  onPublishFailed?: () => void;
}

/** A connection whose ping is unanswered for this long is dropped, and what waits on it is rejected. */
export const HUNG_AFTER_MS = 2_000;
/** Time limit of {@link Redis.ping}. */
export const PING_LIMIT_MS = 1_000;

const PING_INTERVAL_MS = 500;
const CLOSE_LIMIT_MS = 2_000;
const RECONNECT_MAX_MS = 2_000;
/** Commands one connection may hold. They are small; this bounds memory when Redis is slow. */
const QUEUE_MAX = 100_000;

/**
 * Connects to Redis, trying again until `startupTimeoutMs` is over.
 * @throws Error that names the address (never the password) and the last cause.
 */
export async function connectRedis(options: RedisOptions): Promise<Redis> {
  const { logger, url } = options;
  const address = toAddress(url);
  const commands = createRedisClient(url, { isQueueing: false });
  const publisher = createRedisClient(url, { isQueueing: false });
  // Subscriptions that are asked for while Redis is away wait for it: their number is that of the namespaces.
  const subscriber = createRedisClient(url, { isQueueing: true });
  const clients = [commands, publisher, subscriber];

  const listeners = new Set<(isReady: boolean) => void>();
  const isReady = (): boolean => clients.every((client) => client.isReady);
  let wasReady = false;
  let isClosing = false;
  let lastError: unknown;
  const noteState = (): void => {
    if (isClosing || isReady() === wasReady) return;
    wasReady = !wasReady;
    if (wasReady) logger.info({ redis: address }, 'Redis is connected');
    else logger.error({ redis: address, err: lastError }, 'Redis is away; trying again until it is back');
    for (const listener of listeners) listener(wasReady);
  };
  for (const client of clients) {
    client.on('error', (error) => {
      lastError = error;
      noteState();
    });
    client.on('ready', noteState);
    client.on('end', noteState);
  }

  await connectAll(clients, options.startupTimeoutMs).catch((cause: unknown) => {
    const reason = lastError instanceof Error ? lastError.message || ('code' in lastError && lastError.code) : cause;
    throw new Error(`Redis at ${address} could not be reached within ${options.startupTimeoutMs} ms: ${reason}`);
  });
  const noteHung = (): void => {
    lastError = new Error(`no answer within ${HUNG_AFTER_MS} ms`);
  };
  const watches = clients.map((client) => watch(client, noteHung));

  const subscriptions = toSubscriber(subscriber, logger);
  return {
    commands,
    publisher: toPublisher(publisher, () => options.onPublishFailed?.()),
    subscriber: subscriptions,
    isReady,
    onStateChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async ping() {
      // The connections come back one by one. Without its subscriptions this node misses the events of the others.
      if (!isReady() || !subscriptions.isSettled()) throw new Error('not every connection and subscription stands');
      await withinMs(PING_LIMIT_MS, commands.ping());
    },
    async close() {
      isClosing = true;
      for (const stopWatching of watches) stopWatching();
      await Promise.all(clients.map(closeClient));
    },
  };
}

function createRedisClient(url: string, { isQueueing }: { isQueueing: boolean }) {
  const client = createClient({
    url,
    disableOfflineQueue: !isQueueing,
    commandsQueueMaxLength: QUEUE_MAX,
    maintNotifications: 'disabled',
    socket: {
      connectTimeout: HUNG_AFTER_MS,
      // Covers the handshake, where no ping of ours can; later the pings keep a healthy connection busy.
      socketTimeout: 3 * HUNG_AFTER_MS,
      reconnectStrategy: (retries) => Math.min(RECONNECT_MAX_MS, 50 * 2 ** retries) * (0.5 + Math.random() / 2),
    },
  });
  // The adapter adds a listener for each namespace.
  client.setMaxListeners(0);
  return client;
}

async function connectAll(clients: readonly RedisClient[], timeoutMs: number): Promise<void> {
  try {
    await withinMs(timeoutMs, Promise.all(clients.map((client) => client.connect())));
  } catch (error) {
    for (const client of clients) client.destroy();
    throw error;
  }
}

/**
 * Drops a connection that stands but does not answer: half-open, or Redis itself is stuck. The time limits of node-redis
 * end when a command is written, and an idle time-out never comes while we keep writing; a ping of our own tells.
 */
function watch(client: RedisClient, onHung: () => void): () => void {
  let isPinging = false;
  const timer = setInterval(() => {
    if (isPinging || !client.isReady) return;
    isPinging = true;
    // After a pause of this process the answer may be waiting in the socket while the timer is already due. Reading comes
    // between the two turns of the event loop.
    const limit = setTimeout(() => setImmediate(() => setImmediate(() => isPinging && reconnect())), HUNG_AFTER_MS);
    limit.unref();
    const settle = (): void => {
      clearTimeout(limit);
      isPinging = false;
    };
    client.ping().then(settle, settle);
  }, PING_INTERVAL_MS).unref();

  // Only a ready client is restarted: one that is reconnecting already would do so twice.
  const reconnect = (): void => {
    if (!client.isReady) return;
    onHung();
    client.destroy();
    client.connect().catch(() => undefined);
  };
  return () => clearInterval(timer);
}

async function closeClient(client: RedisClient): Promise<void> {
  if (client.isReady) await withinMs(CLOSE_LIMIT_MS, client.close()).catch(() => undefined);
  client.destroy();
}

async function withinMs<T>(limitMs: number, promise: Promise<T>): Promise<T> {
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

/** The address without credentials, for the log. */
function toAddress(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    // The URL may hold a password, so the cause, which quotes it, is left out.
    throw new Error('The address of Redis is not a URL; expected redis://[[user]:password@]host[:port][/database]');
  }
}

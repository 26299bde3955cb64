import { createClient } from 'redis';

/** A node-redis client with the gateway's settings. */
export type RedisClient = ReturnType<typeof createRedisClient>;

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

/**
 * A client that reconnects forever after the first connect. Without `isQueueing`, commands fail while it is
 * disconnected.
 */
export function createRedisClient(url: string, { isQueueing }: { isQueueing: boolean }) {
  const client = createClient({
    url,
    disableOfflineQueue: !isQueueing,
    commandsQueueMaxLength: QUEUE_MAX,
    maintNotifications: 'disabled',
    socket: {
      connectTimeout: HUNG_AFTER_MS,
      // Covers the handshake, which has no pings of the gateway. Later the pings keep a healthy connection active.
      socketTimeout: 3 * HUNG_AFTER_MS,
      reconnectStrategy: backOffMs,
    },
  });
  // The adapter adds a listener for each namespace.
  client.setMaxListeners(0);
  return client;
}

/** Detects a hung connection. */
export interface ConnectionWatch {
  /** Drops the connection and reconnects. Rejects pending commands. */
  reconnect(): void;
  stop(): void;
}

/**
 * Drops an open connection that does not answer: half-open, or a hung Redis. The time-outs of node-redis end when a
 * command is written, and its idle time-out never fires while commands are written; hence the own ping.
 */
export function watchConnection(client: RedisClient, onHung: () => void): ConnectionWatch {
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

  const drop = (): void => {
    if (!client.isReady) return;
    onHung();
    reconnect();
  };
  // Reconnects only a ready client: another one is already reconnecting.
  const reconnect = (): void => {
    if (!client.isReady) return;
    client.destroy();
    client.connect().catch(() => undefined);
  };
  return { reconnect, stop: () => clearInterval(timer) };
}

/** Waits for pending commands, up to a limit, and disconnects. */
export async function closeClient(client: RedisClient): Promise<void> {
  if (client.isReady) await withinMs(CLOSE_LIMIT_MS, client.close()).catch(() => undefined);
  client.destroy();
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

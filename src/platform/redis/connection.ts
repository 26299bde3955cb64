import { createClient } from 'redis';

/** A client of node-redis with our settings. */
export type RedisClient = ReturnType<typeof createRedisClient>;

/** A connection whose ping is unanswered for this long is dropped, and what waits on it is rejected. */
export const HUNG_AFTER_MS = 2_000;
/** Longest pause between two attempts to connect. */
const RECONNECT_MAX_MS = 2_000;

const PING_INTERVAL_MS = 500;
const CLOSE_LIMIT_MS = 2_000;
/** Commands one connection may hold. They are small; this bounds memory when Redis is slow. */
const QUEUE_MAX = 100_000;

/** Exponential back-off with jitter, so that the nodes do not come back all at once. */
export const backOffMs = (attempt: number): number =>
  Math.min(RECONNECT_MAX_MS, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);

/** A client that reconnects for ever once it is connected. Without `isQueueing`, commands are refused while it is away. */
export function createRedisClient(url: string, { isQueueing }: { isQueueing: boolean }) {
  const client = createClient({
    url,
    disableOfflineQueue: !isQueueing,
    commandsQueueMaxLength: QUEUE_MAX,
    maintNotifications: 'disabled',
    socket: {
      connectTimeout: HUNG_AFTER_MS,
      // Covers the handshake, where no ping of ours can; later the pings keep a healthy connection busy.
      socketTimeout: 3 * HUNG_AFTER_MS,
      reconnectStrategy: backOffMs,
    },
  });
  // The adapter adds a listener for each namespace.
  client.setMaxListeners(0);
  return client;
}

/** Watches one connection. */
export interface ConnectionWatch {
  /** Drops the connection and makes a new one, as after an outage. Rejects what waits on the old one. */
  reconnect(): void;
  stop(): void;
}

/**
 * Drops a connection that stands but does not answer: half-open, or Redis itself is stuck. The time limits of node-redis
 * end when a command is written, and an idle time-out never comes while we keep writing; a ping of our own tells.
 */
export function watchConnection(client: RedisClient, onHung: () => void): ConnectionWatch {
  let isPinging = false;
  const timer = setInterval(() => {
    if (isPinging || !client.isReady) return;
    isPinging = true;
    // After a pause of this process the answer may be waiting in the socket while the timer is already due. Reading comes
    // between the two turns of the event loop.
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
  // Only a ready client is restarted: one that is reconnecting already would do so twice.
  const reconnect = (): void => {
    if (!client.isReady) return;
    client.destroy();
    client.connect().catch(() => undefined);
  };
  return { reconnect, stop: () => clearInterval(timer) };
}

/** Lets pending commands finish, for a limited time, and disconnects. */
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

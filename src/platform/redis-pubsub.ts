import type { Logger } from './logger.js';
import type { RedisClient } from './redis.js';

/** Receives a message as it came: channel and bytes. */
export type MessageListener = (message: Buffer, channel: Buffer) => unknown;

/** As much of a node-redis client as `@socket.io/redis-adapter` uses for publishing. */
export type AdapterPublisher = Pick<RedisClient, 'on' | 'off' | 'sendCommand'> & {
  /** Resolves with 0 when the message could not be published; never rejects, because the adapter does not look. */
  publish(channel: string, message: string | Uint8Array): Promise<number>;
  /** Only their presence matters: the adapter knows a node-redis client by them. */
  pSubscribe: unknown;
  sSubscribe: unknown;
};

/** As much of a node-redis client as `@socket.io/redis-adapter` uses for subscribing. None of it rejects. */
export type AdapterSubscriber = Pick<RedisClient, 'on' | 'off'> & {
  /** Whether Redis has answered every change of a subscription. */
  isSettled(): boolean;
  subscribe(channels: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
  unsubscribe(channels: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
  pSubscribe(patterns: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
  pUnsubscribe(patterns: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
};

/** Bytes of messages that may wait for Redis. A connection that is stuck is dropped soon; this bounds memory until then. */
const WAITING_BYTES_MAX = 64 * 2 ** 20;

/** Wraps `client` for the adapter. @param onFailed is called for each message that was not published */
export function toPublisher(client: RedisClient, onFailed: () => void): AdapterPublisher {
  let waitingBytes = 0;
  return {
    on: client.on.bind(client),
    off: client.off.bind(client),
    sendCommand: client.sendCommand.bind(client),
    pSubscribe: client.pSubscribe.bind(client),
    sSubscribe: client.sSubscribe.bind(client),
    async publish(channel, message) {
      const bytes = message.length;
      if (waitingBytes + bytes > WAITING_BYTES_MAX) {
        onFailed();
        return 0;
      }
      waitingBytes += bytes;
      try {
        return await client.publish(channel, toBuffer(message));
      } catch {
        onFailed();
        return 0;
      } finally {
        waitingBytes -= bytes;
      }
    },
  };
}

const toBuffer = (message: string | Uint8Array): string | Buffer =>
  typeof message === 'string' || Buffer.isBuffer(message) ? message : Buffer.from(message);

/**
 * Wraps `client` for the adapter, which does not look whether a subscription failed. One whose connection breaks before it
 * is answered is not repeated by node-redis; here it is, as soon as Redis is back.
 */
export function toSubscriber(client: RedisClient, logger: Pick<Logger, 'warn'>): AdapterSubscriber {
  const unanswered = new Set<() => Promise<void>>();
  const persist = async (attempt: () => Promise<void>): Promise<void> => {
    unanswered.add(attempt);
    try {
      await attempt();
      unanswered.delete(attempt);
    } catch (err) {
      if (client.isReady) logger.warn({ err }, 'Redis refused a subscription; it is tried again after a reconnect');
      client.once('ready', () => void persist(attempt));
    }
  };
  return {
    on: client.on.bind(client),
    off: client.off.bind(client),
    isSettled: () => unanswered.size === 0,
    subscribe: (channels, listener) => persist(() => client.subscribe(channels, listener, true)),
    unsubscribe: (channels, listener) => persist(() => client.unsubscribe(channels, listener, true)),
    pSubscribe: (patterns, listener) => persist(() => client.pSubscribe(patterns, listener, true)),
    pUnsubscribe: (patterns, listener) => persist(() => client.pUnsubscribe(patterns, listener, true)),
  };
}

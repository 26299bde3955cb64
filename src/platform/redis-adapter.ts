import { RedisAdapter } from '@socket.io/redis-adapter';
import type { Server } from 'socket.io';
import type { Logger } from './logger.js';
import type { Redis } from './redis.js';

/** What {@link createRedisAdapter} needs. */
export interface RedisAdapterOptions {
  redis: Redis;
  /** Begins the name of every channel. */
  keyPrefix: string;
  logger: Pick<Logger, 'warn'>;
}

/** The two places where the adapter reads what others published; both are private to it. */
interface Readers {
  onmessage(pattern: unknown, channel: Buffer, message: Buffer): void;
  onrequest(channel: Buffer, message: Buffer): Promise<void>;
}

/**
 * How events travel between nodes: as the JSON that clients get, so that it says the same on every node. The adapter's own
 * encoding loses keys called `__proto__`, integers beyond 2^63 and lone surrogates. Nothing that is emitted here is binary.
 */
const json = {
  encode: (message: unknown): string => JSON.stringify(message),
  decode: (message: Buffer): unknown => JSON.parse(message.toString()),
};

/**
 * The Redis adapter of Socket.IO, which carries events to the other nodes. It throws on a message it cannot read: into
 * node-redis, whose connection then loses its place, or into a promise that nobody holds, which ends the process. So
 * whoever can publish on its channels could stop every node; here such a message is dropped.
 */
export function createRedisAdapter(options: RedisAdapterOptions): Exclude<Parameters<Server['adapter']>[0], undefined> {
  const { redis, keyPrefix, logger } = options;
  const drop = (err: unknown, channel: Buffer): void =>
    logger.warn({ err, channel: channel.toString() }, 'Unreadable message on a channel of the adapter');

  return class GuardedAdapter extends RedisAdapter {
    constructor(namespace: unknown) {
      super(namespace, redis.publisher, redis.subscriber, {
        key: keyPrefix,
        publishOnSpecificResponseChannel: true,
        parser: json,
      });
      const readers = this as unknown as Readers;
      const { onmessage, onrequest } = readers;
      readers.onmessage = (pattern, channel, message) => {
        try {
          onmessage.call(this, pattern, channel, message);
        } catch (err) {
          drop(err, channel);
        }
      };
      readers.onrequest = (channel, message) =>
        onrequest.call(this, channel, message).catch((err: unknown) => drop(err, channel));
    }
  };
}

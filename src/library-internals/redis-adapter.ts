import { RedisAdapter } from '@socket.io/redis-adapter';
import type { Server } from 'socket.io';
import type { Logger } from '../platform/logger.js';
import type { Redis } from '../platform/redis/connect.js';

/** What {@link createRedisAdapter} needs. */
export interface RedisAdapterOptions {
  redis: Redis;
  /** Begins the name of every channel. */
  keyPrefix: string;
  logger: Pick<Logger, 'warn'>;
}

/** Where the adapter reads the requests of others, which is private to it. */
interface Reader {
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
 * The Redis adapter of Socket.IO, which carries events to the other nodes. A request that it cannot read rejects a promise
 * that nothing handles, which would end the process. Here such a request is dropped.
 */
export function createRedisAdapter(options: RedisAdapterOptions): Exclude<Parameters<Server['adapter']>[0], undefined> {
  const { redis, keyPrefix, logger } = options;
  return class GuardedAdapter extends RedisAdapter {
    constructor(namespace: unknown) {
      super(namespace, redis.publisher, redis.subscriber, {
        key: keyPrefix,
        publishOnSpecificResponseChannel: true,
        parser: json,
      });
      const reader = this as unknown as Reader;
      const { onrequest } = reader;
      reader.onrequest = (channel, message) =>
        onrequest
          .call(this, channel, message)
          .catch((err: unknown) =>
            logger.warn({ err, channel: channel.toString() }, 'Unreadable request of the adapter'),
          );
    }
  };
}

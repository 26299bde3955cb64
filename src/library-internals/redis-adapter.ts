import { RedisAdapter } from '@socket.io/redis-adapter';
import type { Namespace, Server } from 'socket.io';
import type { Logger } from '../platform/logger.js';
import type { Redis } from '../platform/redis/connect.js';

/** What {@link createRedisAdapter} needs. */
export interface RedisAdapterOptions {
  redis: Redis;
  /** Begins the name of every channel. */
  keyPrefix: string;
  logger: Pick<Logger, 'warn'>;
}

/** What is private to the adapter: where it reads the messages and requests of others, and the prefix of its channels. */
interface Internals {
  readonly channel: string;
  onmessage(pattern: null, channel: Buffer, message: Buffer): void;
  onrequest(channel: Buffer, message: Buffer): Promise<void>;
}

type Broadcast = Parameters<RedisAdapter['broadcast']>;

/** A broadcast as it travels. */
interface RemoteBroadcast {
  readonly packet: unknown;
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  readonly flags: object | undefined;
}

/** In the place of a room in the name of a channel: a message holds several broadcasts. No room has this name. */
const GATHERED = '*gathered*';

/** The broadcasts of an adapter that wait to be published together; absent: each is published at once. */
const gathered = Symbol('gathered broadcasts');

/** An adapter that can publish several broadcasts together. */
interface Gathering {
  [gathered]?: RemoteBroadcast[] | undefined;
  /** Publishes what was gathered. */
  publishGathered?(): void;
}

/**
 * What `work` broadcasts in its synchronous part travels to the other nodes as one message for each namespace. Nothing can be
 * published in between, so the order of messages stays the same. Without Redis this only calls `work`.
 */
export function gatherBroadcasts<T>(
  io: { readonly _nsps: ReadonlyMap<string, Pick<Namespace, 'adapter'>> },
  work: () => T,
): T {
  const adapters = [...io._nsps.values()].map(({ adapter }) => adapter as Gathering);
  for (const adapter of adapters) if (adapter.publishGathered !== undefined) adapter[gathered] = [];
  try {
    return work();
  } finally {
    for (const adapter of adapters) adapter.publishGathered?.();
  }
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
  return class GuardedAdapter extends RedisAdapter implements Gathering {
    [gathered]: RemoteBroadcast[] | undefined;

    constructor(namespace: unknown) {
      super(namespace, redis.publisher, redis.subscriber, {
        key: keyPrefix,
        publishOnSpecificResponseChannel: true,
        parser: json,
      });
      const internals = this as unknown as Internals;
      const { onrequest, onmessage, channel: prefix } = internals;
      const channelOfGathered = `${prefix}${GATHERED}#`;
      internals.onmessage = (pattern, channel, message) => {
        if (channel.toString() === channelOfGathered) this.#receiveGathered(message);
        else onmessage.call(this, pattern, channel, message);
      };
      internals.onrequest = (channel, message) =>
        onrequest
          .call(this, channel, message)
          .catch((err: unknown) =>
            logger.warn({ err, channel: channel.toString() }, 'Unreadable request of the adapter'),
          );
    }

    override broadcast(...[packet, options]: Broadcast): void {
      const waiting = this[gathered];
      if (waiting === undefined || options.flags?.local === true) {
        super.broadcast(packet, options);
        return;
      }
      const { rooms, except = [], flags } = options;
      waiting.push({ packet, rooms: [...rooms], except: [...except], flags });
      this.#broadcastHere(packet, options);
    }

    publishGathered(): void {
      const waiting = this[gathered] ?? [];
      this[gathered] = undefined;
      if (waiting.length === 0) return;
      const { channel } = this as unknown as Internals;
      if (waiting.length > 1 && redis.publisher.areNodesAlike()) {
        void redis.publisher.publish(`${channel}${GATHERED}#`, json.encode([this.uid, waiting]));
        return;
      }
      // As the adapter does it: nodes of an earlier version understand nothing else.
      for (const { packet, ...options } of waiting) {
        const [room] = options.rooms;
        const name = room !== undefined && options.rooms.length === 1 ? `${channel}${room}#` : channel;
        void redis.publisher.publish(name, json.encode([this.uid, packet, options]));
      }
    }

    #receiveGathered(message: Buffer): void {
      const [sender, broadcasts] = json.decode(message) as [unknown, readonly RemoteBroadcast[]];
      if (sender === this.uid) return;
      for (const { packet, rooms, except, flags } of broadcasts) {
        // Encoding it costs more than to look whether it is for a socket of this node.
        if (rooms.length > 0 && !rooms.some((room) => this.rooms.has(room))) continue;
        this.#broadcastHere(packet, { rooms: new Set(rooms), except: new Set(except), flags: flags ?? {} });
      }
    }

    #broadcastHere(...[packet, options]: Broadcast): void {
      super.broadcast(packet, { ...options, flags: { ...options.flags, local: true } });
    }
  };
}

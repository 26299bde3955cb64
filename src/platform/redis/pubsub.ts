import type { Logger } from '../logger.js';
import type { RedisClient } from './connection.js';
import { escapeGlob } from './refusal.js';

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
  subscribe(channels: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
  unsubscribe(channels: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
  /** Patterns are text with one `*` at the end; what is special to Redis in the text is taken as it is. */
  pSubscribe(patterns: string, listener: MessageListener, isBuffer: true): Promise<void>;
  pUnsubscribe(patterns: string, listener: MessageListener, isBuffer: true): Promise<void>;
};

/** The subscriptions of this node. */
export interface Subscriptions {
  readonly adapter: AdapterSubscriber;
  /** Asks again for what Redis refused, or what broke with a connection. */
  retry(): void;
  /** @throws the refusal of a subscription that is missing. To be called when Redis has answered what was asked before. */
  ensureComplete(): void;
  /** Whether this node itself gets what is published on the channel. */
  covers(channel: string): boolean;
  /** The patterns, the same on each node of a version and a configuration. */
  patterns(): string[];
}

/** Bytes of messages that may wait for Redis. A connection that is stuck is dropped soon; this bounds memory until then. */
const WAITING_BYTES_MAX = 64 * 2 ** 20;

/** What {@link toPublisher} needs beside a client. */
interface PublisherOptions {
  /** How many subscribers a message on this channel should reach. It is asked when fewer could be enough. */
  expected(): number;
  /** Whether each node subscribes to the channel. */
  isShared(channel: string): boolean;
  /** Called for each message that did not reach every other node. `err` is absent when Redis took it. */
  onLost(err?: unknown): void;
}

/** Wraps `client` for the adapter. */
export function toPublisher(client: RedisClient, { expected, isShared, onLost }: PublisherOptions): AdapterPublisher {
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
        onLost(new Error(`more than ${WAITING_BYTES_MAX} bytes wait for Redis`));
        return 0;
      }
      waitingBytes += bytes;
      // Who joins or leaves while it is on its way may or may not get it.
      const expectedBefore = expected();
      try {
        const receivers = await client.publish(channel, toBuffer(message));
        if (receivers < Math.min(expectedBefore, expected()) && isShared(channel)) onLost();
        return receivers;
      } catch (err) {
        onLost(err);
        return 0;
      } finally {
        waitingBytes -= bytes;
      }
    },
  };
}

const toBuffer = (message: string | Uint8Array): string | Buffer =>
  typeof message === 'string' || Buffer.isBuffer(message) ? message : Buffer.from(message);

/** One change that Redis was asked for: again until it has said yes. */
interface Change {
  attempt(): Promise<void>;
  isInFlight: boolean;
  refusal: unknown;
}

/**
 * Wraps `client` for the adapter, which does not look whether a subscription failed. One whose connection breaks before it
 * is answered is not repeated by node-redis, nor one that Redis refused; here they are, with each self-check.
 */
export function createSubscriptions(client: RedisClient, logger: Pick<Logger, 'warn'>): Subscriptions {
  const changes = new Set<Change>();
  const channels = new Set<string>();
  const patterns = new Set<string>();
  const guarded = new WeakMap<MessageListener, MessageListener>();

  const send = async (change: Change): Promise<void> => {
    change.isInFlight = true;
    try {
      await change.attempt();
      changes.delete(change);
    } catch (err) {
      change.refusal = err;
    } finally {
      change.isInFlight = false;
    }
  };
  const persist = (attempt: () => Promise<void>): Promise<void> => {
    const change: Change = { attempt, isInFlight: false, refusal: new Error('a subscription is not answered yet') };
    changes.add(change);
    return send(change);
  };
  /** An exception of a listener would go into node-redis, whose connection then loses its place. */
  const guard = (listener: MessageListener): MessageListener => {
    const known = guarded.get(listener);
    if (known !== undefined) return known;
    const guardedListener: MessageListener = (message, channel) => {
      try {
        listener(message, channel);
      } catch (err) {
        logger.warn({ err, channel: channel.toString() }, 'Unreadable message on a channel of Redis');
      }
    };
    guarded.set(listener, guardedListener);
    return guardedListener;
  };
  const toPattern = (pattern: string): string => `${escapeGlob(pattern.slice(0, -1))}*`;

  return {
    adapter: {
      on: client.on.bind(client),
      off: client.off.bind(client),
      subscribe(names, listener) {
        for (const name of [names].flat()) channels.add(name);
        return persist(() => client.subscribe(names, guard(listener), true));
      },
      unsubscribe(names, listener) {
        for (const name of [names].flat()) channels.delete(name);
        return persist(() => client.unsubscribe(names, guard(listener), true));
      },
      pSubscribe(pattern, listener) {
        patterns.add(pattern);
        return persist(() => client.pSubscribe(toPattern(pattern), guard(listener), true));
      },
      pUnsubscribe(pattern, listener) {
        patterns.delete(pattern);
        return persist(() => client.pUnsubscribe(toPattern(pattern), guard(listener), true));
      },
    },
    retry() {
      for (const change of changes) if (!change.isInFlight) void send(change);
    },
    ensureComplete() {
      for (const { refusal } of changes) throw refusal;
    },
    covers: (channel) =>
      channels.has(channel) || [...patterns].some((pattern) => channel.startsWith(pattern.slice(0, -1))),
    patterns: () => [...patterns],
  };
}

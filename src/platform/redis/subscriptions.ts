import type { Logger } from '../logging/logger.js';
import type { RedisClient } from './connection.js';
import { escapeGlob } from './refusal.js';
import type { MessageListener } from './subscription-memory.js';

/** The part of a node-redis client that `@socket.io/redis-adapter` uses to subscribe. Nothing rejects. */
export type AdapterSubscriber = Pick<RedisClient, 'on' | 'off'> & {
  subscribe(channels: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
  unsubscribe(channels: string | string[], listener: MessageListener, isBuffer: true): Promise<void>;
  /** Patterns are literal text followed by `*`; special characters in the text are escaped. */
  pSubscribe(patterns: string, listener: MessageListener, isBuffer: true): Promise<void>;
  pUnsubscribe(patterns: string, listener: MessageListener, isBuffer: true): Promise<void>;
};

/** The subscriptions of this node. */
export interface Subscriptions {
  readonly adapter: AdapterSubscriber;
  /** Retries refused subscriptions, and those interrupted by a disconnect. */
  retry(): void;
  /** @throws the refusal of a missing subscription. Call it after Redis has replied to the earlier commands. */
  ensureComplete(): void;
  /** Whether this node is subscribed to the channel. */
  covers(channel: string): boolean;
  /** The patterns; equal on nodes with the same version and configuration. */
  patterns(): string[];
}

/** A subscription or unsubscription, retried until Redis accepts it. */
interface Change {
  attempt(): Promise<void>;
  isInFlight: boolean;
  refusal: unknown;
}

/**
 * Wraps `client` for the adapter, which ignores failed subscriptions. Here each self-check retries those that Redis
 * refused or that a disconnect interrupted.
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
    const change: Change = { attempt, isInFlight: false, refusal: new Error('a subscription is not confirmed yet') };
    changes.add(change);
    return send(change);
  };
  /** Exceptions of a listener would reach node-redis and corrupt its parser state. */
  const guard = (listener: MessageListener): MessageListener => {
    const known = guarded.get(listener);
    if (known !== undefined) return known;
    const guardedListener: MessageListener = (message, channel) => {
      try {
        listener(message, channel);
      } catch (err) {
        logger.warn({ err, channel: channel.toString() }, 'redis: unreadable message on a channel');
      }
    };
    guarded.set(listener, guardedListener);
    return guardedListener;
  };
  const toPattern = (pattern: string): string => `${escapeGlob(pattern.slice(0, -1))}*`;

  return {
    adapter: {
      on: client.on,
      off: client.off,
      subscribe(names, listener) {
        for (const name of [names].flat()) channels.add(name);
        return persist(() => client.subscribe(names, guard(listener)));
      },
      unsubscribe(names, listener) {
        for (const name of [names].flat()) channels.delete(name);
        return persist(() => client.unsubscribe(names, guard(listener)));
      },
      pSubscribe(pattern, listener) {
        patterns.add(pattern);
        return persist(() => client.pSubscribe(toPattern(pattern), guard(listener)));
      },
      pUnsubscribe(pattern, listener) {
        patterns.delete(pattern);
        return persist(() => client.pUnsubscribe(toPattern(pattern), guard(listener)));
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

import type { Logger } from '../logger.js';
import type { RedisClient } from './connection.js';
import { escapeGlob } from './refusal.js';
import type { MessageListener } from './subscription-memory.js';

/** What one command publishes. */
export interface PublishSize {
  readonly bytes: number;
  /** How many count as lost when it fails. */
  readonly messages: number;
}

/** The part of a node-redis client that `@socket.io/redis-adapter` uses to publish. */
export type AdapterPublisher = Pick<RedisClient, 'on' | 'off' | 'sendCommand'> & {
  /** Resolves with 0 when publishing failed. Never rejects, because the adapter does not handle rejections. */
  publish(channel: string, message: string | Uint8Array): Promise<number>;
  /** Whether all nodes understand everything that this one publishes. */
  areNodesAlike(): boolean;
  /** The number of nodes that should receive what is published to all, including this one; 0 before it has joined. */
  expected(): number;
  /**
   * Publishes by another command than `PUBLISH`, in order with the others. Never rejects.
   * @returns `undefined` when it failed
   */
  send<T>(size: PublishSize, command: (client: RedisClient) => Promise<T>): Promise<T | undefined>;
  /**
   * Calls `publish` once, at the end of this turn of the event loop, or before the next command of this client: so the order of
   * messages stays. To be called again only after that.
   */
  atEndOfTurn(publish: () => void): void;
  /**
   * As `send`, for a command that Redis may refuse without running it, as while its keys are moved. Then `orElse` publishes the
   * message in another way, in its synchronous part. What is sent later waits for that, so the order of messages stays the same.
   */
  sendOrElse<T>(
    size: PublishSize,
    command: (client: RedisClient) => Promise<T>,
    orElse: (refusal: Error) => Promise<T>,
  ): Promise<T | undefined>;
  /** Counts messages that did not reach every node that they were for. */
  noteLost(messages: number): void;
  /** Marks this as a node-redis client for the adapter, which detects it by these properties. */
  pSubscribe: unknown;
  sSubscribe: unknown;
};

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

/** Limit of bytes of unsent messages. Bounds memory until a hung connection is dropped. */
const WAITING_BYTES_MAX = 64 * 2 ** 20;

/** Options of {@link toPublisher}. */
interface PublisherOptions {
  /** The number of subscribers that a message should reach. Called when the actual number may be too low. */
  expected(): number;
  /** Whether every node subscribes to the channel. */
  isShared(channel: string): boolean;
  areNodesAlike(): boolean;
  /** Called for messages that did not reach every other node. `err` is absent if Redis accepted them. */
  onLost(messages: number, err?: unknown): void;
}

/** Wraps `client` for the adapter. */
export function toPublisher(client: RedisClient, options: PublisherOptions): AdapterPublisher {
  const { expected, isShared, areNodesAlike, onLost } = options;
  let waitingBytes = 0;
  let deferred: (() => void) | undefined;
  const runDeferred = (): void => {
    const run = deferred;
    deferred = undefined;
    run?.();
  };
  const order = createOrder();
  const send: AdapterPublisher['send'] = async ({ bytes, messages }, command) => {
    if (!order.isReplacing()) runDeferred();
    if (waitingBytes + bytes > WAITING_BYTES_MAX) {
      onLost(messages, new Error(`more than ${WAITING_BYTES_MAX} bytes are queued for Redis`));
      return undefined;
    }
    waitingBytes += bytes;
    try {
      return await order.inTurn(() => command(client));
    } catch (err) {
      onLost(messages, err);
      return undefined;
    } finally {
      waitingBytes -= bytes;
    }
  };
  return {
    areNodesAlike,
    expected,
    send,
    atEndOfTurn(publish) {
      deferred = publish;
      setImmediate(runDeferred);
    },
    sendOrElse: (size, command, orElse) => send(size, (connection) => order.attempt(() => command(connection), orElse)),
    noteLost: onLost,
    on: client.on,
    off: client.off,
    sendCommand(...args) {
      runDeferred();
      return order.inTurn(() => client.sendCommand(...args));
    },
    pSubscribe: client.pSubscribe,
    sSubscribe: client.sSubscribe,
    async publish(channel, message) {
      // Nodes that join or leave during the call may or may not get it.
      const expectedBefore = expected();
      const receivers = await send({ bytes: message.length, messages: 1 }, () =>
        client.publish(channel, toBuffer(message)),
      );
      if (receivers === undefined) return 0;
      if (receivers < Math.min(expectedBefore, expected()) && isShared(channel)) onLost(1);
      return receivers;
    },
  };
}

/** Codes of replies that say that a command was not run: its keys are elsewhere, its script is not known, or it refused to run. */
const NOT_RUN = /^(?:TRYAGAIN|ASK|MOVED|CLUSTERDOWN|NOSCRIPT|UNALIKE)\b/;

/**
 * Keeps the order of commands on one connection although some may be refused, and are then replaced by others. The replies to
 * commands that were sent before the refusal arrived come first: everything later waits until each of them that may be refused
 * has its reply.
 */
function createOrder() {
  /** Attempts without a reply. */
  let open = 0;
  let isRepeating = false;
  let isReplacing = false;
  const waiting: (() => void)[] = [];

  const release = (): void => {
    isRepeating = false;
    for (const start of waiting.splice(0)) start();
  };
  return {
    /** The replacement of a refused command is being sent. */
    isReplacing: (): boolean => isReplacing,
    inTurn<T>(start: () => Promise<T>): Promise<T> {
      if (!isRepeating || isReplacing) return start();
      return new Promise((resolve, reject) => waiting.push(() => start().then(resolve, reject)));
    },
    async attempt<T>(start: () => Promise<T>, orElse: (refusal: Error) => Promise<T>): Promise<T> {
      open += 1;
      try {
        return await start();
      } catch (error) {
        if (!(error instanceof Error && NOT_RUN.test(error.message))) throw error;
        isRepeating = true;
        isReplacing = true;
        try {
          return orElse(error);
        } finally {
          isReplacing = false;
        }
      } finally {
        open -= 1;
        if (open === 0 && isRepeating) release();
      }
    },
  };
}

const toBuffer = (message: string | Uint8Array): string | Buffer =>
  typeof message === 'string' || Buffer.isBuffer(message) ? message : Buffer.from(message);

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

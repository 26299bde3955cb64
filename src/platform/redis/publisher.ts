import { createCommandOrder } from './command-order.js';
import type { RedisClient } from './connection.js';

/** What one command publishes. */
interface PublishSize {
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
  const order = createCommandOrder();
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

const toBuffer = (message: string | Uint8Array): string | Buffer =>
  typeof message === 'string' || Buffer.isBuffer(message) ? message : Buffer.from(message);

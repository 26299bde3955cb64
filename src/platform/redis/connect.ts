import { randomUUID } from 'node:crypto';
import type { Logger } from '../logger.js';
import { createSelfCheck, type Probe } from './check.js';
import { closeClient, createRedisClient, type RedisClient, withinMs } from './connection.js';
import { createMembers } from './members.js';
import { type AdapterPublisher, type AdapterSubscriber, createSubscriptions, toPublisher } from './pubsub.js';
import { createReadiness } from './readiness.js';
import { toRedisAddress } from './url.js';

/**
 * The gateway's three connections to one Redis. All of them reconnect for ever; nothing that happens to Redis ends the
 * process. While Redis is away commands are refused at once instead of queued.
 */
export interface Redis {
  /** For our own commands. They are rejected within `HUNG_AFTER_MS` and a little when Redis hangs. */
  readonly commands: RedisClient;
  /** For the Socket.IO adapter. */
  readonly publisher: AdapterPublisher;
  /** For the Socket.IO adapter. */
  readonly subscriber: AdapterSubscriber;
  /** All connections stand, and the last self-check, about a second ago at most, found nothing missing. */
  isReady(): boolean;
  /** Calls `listener` with each change of {@link Redis.isReady}. @returns stops that */
  onStateChange(listener: (isReady: boolean) => void): () => void;
  /** Makes `probe` a part of the self-check: while it throws, Redis is not ready. @returns takes it out again */
  addProbe(probe: Probe): () => void;
  /** Runs the self-check. @throws what is wrong, or Error when there is no answer within {@link PING_LIMIT_MS} */
  ping(): Promise<void>;
  /**
   * To be called when all subscriptions have been asked for: waits until they stand. From then on the other nodes expect
   * this one to get their messages. @throws Error as {@link connectRedis}
   */
  join(): Promise<void>;
  /** From now on the other nodes expect nothing of this one. To be called before it unsubscribes. Never rejects. */
  leave(): Promise<void>;
  /** Lets pending commands finish, for a limited time, and disconnects. */
  close(): Promise<void>;
}

/** What {@link connectRedis} needs. */
export interface RedisOptions {
  /** `redis[s]://[[user][:password]@]host[:port][/database]` */
  url: string;
  /** Begins the names of the keys and channels of the self-check. */
  prefix: string;
  /** How long to wait for Redis, at the first connection and again in {@link Redis.join}. */
  startupTimeoutMs: number;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Called for each message that did not reach every other node, as far as this one can know. */
  onMessageLost?: () => void;
}

/** Time limit of {@link Redis.ping}. */
const PING_LIMIT_MS = 1_000;
/** Lost messages make one line of the log in each of these times. */
const LOSS_LOG_INTERVAL_MS = 10_000;

/**
 * Connects to Redis and checks that it does what the gateway needs, trying again until `startupTimeoutMs` is over, unless
 * only other settings can help.
 * @throws Error that names the address (never the password), the cause, and what to do about it
 */
export async function connectRedis(options: RedisOptions): Promise<Redis> {
  const { logger, url, prefix, startupTimeoutMs } = options;
  const address = toRedisAddress(url);
  const commands = createRedisClient(url, { isQueueing: false });
  const publisher = createRedisClient(url, { isQueueing: false });
  // Subscriptions that are asked for while Redis is away wait for it: their number is that of the namespaces.
  const subscriber = createRedisClient(url, { isQueueing: true });
  const clients = { commands, publisher, subscriber };

  const id = randomUUID();
  const members = createMembers({ client: commands, key: `${prefix}:members`, id });
  const subscriptions = createSubscriptions(subscriber, logger);
  const check = createSelfCheck({ clients, members, subscriptions, prefix, id });
  const readiness = createReadiness({ clients: Object.values(clients), check, address, prefix, logger });
  const reportLoss = createLossReport(logger);

  const leave = async (): Promise<void> => {
    if (!members.isJoined()) return;
    try {
      await members.leave();
      await check.announce('leave');
    } catch {
      // The membership ends by itself.
    }
  };
  const close = async (): Promise<void> => {
    await leave();
    readiness.stop();
    await Promise.all(Object.values(clients).map(closeClient));
  };
  const untilReady = async (): Promise<void> => {
    try {
      await readiness.untilReady(startupTimeoutMs);
    } catch (error) {
      await close();
      throw error;
    }
  };
  for (const client of Object.values(clients)) client.connect().catch(() => undefined);
  await untilReady();

  return {
    commands,
    publisher: toPublisher(publisher, {
      expected: members.expected,
      isShared: subscriptions.covers,
      onLost(err) {
        options.onMessageLost?.();
        reportLoss(err);
      },
    }),
    subscriber: subscriptions.adapter,
    isReady: readiness.isReady,
    onStateChange: readiness.onStateChange,
    addProbe: check.addProbe,
    ping: () => withinMs(PING_LIMIT_MS, readiness.checkNow()),
    async join() {
      await untilReady();
      members.join(subscriptions.patterns());
      await untilReady();
      await check.announce('join');
    },
    leave,
    close,
  };
}

/** Logs the first loss at once, and later ones with their number. */
function createLossReport(logger: Pick<Logger, 'warn'>): (err: unknown) => void {
  let count = 0;
  let nextAt = 0;
  return (err) => {
    count += 1;
    if (performance.now() < nextAt) return;
    nextAt = performance.now() + LOSS_LOG_INTERVAL_MS;
    const reason = err === undefined ? 'a node was not subscribed' : 'Redis did not take them';
    logger.warn({ err, messages: count }, `Messages did not reach every other node: ${reason}`);
    count = 0;
  };
}

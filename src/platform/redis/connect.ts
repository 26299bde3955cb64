import { randomUUID } from 'node:crypto';
import type { Logger } from '../logging/logger.js';
import { StartError } from '../start-error.js';
import { withinMs } from '../time/within-ms.js';
import { createSelfCheck, type Probe } from './check.js';
import { createClients } from './clients.js';
import type { CommandClient } from './connection.js';
import { warnOfEviction } from './eviction.js';
import { createMembers } from './members.js';
import { type AdapterPublisher, toPublisher } from './publisher.js';
import { createReadiness } from './readiness.js';
import { type AdapterSubscriber, createSubscriptions } from './subscriptions.js';
import { ensureUsableTlsFiles, type RedisTlsFiles } from './tls.js';
import { clusterPrefixProblem, DEFAULT_REDIS_PREFIX, type RedisTarget, toRedisAddress, toRedisTarget } from './url.js';

/**
 * The gateway's three connections to Redis. They reconnect forever; no Redis failure ends the process. While Redis
 * is away, commands fail at once instead of being queued.
 */
export interface Redis {
  /** For commands. They are rejected shortly after `HUNG_AFTER_MS` when Redis hangs. */
  readonly commands: CommandClient;
  /** Keys that a script touches must have the same hash tag, and each command names its key. */
  readonly isCluster: boolean;
  /** For the Socket.IO adapter. */
  readonly publisher: AdapterPublisher;
  /** For the Socket.IO adapter. */
  readonly subscriber: AdapterSubscriber;
  /** Whether all connections are up and the last self-check, at most about a second ago, succeeded. */
  isReady(): boolean;
  /** Calls `listener` on each change of {@link Redis.isReady}. @returns removes the listener */
  onStateChange(listener: (isReady: boolean) => void): () => void;
  /** Adds `probe` to the self-check: while it throws, Redis is not ready. @returns removes it */
  addProbe(probe: Probe): () => void;
  /** Runs the self-check. @throws the problem, or Error when there is no reply within {@link PING_LIMIT_MS} */
  ping(): Promise<void>;
  /**
   * Call it after all subscriptions were requested. Waits until they are confirmed, then joins: the other nodes expect
   * this one to receive their messages.
   * @throws Error as {@link connectRedis}
   */
  join(): Promise<void>;
  /** Ends the membership: the other nodes no longer expect this one. Call it before unsubscribing. Never rejects. */
  leave(): Promise<void>;
  /** Waits for pending commands, up to a limit, and disconnects. */
  close(): Promise<void>;
}

/** Options of {@link connectRedis}. */
export interface RedisOptions {
  /** As in {@link toRedisTarget}. */
  url: string;
  /** For URLs with TLS. */
  tlsFiles?: RedisTlsFiles;
  /** Prefix of the self-check's keys and channels. */
  prefix: string;
  /** Time limit for Redis, at the first connect and again in {@link Redis.join}. */
  startupTimeoutMs: number;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Called for messages that did not reach every other node, as far as this node can detect. */
  onMessagesLost?: (messages: number) => void;
}

/** What messages of this version hold that earlier versions do not understand. */
const FEATURES = ['gathered broadcasts', 'routed rooms'];
/** Time limit of {@link Redis.ping}. */
const PING_LIMIT_MS = 1_000;
/** Interval in which lost messages are logged once. */
const LOSS_LOG_INTERVAL_MS = 10_000;

/**
 * Connects to Redis and runs the self-check. Retries until `startupTimeoutMs`, unless only other settings can help.
 * @throws Error with the address (never the password), the cause, and the remedy
 */
export async function connectRedis(options: RedisOptions): Promise<Redis> {
  const { logger, url, prefix, startupTimeoutMs, tlsFiles = {} } = options;
  const address = toRedisAddress(url);
  const target = { ...toRedisTarget(url), tlsFiles };
  const isCluster = target.kind === 'cluster';
  const prefixProblem = isCluster ? clusterPrefixProblem(prefix) : undefined;
  if (prefixProblem !== undefined) throw new StartError('REDIS', `REDIS_PREFIX ${prefixProblem}.`);
  ensureTls(target);
  if (target.database > 0 && prefix === DEFAULT_REDIS_PREFIX) {
    logger.warn(
      { address },
      'redis: a database separates keys, not messages; an installation in another database needs another REDIS_PREFIX',
    );
  }
  const membersKey = `${prefix}:members`;
  const { probe, ...clients } = createClients(target, membersKey);
  const { commands, publisher, subscriber } = clients;

  const id = randomUUID();
  const members = createMembers({ client: commands, key: membersKey, id });
  const subscriptions = createSubscriptions(subscriber, logger);
  const check = createSelfCheck({ clients, members, subscriptions, prefix, id });
  check.addProbe(probe);
  const readiness = createReadiness({ clients: Object.values(clients), check, address, prefix, logger });
  const reportLoss = createLossReport(logger);
  readiness.onStateChange((isReady) => {
    if (isReady) void warnOfEviction({ client: commands, key: membersKey, address, logger });
  });

  const leave = async (): Promise<void> => {
    if (!members.isJoined()) return;
    try {
      await members.leave();
      await check.announce('leave');
    } catch {
      // The lease ends by itself.
    }
  };
  const close = async (): Promise<void> => {
    await leave();
    readiness.stop();
    await Promise.all(Object.values(clients).map((client) => client.close()));
  };
  const untilReady = async (): Promise<void> => {
    try {
      await readiness.untilReady(startupTimeoutMs);
    } catch (error) {
      await close();
      throw error;
    }
  };
  for (const client of Object.values(clients)) client.connect();
  await untilReady();

  return {
    commands,
    isCluster,
    publisher: toPublisher(publisher, {
      expected: members.expected,
      isShared: subscriptions.covers,
      areNodesAlike: members.areAlike,
      onLost(messages, err) {
        options.onMessagesLost?.(messages);
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
      members.join([...subscriptions.patterns(), ...FEATURES]);
      await untilReady();
      await check.announce('join');
    },
    leave,
    close,
  };
}

/** @throws StartError when the URL means TLS and it cannot be used */
function ensureTls({ isTls, tlsFiles = {} }: RedisTarget): void {
  if (!isTls) return;
  try {
    ensureUsableTlsFiles(tlsFiles);
  } catch (error) {
    throw StartError.of('REDIS', error);
  }
}

/** Logs the first lost message at once, and counts later ones. */
function createLossReport(logger: Pick<Logger, 'warn'>): (err: unknown) => void {
  let count = 0;
  let nextAt = 0;
  return function reportConnectionLoss(err) {
    count += 1;
    if (performance.now() < nextAt) return;
    nextAt = performance.now() + LOSS_LOG_INTERVAL_MS;
    const reason = err === undefined ? 'a node was not subscribed' : 'Redis did not accept them';
    logger.warn({ err, reason, messages: count }, 'redis: messages did not reach every other node');
    count = 0;
  };
}

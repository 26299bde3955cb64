import { randomUUID } from 'node:crypto';
import type { Server } from 'socket.io';
import type { Config } from '../config.js';
import { createRedisAdapter, type HeardEvent, toEveryNodeChannel } from '../library-internals/redis-adapter.js';
import type { Cleanup } from '../platform/cleanup.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Metrics } from '../platform/metrics.js';
import { connectRedis } from '../platform/redis/connect.js';
import type { Clock } from '../platform/time/clock.js';
import { type Bus, createRedisBus, silentBus } from './bus.js';
import { createNodeLeases, type NodeLeases, noLeases } from './node-leases.js';
import type { PresenceStore } from './presence/index.js';
import { createMemoryPresence } from './presence/memory.js';
import { createSharedPresence } from './presence/partitions.js';
import { createRateLimiter, type RateLimiter } from './rate-limit.js';
import { createRouter } from './routing/router.js';

/** What the nodes share through Redis. Without Redis there is one node, which keeps it in memory. */
export interface Cluster {
  /** Of this node, of this run. */
  readonly nodeId: string;
  /** Sends events to the other nodes; `undefined`: the default adapter of Socket.IO, for one node. */
  readonly adapter: Parameters<Server['adapter']>[0] | undefined;
  readonly presence: PresenceStore;
  /** Presence of the users of push sites. They have no grace time: their websites are notified at once. */
  readonly sitePresence: PresenceStore;
  /** Presence in the chats: counts sockets and is not announced to users. */
  readonly chatPresence: PresenceStore;
  readonly limiter: RateLimiter;
  readonly bus: Bus;
  readonly leases: NodeLeases;
  /** Gets the events of a name that other nodes send to sockets of this one. An event that concerns most nodes is not among them. */
  onHeard(event: string, listener: (heard: HeardEvent) => void): void;
  /** Self-check. @throws when Redis cannot be reached, or refuses something that the gateway needs */
  ping(): Promise<void>;
  /** Waits until this node receives the messages of the others. To be called before the first client. @throws Error with the reason */
  join(): Promise<void>;
  /** Tells the other nodes not to expect responses of this node any more. To be called after the last client. */
  leave(): Promise<void>;
}

interface Dependencies {
  clock: Clock;
  /** Renews leases, which end by the time of Redis. */
  leaseClock: Clock;
  logger: Logger;
  metrics: Metrics;
  cleanup: Cleanup;
  /** A caller was refused by a limit. */
  onLimitReached(limit: string, caller: string): void;
}

/** Joins the cluster of `REDIS_URL`, or creates one of a single node. */
export const joinCluster = (config: Config, dependencies: Dependencies): Promise<Cluster> =>
  config.redis.url === undefined
    ? singleNode(config, dependencies)
    : overRedis(config, { ...dependencies, url: config.redis.url });

async function singleNode(config: Config, { clock, logger, onLimitReached }: Dependencies): Promise<Cluster> {
  logger.info('no REDIS_URL: this is the only node');
  const nodeId = randomUUID();
  return {
    nodeId,
    adapter: undefined,
    presence: createMemoryPresence({ clock, nodeId, graceMs: config.sockets.presenceGraceMs }),
    sitePresence: createMemoryPresence({ clock, graceMs: 0 }),
    chatPresence: createMemoryPresence({ clock, graceMs: 0 }),
    limiter: createRateLimiter({ keyPrefix: '', onReached: onLimitReached }),
    bus: silentBus,
    leases: noLeases,
    onHeard: () => undefined,
    ping: async () => undefined,
    join: async () => undefined,
    leave: async () => undefined,
  };
}

async function overRedis(
  config: Config,
  { url, leaseClock: clock, logger, metrics, cleanup, onLimitReached }: Dependencies & { url: string },
): Promise<Cluster> {
  const { startupTimeoutMs } = config;
  const { prefix, tlsFiles } = config.redis;
  const keyPrefix = `${prefix}:`;
  const onMessagesLost = (messages: number): void => metrics.publishFailures.inc({}, messages);
  const redis = await connectRedis({ url, prefix, tlsFiles, startupTimeoutMs, logger, onMessagesLost });
  cleanup.add('redis', () => redis.close());
  const nodeId = randomUUID();
  const common = { redis, logger, clock, nodeId };
  const { presenceGraceMs: graceMs } = config.sockets;
  const stores = {
    presence: createSharedPresence({ ...common, keyPrefix, graceMs }),
    sitePresence: createSharedPresence({ ...common, keyPrefix: `${keyPrefix}site-presence:`, graceMs: 0 }),
    chatPresence: createSharedPresence({ ...common, keyPrefix: `${keyPrefix}chat-presence:`, graceMs: 0 }),
  };
  const named = { users: stores.presence, sites: stores.sitePresence, chats: stores.chatPresence };
  for (const [presence, { leaseAgeMs }] of Object.entries(named)) {
    metrics.presenceLeaseAge.observe({ presence }, () => toSeconds(leaseAgeMs()));
  }
  const onEcho = (lagMs: number): void => metrics.busLag.observe({}, lagMs / 1000);
  const onRead = (): void => metrics.nodeMessages.inc();
  const everyNodeChannel = toEveryNodeChannel(prefix);
  const heard = new Map<string, (heard: HeardEvent) => void>();
  const onHeard = (one: HeardEvent): void => heard.get(one.event)?.(one);
  const router = createRouter({ redis, nodeId, keyPrefix, everyNodeChannel, onEcho, onRead });
  return {
    nodeId,
    adapter: createRedisAdapter({ redis, keyPrefix: prefix, logger, router, onRead, onHeard }),
    ...stores,
    limiter: createRateLimiter({ redis, keyPrefix, onReached: onLimitReached }),
    bus: createRedisBus({ redis, nodeId, keyPrefix, router, onRead, onEcho }),
    leases: createNodeLeases({ ...common, keyPrefix }),
    onHeard: (event, listener) => void heard.set(event, listener),
    ping: redis.ping,
    join: redis.join,
    async leave() {
      await redis.leave();
      await router.stop();
    },
  };
}

const toSeconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

import { createConnectionType } from '../library-internals/mongodb-connection.js';
import { defineGatewayModels } from '../models/index.js';
import { openPush } from '../platform/fcm/sender.js';
import { connectMongo } from '../platform/mongo/connect.js';
import { ensureIndexes } from '../platform/mongo/indexes/index.js';
import { createIndexWatch } from '../platform/mongo/indexes/watch.js';
import { steadyClock as systemSteadyClock } from '../platform/time/clock.js';
import { startTracing } from '../platform/tracing.js';
import { joinCluster } from '../realtime/cluster.js';
import type { Base } from './base.js';

/** The connections to other services. */
export type Outside = Awaited<ReturnType<typeof connectOutside>>;

/** Step 1: connects to FCM, the trace collector, MongoDB and Redis. */
export async function connectOutside(base: Base) {
  const { config, clock, steadyClock, logger, metrics, health, traffic, cleanup } = base;
  const sender = await openPush(config.push, { clock, steadyClock, logger, agent: base.pushAgent });
  if (sender !== undefined) cleanup.add('push sender', sender.close);
  const tracing = await startTracing({ ...config.tracing, node: config.nodeName });
  if (tracing !== undefined) cleanup.add('tracing', tracing.stop);
  const database = await connectDatabase(base);
  const cluster = await joinCluster(config, {
    clock,
    // Not the clock of a test: it may stand still while Redis ends the leases, or leave them behind.
    leaseClock: systemSteadyClock,
    logger,
    metrics,
    cleanup,
    onLimitReached(limit, caller) {
      logger.info({ limit, caller }, 'rate limit reached');
      if (traffic.isWatched) traffic.limited(limit, caller);
    },
  });
  const { mongo } = database;
  health.watch({ mongo, redis: cluster, ...(mongo.storage && { storage: mongo.storage }) });
  return { sender, tracing, cluster, ...database };
}

async function connectDatabase(base: Base) {
  const { config, clock, steadyClock, logger, metrics, cleanup, startEmbedded: start } = base;
  const { storage, startupTimeoutMs } = config;
  const mongo = await connectMongo({
    ...storage,
    createConnectionType,
    startupTimeoutMs,
    logger,
    start,
    onStorage: (isWritable) => metrics.dependencyUp.set({ dependency: 'storage' }, isWritable ? 1 : 0),
  });
  cleanup.add('database', mongo.close);
  const models = defineGatewayModels(mongo.connection, { logger, clock });
  const options = { models, ownsAll: storage.mongodbUrl === undefined, logger };
  const builds = await ensureIndexes(mongo.connection, options);
  const watch = createIndexWatch(mongo.connection, { ...options, clock: steadyClock });
  cleanup.add('index watch', watch.stop);
  const buildIndexes = (): Promise<void> => builds.build().then(watch.start);
  return { mongo, models, buildIndexes };
}

import type { Agent } from 'node:https';
import { configureApiKeyGuard } from './auth/api-key.js';
import { createApiSessions } from './auth/api-session.js';
import { createExpiryWatch } from './auth/expiry.js';
import { createUserAuth } from './auth/user.js';
import { configureVerifier } from './auth/verification.js';
import type { Config } from './config.js';
import { beginPresence, createPresenceTracker } from './framework/presence-tracker.js';
import { createIntegrations } from './integrations/index.js';
import { createFrameGate } from './library-internals/frame-limit.js';
import { defineGatewayModels } from './models/index.js';
import { boundLog } from './platform/bounded-log.js';
import { createCleanup } from './platform/cleanup.js';
import { type Clock, systemClock } from './platform/clock.js';
import { openPush } from './platform/fcm/sender.js';
import { createHealth } from './platform/health.js';
import { createLogger, type Logger } from './platform/logger.js';
import { createMetrics } from './platform/metrics.js';
import { connectMongo } from './platform/mongo/connect.js';
import { ensureIndexes } from './platform/mongo/indexes/index.js';
import { versions } from './platform/version.js';
import { joinCluster } from './realtime/cluster.js';
import { createDelivery } from './realtime/delivery/index.js';
import { createPushStore } from './realtime/delivery/push-store.js';
import { createPush } from './realtime/delivery/pushes.js';
import { createMailboxSockets } from './realtime/delivery/sockets.js';
import { createEmitter } from './realtime/emitter.js';
import { createSocketDirectory } from './realtime/presence/socket-directory.js';
import { createRevocations } from './realtime/revocations.js';
import { everySocket } from './sockets/socket.js';
import { createConnectDeadline } from './transport/connect-deadline.js';
import { createConnectLimits } from './transport/connect-limits.js';
import { createConnectionBounds } from './transport/connection-bounds.js';
import { createDispatch } from './transport/dispatch.js';
import { openNamespaces } from './transport/doors.js';
import { drainConnections } from './transport/drain.js';
import { createHttpApp } from './transport/http.js';
import { createHttpServer, endKeepAlive } from './transport/http-server.js';
import { closeServer, listen } from './transport/listen.js';
import { createOriginCheck } from './transport/origins.js';
import { attach, createSocketServer } from './transport/socket.js';
import { boundWaiting } from './transport/waiting.js';

/** What a test puts in the place of the real thing. */
export interface Overrides {
  clock?: Clock;
  logger?: Logger;
  /** Makes the connections to Google. */
  pushAgent?: Agent;
}

/** A gateway: one HTTP server with one Socket.IO server. Two of them can live in one process. */
export interface App {
  /** Connects what it stands on, then listens. @returns where */
  start(): Promise<{ port: number }>;
  /** Lets clients go in waves, finishes what is in flight, closes everything. */
  close(): Promise<void>;
}

/** Wires a gateway. Nothing connects or listens before `start`. */
export function createApp(config: Config, overrides: Overrides = {}): App {
  const clock = overrides.clock ?? systemClock;
  const log = overrides.logger ?? createLogger({ level: config.logLevel, isPretty: !config.isProduction });
  const logger = boundLog(log, clock);
  const cleanup = createCleanup(logger);
  const metrics = createMetrics();
  const health = createHealth(metrics);

  async function connect(): Promise<{ port: number }> {
    logger.info({ ...versions, node: process.version }, 'starting');
    const sender = await openPush(config.push, { clock, logger, agent: overrides.pushAgent });
    if (sender !== undefined) cleanup.add('push sender', sender.close);
    const mongo = await connectMongo({ ...config.storage, startupTimeoutMs: config.startupTimeoutMs, logger });
    cleanup.add('database', mongo.close);
    const models = defineGatewayModels(mongo.connection, { logger, clock });
    const ownsAll = config.storage.mongodbUrl === undefined;
    const indexes = await ensureIndexes(mongo.connection, { models, ownsAll, logger });
    const cluster = await joinCluster(config, { clock, logger, metrics, cleanup });
    health.watch({ mongo, redis: cluster });

    const { clockToleranceMs } = config.auth.expected;
    const verifier = await configureVerifier(config, { clock, logger, cleanup });
    const apiSessions = createApiSessions({ model: models.ApiSession, clock });

    const io = createSocketServer(config, { adapter: cluster.adapter, clock });
    const revocations = createRevocations({
      ...{ model: models.Revocation, bus: cluster.bus, clock, logger },
      sockets: () => everySocket(io),
    });
    cleanup.add('revocations', await revocations.start());
    const { ensureAllowed } = revocations;
    const userAuth = createUserAuth({ verifier, apiSessions, clock, clockToleranceMs, ensureAllowed });
    const emitter = createEmitter(io, metrics);
    const sockets = createSocketDirectory({ model: models.Socket, logger });
    cleanup.add('socket directory', sockets.close);
    const { presence, sitePresence, chatPresence, limiter, bus } = cluster;
    const pushStore = createPushStore({ model: models.DeliveryPush, clock });
    const delivery = createDelivery({
      sockets: createMailboxSockets(
        io,
        config.sites.map(({ name }) => name),
      ),
      models,
      clock,
      logger,
      bus,
      pushStore,
      settings: config.delivery,
    });
    await delivery.start();
    cleanup.add('delivery', delivery.stop);
    const push = createPush({ store: pushStore, sender, delivery, models, bus: cluster.bus, clock, logger, metrics });
    push.start();
    cleanup.add('push', push.stop);
    const primitives = {
      delivery,
      limiter,
      bus,
      emitter,
      presence,
      sitePresence,
      chatPresence,
      sockets,
      push,
      revocations,
    };
    const integrations = createIntegrations({
      config,
      clock,
      logger,
      metrics,
      health,
      models,
      userAuth,
      ...primitives,
    });
    const namespaces = integrations.flatMap((integration) => integration.namespaces ?? []);
    const mounts = integrations.flatMap((integration) => integration.mounts ?? []);
    const routes = integrations.flatMap((integration) => integration.routes ?? []);
    await beginPresence({ presence, sockets, integrations, logger });
    cleanup.add('presence', presence.stop);
    for (const { name, start } of integrations) if (start !== undefined) cleanup.add(name, start());

    const expiry = createExpiryWatch(clock, () => everySocket(io), clockToleranceMs);
    cleanup.add('expiry watch', expiry.stop);
    const { limit, eventTimeoutMs } = config.sockets;
    const dispatch = createDispatch(
      { namespaces, mounts },
      { clock, eventTimeoutMs, logger, metrics, limiter, limit, userAuth, expiry },
    );
    const tracker = createPresenceTracker({ presence, sockets, integrations, logger });
    const listeners = [
      tracker,
      expiry,
      revocations.listener,
      ...integrations.flatMap((integration) => integration.listener ?? []),
    ];
    const { trustedProxies } = config.http;
    const { openMaxBytes, messageMaxBytes: generalMaxBytes } = config.sockets;
    const frameGate = createFrameGate({ openMaxBytes, generalMaxBytes });
    const connectLimits = createConnectLimits(config.sockets.refusedMax, clock);
    const { connectionsMax: nodeMax, addressConnectionsMax: addressMax, connectTimeoutMs: timeoutMs } = config.sockets;
    const connectionBounds = createConnectionBounds({
      ...{ nodeMax, addressMax, trustedProxies, logger, metrics },
      idleMax: config.http.idleMax,
    });
    const connectDeadline = createConnectDeadline({ timeoutMs, clock, logger, metrics });
    const doors = { dispatch, listeners, trustedProxies, frameGate, connectLimits, connectDeadline };
    openNamespaces(io, namespaces, { clock, logger, metrics, ...doors });

    const ensureApiKey = configureApiKeyGuard(config.auth);
    const allowsOrigin = createOriginCheck(config.http.corsOrigins, { logger });
    const answer = createHttpApp({ config: config.http, logger, metrics, routes, ensureApiKey, allowsOrigin });
    const server = createHttpServer(answer, config.http);
    connectionBounds.boundTcp(server);
    const { isDraining } = health;
    const connections = { frameGate, connectionBounds, connectDeadline };
    attach(io, server, { config, allowsOrigin, isDraining, ...connections, clock, logger, metrics });
    const bodyMaxBytes = Math.max(config.http.bodyLimitBytes, config.sockets.messageMaxBytes);
    const waiting = boundWaiting(server, { connectionsMax: config.http.idleMax, bodyMaxBytes, clock, metrics });
    await cluster.join();
    const port = await listen(server, config.http);
    void indexes.build();
    cleanup.add('http', () => closeServer(server));
    cleanup.add('socket server', () => io.close());
    cleanup.add('cluster', cluster.leave);
    cleanup.add('http connections', waiting.end);
    cleanup.add('connections', () => drainConnections(io, { clock, durationMs: config.shutdown.drainMs }));
    cleanup.add('http keep-alive', () => endKeepAlive(server));
    cleanup.add('operations of a database that is away', mongo.giveUpIfAway);
    cleanup.add('readiness', health.beginDraining);
    return { port };
  }

  return {
    async start() {
      try {
        return await connect();
      } catch (error) {
        await cleanup.run();
        throw error;
      }
    },
    close: cleanup.run,
  };
}

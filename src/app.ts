import type { Agent } from 'node:https';
import { fileURLToPath } from 'node:url';
import { configureApiKeyGuard } from './auth/api-key.js';
import { createApiSessions } from './auth/api-session.js';
import { createExpiryWatch } from './auth/expiry.js';
import { createUserAuth } from './auth/user.js';
import { configureVerifier } from './auth/verification.js';
import { createGatewayLogger } from './config/gateway-logger.js';
import { createLiveSecrets, type LiveSecrets } from './config/live-secrets.js';
import type { Config } from './config.js';
import type { Context } from './framework/context.js';
import type { OnEmitted } from './framework/emitted.js';
import type { Integration } from './framework/integration.js';
import type { Machine } from './framework/machine.js';
import { createPresenceTracker, type PresenceTracker } from './framework/presence-tracker.js';
import { createIntegrations } from './integrations/index.js';
import { createFrameGate } from './library-internals/frame-limit.js';
import { createConnectionType } from './library-internals/mongodb-connection.js';
import { createConnectionCheck, reportMissingServerParts } from './library-internals/private-parts.js';
import { defineGatewayModels } from './models/index.js';
import { boundLog } from './platform/bounded-log.js';
import { type Cleanup, createCleanup } from './platform/cleanup.js';
import { type Clock, steadyClock, systemClock } from './platform/clock.js';
import { openPush } from './platform/fcm/sender.js';
import { createHealth, type Health } from './platform/health.js';
import type { Logger } from './platform/logger.js';
import { createMetrics, type Metrics, type MetricsSnapshot } from './platform/metrics.js';
import { connectMongo, type StartEmbedded } from './platform/mongo/connect.js';
import { ensureIndexes } from './platform/mongo/indexes/index.js';
import { noPeers } from './platform/peer-counts.js';
import { startTracing } from './platform/tracing.js';
import { versions } from './platform/version.js';
import { joinCluster } from './realtime/cluster.js';
import { createDelivery } from './realtime/delivery/index.js';
import { createPush } from './realtime/delivery/push/index.js';
import { PushStore } from './realtime/delivery/push/store.js';
import { MailboxSockets } from './realtime/delivery/sockets.js';
import { createEmitter } from './realtime/emitter.js';
import { createLocalNode } from './realtime/local-node.js';
import { createNodeCalls } from './realtime/node-calls.js';
import { createSocketDirectory } from './realtime/presence/socket-directory.js';
import { Revocations } from './realtime/revocations.js';
import { Traffic } from './realtime/traffic.js';
import { createWatches } from './realtime/watches.js';
import { createWork } from './realtime/work.js';
import { everyConnection, everySocket, type GatewayServer } from './sockets/socket.js';
import { createAdmission } from './transport/admission.js';
import { createConnectDeadline } from './transport/connect-deadline.js';
import { createConnectLimits } from './transport/connect-limits.js';
import { createConnectionBounds } from './transport/connection-bounds.js';
import { createDispatch } from './transport/dispatch.js';
import { drainConnections } from './transport/drain.js';
import { createHandshakes } from './transport/handshakes.js';
import { createHttpApp } from './transport/http.js';
import { createHttpServer, endKeepAlive } from './transport/http-server.js';
import { limitIdleConnections } from './transport/idle-connections.js';
import { closeServer, createStopAccepting, listen } from './transport/listen.js';
import { openNamespaces } from './transport/namespaces.js';
import { createOriginCheck } from './transport/origins.js';
import { attach, createSocketServer } from './transport/socket.js';

/** Replacements, for tests and for workers. */
export interface Overrides {
  clock?: Clock;
  /** Time of the admission of clients, and of its measurement of the event loop. */
  admissionClock?: Clock;
  logger?: Logger;
  /** The gateways behind one port; absent: this one alone. */
  machine?: Machine;
  /** Makes the connections to Google. */
  pushAgent?: Agent;
  /** Starts the embedded database. */
  startEmbedded?: StartEmbedded;
  /** Where the built page of the console is. */
  consoleDirectory?: string;
  /** Called after each event that a backend or a website emitted. */
  onEmitted?: OnEmitted;
}

/** A gateway: one HTTP server with one Socket.IO server. Several can run in one process. */
export interface App {
  /** Connects to the dependencies, then listens. */
  start(): Promise<{ port: number }>;
  /**
   * Replaces the secrets of users, backends and push sites by those of another configuration; its other settings do not
   * count. Connections whose token is not accepted any more are closed. @returns whether a secret changed
   */
  replaceSecrets(config: Config): boolean;
  /** Names of what is missing for readiness here. */
  missing(): Promise<string[]>;
  /** The metrics of this gateway. */
  metrics(): Promise<MetricsSnapshot>;
  /**
   * Disconnects clients in waves, finishes work in flight, closes everything.
   * @param drainMs time of the waves; absent: that of the configuration
   */
  close(drainMs?: number): Promise<void>;
}

/** Wires a gateway. Nothing connects or listens before `start`. */
export function createApp(config: Config, overrides: Overrides = {}): App {
  const clock = overrides.clock ?? systemClock;
  const log = overrides.logger ?? createGatewayLogger(config);
  const { logger, flush } = boundLog(log, clock);
  const metrics = createMetrics();
  const health = createHealth({ metrics, clock });
  const base: Base = {
    ...{ config, clock, logger, metrics },
    traffic: new Traffic(clock),
    secrets: createLiveSecrets(config),
    cleanup: createCleanup(logger),
    health,
    machine: overrides.machine ?? toSingle(health, metrics),
    drain: { durationMs: config.shutdown.drainMs },
    admissionClock: overrides.admissionClock ?? steadyClock,
    pushAgent: overrides.pushAgent,
    startEmbedded: overrides.startEmbedded,
    onEmitted: overrides.onEmitted ?? (() => {}),
    consoleDirectories: overrides.consoleDirectory === undefined ? builtConsole : [overrides.consoleDirectory],
  };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const startedAt = performance.now();
    await base.cleanup.run();
    flush();
    logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'stopped');
  };
  return {
    async start() {
      try {
        return await startGateway(base);
      } catch (error) {
        await base.cleanup.run();
        throw error;
      }
    },
    replaceSecrets: base.secrets.replace,
    missing: health.missing,
    metrics: () => metrics.registry.getMetricsAsJSON(),
    close(drainMs = config.shutdown.drainMs) {
      base.drain.durationMs = drainMs;
      closing ??= close();
      return closing;
    },
  };
}

/** A gateway that has its port for itself. */
const toSingle = (health: Health, { registry }: Metrics): Machine => ({
  missing: health.missing,
  metrics: () => registry.metrics(),
  leave: async () => false,
  peers: noPeers,
});

/** Beside the compiled code, or, when this file is a source, in the build. */
const builtConsole = ['./console', '../dist/src/console'].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/** What every part of this process uses. */
interface Base {
  readonly config: Config;
  readonly secrets: LiveSecrets;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly traffic: Traffic;
  readonly machine: Machine;
  /** Time over which clients are disconnected. */
  readonly drain: { durationMs: number };
  /** Runs in reverse order when the gateway stops. */
  readonly cleanup: Cleanup;
  readonly admissionClock: Clock;
  readonly pushAgent: Agent | undefined;
  readonly startEmbedded: StartEmbedded | undefined;
  readonly onEmitted: OnEmitted;
  readonly consoleDirectories: readonly string[];
}

/** The four steps of a start, each on top of the one before. */
async function startGateway(base: Base): Promise<{ port: number }> {
  base.logger.info({ wire: versions.wire, nodejs: process.version }, 'starting');
  const outside = await connectOutside(base);
  const realtime = await createRealtime(base, outside);
  const started = await startIntegrations(base, realtime.context);
  return openNetwork(base, { outside, realtime, ...started });
}

type Outside = Awaited<ReturnType<typeof connectOutside>>;

/** Step 1: connects to FCM, MongoDB and Redis. */
async function connectOutside(base: Base) {
  const { config, clock, logger, metrics, health, traffic, cleanup, pushAgent, startEmbedded: start } = base;
  const sender = await openPush(config.push, { clock, logger, agent: pushAgent });
  if (sender !== undefined) cleanup.add('push sender', sender.close);
  const tracing = await startTracing({ ...config.tracing, node: config.nodeName });
  if (tracing !== undefined) cleanup.add('tracing', tracing.stop);
  const { storage, startupTimeoutMs } = config;
  const mongo = await connectMongo({
    ...{ ...storage, createConnectionType, startupTimeoutMs, logger, start },
    onStorage: (isWritable) => metrics.dependencyUp.set({ dependency: 'storage' }, isWritable ? 1 : 0),
  });
  cleanup.add('database', mongo.close);
  const models = defineGatewayModels(mongo.connection, { logger, clock });
  const ownsAll = config.storage.mongodbUrl === undefined;
  const indexes = await ensureIndexes(mongo.connection, { models, ownsAll, logger });
  const onLimitReached = (limit: string, caller: string): void => {
    logger.info({ limit, caller }, 'rate limit reached');
    if (traffic.isWatched) traffic.limited(limit, caller);
  };
  const cluster = await joinCluster(config, { clock, logger, metrics, cleanup, onLimitReached });
  health.watch({ mongo, redis: cluster, ...(mongo.storage && { storage: mongo.storage }) });
  return { sender, tracing, mongo, models, indexes, cluster };
}

type Realtime = Awaited<ReturnType<typeof createRealtime>>;

/** Step 2: authentication, the Socket.IO server, and the services that integrations use. */
async function createRealtime(base: Base, { sender, tracing, models, cluster }: Outside) {
  const { config, secrets, clock, logger, metrics, health, traffic, cleanup } = base;
  const { clockToleranceMs } = config.auth.expected;
  const { verifier, tokenSecrets } = await configureVerifier(config, { secrets, clock, logger, cleanup });
  const apiSessions = createApiSessions({ model: models.ApiSession, clock });
  const io = createSocketServer(config, { adapter: cluster.adapter, clock });
  const revocations = new Revocations({
    ...{ model: models.Revocation, bus: cluster.bus, clock, logger, tokenSecrets },
    sockets: () => everySocket(io),
  });
  secrets.onReplaced(() => revocations.recheck());
  cleanup.add('revocations', await revocations.start());
  const userAuth = createUserAuth({
    ...{ verifier, apiSessions, clock, clockToleranceMs },
    ensureAllowed: (principal) => revocations.ensureAllowed(principal),
  });
  const emitter = createEmitter(io, metrics);
  const sockets = createSocketDirectory({ model: models.Socket, logger });
  cleanup.add('socket directory', sockets.close);
  const pushStore = new PushStore({ model: models.DeliveryPush, clock });
  const siteNames = config.sites.map(({ name }) => name);
  const delivery = createDelivery({
    ...{ models, clock, logger, metrics, tracing, pushStore, bus: cluster.bus },
    sockets: new MailboxSockets(io, siteNames),
    settings: config.delivery,
  });
  await delivery.start();
  cleanup.add('delivery', delivery.stop);
  const push = createPush({
    ...{ store: pushStore, sender, delivery, models, bus: cluster.bus, clock, logger, metrics, traffic },
  });
  push.start();
  cleanup.add('push', push.stop);
  const expiry = createExpiryWatch(clock, () => everySocket(io), clockToleranceMs);
  cleanup.add('expiry watch', expiry.stop);
  const { presence, sitePresence, chatPresence, limiter, bus } = cluster;
  traffic.attach(() => everySocket(io));
  const watches = createWatches({ traffic, bus, clock, nodeId: cluster.nodeId });
  const endWatchers = (): void => {
    traffic.close();
    watches.close();
  };
  const draining = createDraining(base, io);
  const localNode = createLocalNode({
    ...{ id: cluster.nodeId, name: config.nodeName, version: versions.version, io },
    isDraining: health.isDraining,
    beginDraining: () => void draining.all(),
  });
  const context: Context = {
    ...base,
    ...{ models, userAuth, tokenSecrets, revocations, emitter, sockets, delivery, push },
    ...{ presence, sitePresence, chatPresence, limiter, bus, watches, localNode },
    nodeCalls: createNodeCalls({ bus, clock, nodeId: cluster.nodeId }),
    work: createWork(limiter, config.sockets.limit),
    onEmitted(emitted) {
      base.onEmitted(emitted);
      if (traffic.isWatched) traffic.emitted(emitted);
    },
  };
  return { io, context, expiry, draining, endWatchers };
}

/** Step 3: the integrations, with what they do by themselves. */
async function startIntegrations(
  { logger, cleanup }: Base,
  context: Context,
): Promise<Pick<Opened, 'integrations' | 'presenceTracker'>> {
  const { presence, sockets } = context;
  const integrations = createIntegrations(context);
  const presenceTracker = createPresenceTracker({ presence, sockets, integrations, logger });
  await presenceTracker.start();
  cleanup.add('presence', presence.stop);
  for (const { name, start } of integrations) if (start !== undefined) cleanup.add(name, start());
  return { integrations, presenceTracker };
}

/** What {@link openNetwork} opens to the network. */
interface Opened {
  readonly outside: Outside;
  readonly realtime: Realtime;
  readonly integrations: readonly Integration[];
  readonly presenceTracker: PresenceTracker;
}

/** Step 4: namespaces and routes, then the port. */
async function openNetwork(
  base: Base,
  { outside, realtime, integrations, presenceTracker }: Opened,
): Promise<{ port: number }> {
  const { config, secrets, clock, logger, metrics, health, traffic, cleanup } = base;
  const { mongo, indexes, cluster } = outside;
  const { io, context } = realtime;
  const bounds = createBounds(base);
  openEventNamespaces(base, { outside, realtime, integrations, presenceTracker, bounds });

  const routes = integrations.flatMap((integration) => integration.routes ?? []);
  const ensureApiKey = configureApiKeyGuard(secrets, config.auth.isRestOpen);
  const allowsOrigin = createOriginCheck(config.http.corsOrigins, { logger });
  const answer = createHttpApp({
    config: config.http,
    logger,
    metrics,
    routes,
    ensureApiKey,
    allowsOrigin,
    entrance: integrations.find(({ entrance }) => entrance !== undefined)?.entrance,
    work: context.work,
    tracing: outside.tracing,
  });
  const server = createHttpServer(answer, config.http);
  bounds.connectionBounds.boundTcp(server);
  realtime.draining.stopsAcceptingBy(createStopAccepting(server, clock));
  const { isDraining } = health;
  attach(io, server, { config, allowsOrigin, isDraining, ...bounds, clock, logger, metrics, traffic });
  reportMissingServerParts(io, logger);
  const bodyMaxBytes = Math.max(config.http.bodyLimitBytes, config.sockets.messageMaxBytes);
  const idleConnections = limitIdleConnections(server, {
    connectionsMax: config.http.idleMax,
    bodyMaxBytes,
    clock,
    metrics,
  });
  await cluster.join();
  const port = await listen(server, config.http);
  void indexes.build();
  logger.info({ port }, 'listening');
  cleanup.add('http', () => closeServer(server));
  cleanup.add('socket server', () => io.close());
  cleanup.add('cluster', cluster.leave);
  cleanup.add('http connections', idleConnections.end);
  cleanup.add('connections', realtime.draining.disconnectAll);
  cleanup.add('http keep-alive', () => endKeepAlive(server));
  cleanup.add('watchers of the traffic', async () => realtime.endWatchers());
  cleanup.add('operations of a database that is away', mongo.giveUpIfAway);
  cleanup.add('readiness', realtime.draining.begin);
  cleanup.add('port', realtime.draining.leavePort);
  return { port };
}

/** What a node does before it stops, or when an operator asks for it: it takes no clients, and disconnects its own. */
function createDraining({ drain, clock, logger, health, machine }: Base, io: GatewayServer) {
  let stopAccepting = async (): Promise<void> => undefined;
  let leaving: Promise<void> | undefined;
  let all: Promise<void> | undefined;
  const leave = async (): Promise<void> => {
    if (await machine.leave()) await stopAccepting();
  };
  const leavePort = (): Promise<void> => {
    leaving ??= leave();
    return leaving;
  };
  const begin = (): void => {
    health.beginDraining();
    logger.info({ connections: everyConnection(io).length }, 'draining');
  };
  const disconnectAll = async (): Promise<void> => {
    const startedAt = performance.now();
    const { durationMs } = drain;
    // A load balancer that asks for readiness sends calls until it has asked again, also when there are no connections.
    const minMs = health.isPolled() ? durationMs : 0;
    await drainConnections(io, { clock, durationMs, minMs });
    logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'drained');
  };
  const drainAll = async (): Promise<void> => {
    // First, so that other workers get new connections and none is refused.
    await leavePort();
    begin();
    await disconnectAll();
  };
  return {
    ...{ leavePort, begin, disconnectAll },
    /** @param stop stops accepting connections */
    stopsAcceptingBy(stop: () => Promise<void>) {
      stopAccepting = stop;
    },
    /** All of it, once. */
    all(): Promise<void> {
      all ??= drainAll();
      return all;
    },
  };
}

type Bounds = ReturnType<typeof createBounds>;

/** Limits on what connections can make the node hold. */
function createBounds({ config, clock, admissionClock, logger, metrics, machine, health }: Base) {
  const { openMaxBytes, messageMaxBytes, connectionsMax, addressConnectionsMax, connectTimeoutMs } = config.sockets;
  const { trustedProxies, idleMax } = config.http;
  const { isDraining } = health;
  const connectionBounds = createConnectionBounds({
    ...{ nodeMax: connectionsMax, addressMax: addressConnectionsMax, trustedProxies, idleMax },
    ...{ peers: machine.peers, logger, metrics },
  });
  const perSecond = config.sockets.admissionPerSecond;
  const admission = createAdmission({ perSecond, clock: admissionClock, isDraining, metrics });
  return {
    frameGate: createFrameGate({ openMaxBytes, generalMaxBytes: messageMaxBytes }),
    connectionBounds,
    handshakes: createHandshakes({ admission, connectionBounds, isDraining, logger }),
    connectDeadline: createConnectDeadline({ timeoutMs: connectTimeoutMs, clock, logger, metrics }),
  };
}

/** Opens the namespaces of the integrations behind the one event pipeline. */
function openEventNamespaces(
  { config, clock, logger, metrics, traffic, machine }: Base,
  { outside, realtime, integrations, presenceTracker, bounds }: Opened & { bounds: Bounds },
): void {
  const { io, expiry, context } = realtime;
  const { work, userAuth, revocations } = context;
  const namespaces = integrations.flatMap((integration) => integration.namespaces ?? []);
  const mounts = integrations.flatMap((integration) => integration.mounts ?? []);
  const { eventTimeoutMs, refusedMax } = config.sockets;
  const dispatch = createDispatch(
    { namespaces, mounts },
    { clock, eventTimeoutMs, logger, metrics, work, userAuth, expiry, traffic, tracing: outside.tracing },
  );
  const listeners = [
    presenceTracker,
    expiry,
    revocations.listener,
    traffic,
    createConnectionCheck(logger),
    ...integrations.flatMap((integration) => integration.listener ?? []),
  ];
  const { frameGate, connectDeadline, handshakes } = bounds;
  openNamespaces(io, namespaces, {
    ...{ clock, logger, metrics, dispatch, listeners, frameGate, connectDeadline, handshakes, traffic },
    trustedProxies: config.http.trustedProxies,
    connectLimits: createConnectLimits({ refusedOfAddressMax: refusedMax, peers: machine.peers, clock }),
  });
}

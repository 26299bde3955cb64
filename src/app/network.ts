import { configureApiKeyGuard } from '../auth/api-key.js';
import { createFrameGate } from '../library-internals/frame-limit.js';
import { createConnectionCheck, reportMissingServerParts } from '../library-internals/private-parts.js';
import { createAdmission } from '../transport/connections/admission.js';
import { createConnectDeadline } from '../transport/connections/connect-deadline.js';
import { createConnectLimits } from '../transport/connections/connect-limits.js';
import { createConnectionBounds } from '../transport/connections/connection-bounds.js';
import { createHandshakes } from '../transport/connections/handshakes.js';
import { createDispatch } from '../transport/events/dispatch.js';
import { createFloods } from '../transport/events/floods.js';
import { createHttpApp } from '../transport/http/app.js';
import { type AllowsOrigin, createOriginCheck } from '../transport/http/origins.js';
import { openNamespaces } from '../transport/namespaces.js';
import { createHttpServer, endKeepAlive } from '../transport/server/http-server.js';
import { limitIdleConnections } from '../transport/server/idle-connections.js';
import { closeServer, createStopAccepting, listen } from '../transport/server/listen.js';
import { limitUnanswered } from '../transport/server/unanswered.js';
import { attach } from '../transport/socket-server.js';
import type { Base } from './base.js';
import type { Started } from './integrations.js';
import type { Outside } from './outside.js';
import type { Realtime } from './realtime.js';

/** What is opened to the network. */
export interface Parts extends Started {
  readonly outside: Outside;
  readonly realtime: Realtime;
}

/** Step 4: namespaces and routes, then the port. */
export async function openNetwork(base: Base, parts: Parts): Promise<{ port: number }> {
  const { config, clock, steadyClock, logger, metrics, health, traffic } = base;
  const { io, draining } = parts.realtime;
  const bounds = createBounds(base);
  const allowsOrigin = createOriginCheck(config.http.corsOrigins, { logger });
  openEventNamespaces(base, parts, bounds);
  const server = createHttpServer(createRoutes(base, parts, allowsOrigin), config.http);
  bounds.connectionBounds.boundTcp(server);
  const { isDraining } = health;
  attach(io, server, { config, allowsOrigin, isDraining, ...bounds, clock: steadyClock, logger, metrics, traffic });
  // After the listeners of Socket.IO, which keep requests for it from those before them.
  const stopAccepting = createStopAccepting(server, clock);
  draining.stopsAcceptingBy(stopAccepting);
  reportMissingServerParts(io, logger);
  limitUnanswered(server, { logger, metrics });
  const bodyMaxBytes = Math.max(config.http.bodyLimitBytes, config.sockets.messageMaxBytes);
  const connectionsMax = config.http.idleMax;
  const idleConnections = limitIdleConnections(server, { connectionsMax, bodyMaxBytes, clock, metrics });
  await parts.outside.cluster.join();
  const port = await listen(server, config.http);
  void parts.outside.buildIndexes();
  logger.info({ port }, 'listening');
  closeInOrder(base, parts, { server, stopAccepting, endIdle: idleConnections.end });
  return { port };
}

/** What closes the HTTP server. */
interface Closing {
  readonly server: ReturnType<typeof createHttpServer>;
  stopAccepting(): Promise<void>;
  endIdle(): Promise<void>;
}

/** Registers how the network is closed. The last one is the first to run. */
function closeInOrder(
  { cleanup }: Base,
  { outside, realtime: { io, draining, endWatchers } }: Parts,
  { server, stopAccepting, endIdle }: Closing,
): void {
  cleanup.add('http', () => closeServer(server));
  cleanup.add('socket server', () => io.close());
  cleanup.add('cluster', outside.cluster.leave);
  cleanup.add('http connections', async () => {
    // First, so that a proxy finds the port closed, and not a connection that ends with its request: it repeats no POST then.
    await stopAccepting();
    await endIdle();
  });
  cleanup.add('connections', draining.disconnectAll);
  cleanup.add('http keep-alive', () => endKeepAlive(server));
  cleanup.add('watchers of the traffic', async () => endWatchers());
  cleanup.add('operations of a database that is away', outside.mongo.giveUpIfAway);
  cleanup.add('readiness', draining.begin);
  cleanup.add('port', draining.leavePort);
}

type Bounds = ReturnType<typeof createBounds>;

/** Limits on what connections can make the node hold. */
function createBounds({ config, steadyClock: clock, admissionClock, logger, metrics, machine, health }: Base) {
  const { openMaxBytes, messageMaxBytes, connectionsMax, addressConnectionsMax, connectTimeoutMs } = config.sockets;
  const { trustedProxies, idleMax } = config.http;
  const { isDraining } = health;
  const connectionBounds = createConnectionBounds({
    nodeMax: connectionsMax,
    addressMax: addressConnectionsMax,
    trustedProxies,
    idleMax,
    peers: machine.peers,
    logger,
    metrics,
  });
  const perSecond = config.sockets.admissionPerSecond;
  const admission = createAdmission({ perSecond, clock: admissionClock, isDraining, metrics });
  return {
    floodBrake: createFloods({ clock, logger, metrics }),
    frameGate: createFrameGate({ openMaxBytes, generalMaxBytes: messageMaxBytes }),
    connectionBounds,
    handshakes: createHandshakes({ admission, connectionBounds, isDraining, logger }),
    connectDeadline: createConnectDeadline({ timeoutMs: connectTimeoutMs, clock, logger, metrics }),
  };
}

/** The HTTP routes of the integrations behind one pipeline. */
function createRoutes(base: Base, { outside, realtime, integrations }: Parts, allowsOrigin: AllowsOrigin) {
  const { config, secrets, logger, metrics } = base;
  return createHttpApp({
    logger,
    metrics,
    allowsOrigin,
    config: config.http,
    routes: integrations.flatMap((integration) => integration.routes ?? []),
    ensureApiKey: configureApiKeyGuard(secrets, config.auth.isRestOpen),
    entrance: integrations.find(({ entrance }) => entrance !== undefined)?.entrance,
    work: realtime.context.work,
    tracing: outside.tracing,
  });
}

/** Opens the namespaces of the integrations behind the one event pipeline. */
function openEventNamespaces(base: Base, parts: Parts, bounds: Bounds): void {
  const { config, clock, steadyClock, logger, metrics, traffic, machine } = base;
  const { outside, realtime, integrations, presenceTracker } = parts;
  const { floodBrake, frameGate, connectDeadline, handshakes } = bounds;
  const { io, expiry, context } = realtime;
  const { work, userAuth, revocations } = context;
  const namespaces = integrations.flatMap((integration) => integration.namespaces ?? []);
  const mounts = integrations.flatMap((integration) => integration.mounts ?? []);
  const { eventTimeoutMs, messageMaxBytes, refusedMax } = config.sockets;
  const dispatch = createDispatch(
    { namespaces, mounts },
    {
      clock,
      logger,
      metrics,
      work,
      userAuth,
      expiry,
      traffic,
      tracing: outside.tracing,
      eventTimeoutMs,
      messageMaxBytes,
      floodBrake,
    },
  );
  const listeners = [
    presenceTracker,
    expiry,
    revocations.listener,
    traffic,
    createConnectionCheck(logger),
    ...integrations.flatMap((integration) => integration.listeners ?? []),
  ];
  openNamespaces(io, namespaces, {
    clock,
    logger,
    metrics,
    dispatch,
    listeners,
    floodBrake,
    frameGate,
    connectDeadline,
    handshakes,
    traffic,
    trustedProxies: config.http.trustedProxies,
    connectLimits: createConnectLimits({ refusedOfAddressMax: refusedMax, peers: machine.peers, clock: steadyClock }),
  });
}

import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { type Namespace, Server } from 'socket.io';
import { userOf } from '../auth/principal.js';
import type { Config } from '../config.js';
import { type ErrorCode, GatewayError } from '../errors.js';
import { toRefusalBody } from '../framework/reply.js';
import type { FrameGate } from '../library-internals/frame-limit.js';
import { letPollingReturn } from '../library-internals/going-away.js';
import { createHeartbeats } from '../library-internals/heartbeats.js';
import { lookBeforeEncoding } from '../library-internals/memory-adapter.js';
import { createPacketParser } from '../library-internals/packet-decoder.js';
import { optionsOf } from '../library-internals/server-state.js';
import { createRequestSlimmer } from '../library-internals/slim-handshake.js';
import { joinBroadcastFrames, writeDirectly } from '../library-internals/text-frames.js';
import { createUnfinishedBound } from '../library-internals/unfinished-frames.js';
import { createWebSocketEngine } from '../library-internals/websocket-engine.js';
import { createWriteBufferBound } from '../library-internals/write-buffer.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Metrics } from '../platform/metrics.js';
import { type Clock, steadyClock } from '../platform/time/clock.js';
import type { Traffic } from '../realtime/traffic.js';
import { everySocket, type GatewayServer, type GatewaySocket } from '../sockets/socket.js';
import { addressKeyOf } from './connections/address.js';
import type { ConnectDeadline } from './connections/connect-deadline.js';
import type { ConnectionBounds } from './connections/connection-bounds.js';
import type { Handshakes } from './connections/handshakes.js';
import { explainRefusals, isOldWebsocket, refuseOldWebsocket, refuseWhileDraining } from './connections/refusals.js';
import type { Floods } from './events/floods.js';
import type { AllowsOrigin } from './http/origins.js';

type Adapter = Parameters<Server['adapter']>[0] | undefined;

/** Creates the Socket.IO server. It accepts connections after {@link attach}. */
export function createSocketServer(
  { sockets, http }: Config,
  { adapter, clock }: { adapter: Adapter; clock: Clock },
): GatewayServer {
  const io: GatewayServer = new Server({
    parser: createPacketParser({
      clock,
      openMax: sockets.openMaxBytes,
      // A client cannot answer a heartbeat while it sends a frame, so this is its limit in any case.
      attachmentTimeoutMs: sockets.pingIntervalMs + sockets.pingTimeoutMs,
    }),
    transports: sockets.transports,
    allowEIO3: sockets.allowsOldClients,
    cors: {
      origin: http.corsOrigins.length === 0 ? '*' : [...http.corsOrigins],
      methods: ['GET', 'POST'],
      allowedHeaders: ['x-token'],
      credentials: true,
    },
    serveClient: false,
    // The gateway closes and counts it earlier.
    connectTimeout: 2 * sockets.connectTimeoutMs,
    maxHttpBufferSize: sockets.messageMaxBytes,
    perMessageDeflate: toCompression(sockets.compressionThreshold),
    pingInterval: sockets.pingIntervalMs,
    pingTimeout: sockets.pingTimeoutMs,
    ...(adapter === undefined ? {} : { adapter }),
  });
  const prepare = (namespace: Pick<Namespace, 'adapter'>): void => {
    joinBroadcastFrames(namespace);
    // That of Redis looks by itself.
    if (adapter === undefined) lookBeforeEncoding(namespace);
  };
  prepare(io.of('/'));
  io.on('new_namespace', prepare);
  return io;
}

/** No context between messages: it would take hundreds of kilobytes for each connection. */
const toCompression = (threshold: number) =>
  threshold === 0 ? false : { threshold, serverNoContextTakeover: true, clientNoContextTakeover: true };

const TOO_LARGE = toRefusalBody(new GatewayError('PAYLOAD_TOO_LARGE'));

interface AttachOptions {
  config: Config;
  allowsOrigin: AllowsOrigin;
  isDraining: () => boolean;
  frameGate: FrameGate;
  floodBrake: Pick<Floods, 'watch' | 'watchPolling' | 'credit'>;
  connectionBounds: ConnectionBounds;
  connectDeadline: ConnectDeadline;
  handshakes: Handshakes;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  traffic: Pick<Traffic, 'isWatched' | 'refused' | 'slow'>;
}

/**
 * Attaches the Socket.IO server to HTTP. To be called after the HTTP request listener is set, because Socket.IO passes other
 * requests on to it.
 */
export function attach(
  io: GatewayServer,
  http: HttpServer,
  { config, allowsOrigin, isDraining, ...attached }: AttachOptions,
): void {
  const { frameGate, floodBrake, connectionBounds, connectDeadline, handshakes, ...platform } = attached;
  const { messageMaxBytes } = config.sockets;
  const { traffic } = platform;
  const addressOf = ({ socket, headers }: IncomingMessage): string =>
    addressKeyOf({ address: socket.remoteAddress ?? '', headers }, config.http.trustedProxies);
  const showRefusal = (request: IncomingMessage, code: ErrorCode, detail: string): void => {
    if (traffic.isWatched) traffic.refused({ namespace: null, code, address: addressOf(request), detail });
  };
  const reportLarge = (address: string): void => {
    platform.metrics.connectionsEnded.inc({ reason: 'large_frame' });
    platform.logger.warn(
      { address },
      'a connection was closed: a client without a token sent more than SOCKET_OPEN_MAX',
    );
  };
  const boundUnfinished = createUnfinishedBound({ messageMaxBytes, ...platform });
  io.attach(http, {
    ...optionsOf(io),
    wsEngine: createWebSocketEngine((websocket, request) => {
      const address = addressOf(request);
      frameGate.guard(websocket, () => reportLarge(address));
      floodBrake.watch(websocket, { address });
      boundUnfinished(websocket, address);
    }),
    allowRequest: (request, answer) => {
      if (isDraining()) {
        platform.logger.info({ reason: 'draining' }, 'a connection was refused');
        showRefusal(request, 'UNAVAILABLE', 'draining');
        refuseWhileDraining(request, answer);
        return;
      }
      if (!config.sockets.allowsOldClients && isOldWebsocket(request)) {
        showRefusal(request, 'VALIDATION_ERROR', 'the protocol of Socket.IO 2');
        refuseOldWebsocket(request, platform.logger);
        return;
      }
      // CORS does not cover websockets, so a restricted list of origins is enforced here.
      const isAllowed = allowsOrigin(request.headers.origin);
      const refusal = isAllowed ? connectionBounds.refusalOf(request) : 'origin not allowed';
      if (refusal !== undefined) {
        showRefusal(request, isAllowed ? 'RATE_LIMITED' : 'FORBIDDEN', refusal);
        answer(refusal, false);
      } else if (handshakes.admit(request, answer)) {
        showRefusal(request, 'UNAVAILABLE', 'too many clients connect at once');
      }
    },
  });
  explainRefusals(io.engine, { transports: config.sockets.transports, ...platform });
  const boundWriteBuffer = createWriteBufferBound(config.sockets.bufferMaxBytes, createSlowClientReport(io, platform));
  const slimRequest = createRequestSlimmer(io.engine);
  const takeHeartbeats = createHeartbeats({
    intervalMs: config.sockets.pingIntervalMs,
    clock: steadyClock,
    // The client has to answer.
    onSend: (connection) => floodBrake.credit(connection as GatewaySocket['conn']),
  });
  io.engine.on('connection', (connection) => {
    // First, because a websocket that is closed above a limit must know its connection.
    boundWriteBuffer(connection);
    connectionBounds.hold(connection);
    connectDeadline.begin(connection);
    handshakes.begin(connection);
    if (connection.transport.name === 'polling') {
      const address = addressOf(connection.request);
      floodBrake.watchPolling(connection, { address });
      frameGate.guardPolling(connection, TOO_LARGE, () => reportLarge(address));
      letPollingReturn(connection);
    }
    slimRequest(connection);
    writeDirectly(connection);
    takeHeartbeats(connection);
  });
}

/** Counts and logs the connections that are closed because their clients do not read. */
const createSlowClientReport = (
  io: GatewayServer,
  { logger, metrics, traffic }: Pick<AttachOptions, 'logger' | 'metrics' | 'traffic'>,
) =>
  function reportSlowClient(connection: object, bytes: number): void {
    metrics.slowClients.inc();
    metrics.slowClientBytes.inc(bytes);
    // All sockets are searched for the few lines that are written.
    const find = () => {
      const sockets = [...everySocket(io)].filter(({ conn }) => conn === connection);
      const user = sockets.map(({ data }) => userOf(data.principal)).find((id) => id !== null) ?? null;
      return { user, namespaces: sockets.map(({ nsp }) => nsp.name) };
    };
    logger.info(() => ({ ...find(), bytes }), 'a slow client was closed');
    if (!traffic.isWatched) return;
    const { user: userId, namespaces } = find();
    traffic.slow({ namespace: namespaces[0] ?? null, userId, bytes });
  };

import { ensureScope } from '../auth/scope.js';
import { GatewayError } from '../errors.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import type { Metrics } from '../platform/metrics.js';
import type { Namespace, SocketListener } from '../realtime/integration.js';
import { rooms } from '../realtime/rooms.js';
import { compactConnection } from './compact.js';
import type { Dispatch, GatewaySocket } from './dispatch.js';
import { addressOf, deviceIdOf, forgetHandshake } from './handshake.js';
import { toConnectError, toGatewayError } from './reply.js';
import type { GatewayServer } from './socket.js';

interface Dependencies {
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  dispatch: Dispatch;
  listeners: readonly SocketListener[];
  trustedProxies: number;
}

/** Opens the namespaces: who may enter is decided here, what they may do by the dispatcher. */
export function openNamespaces(io: GatewayServer, namespaces: readonly Namespace[], dependencies: Dependencies): void {
  const { clock, logger, metrics, dispatch, listeners, trustedProxies } = dependencies;
  /** Namespaces that a connection is entering: a client that asks twice at once is not waiting for an answer. */
  const entering = new WeakMap<object, Set<string>>();

  const enter = async (socket: GatewaySocket, { name, scopes, authenticate, roomsOf }: Namespace): Promise<void> => {
    const pending = entering.get(socket.conn) ?? new Set();
    if (pending.has(name)) throw new GatewayError('CONFLICT');
    entering.set(socket.conn, pending.add(name));
    try {
      const principal = await authenticate(socket.handshake);
      ensureScope(principal, scopes);
      const address = addressOf(socket.handshake, trustedProxies);
      const deviceId = deviceIdOf(socket.handshake);
      socket.data = {
        principal,
        address,
        deviceId,
        outbox: undefined,
        connectedAt: clock.now(),
        inFlight: 0,
        isWarned: false,
      };
      // Nothing is heard in a room before the socket is in the namespace.
      if (roomsOf !== undefined) void socket.join([...(await roomsOf(principal, socket.handshake))]);
    } finally {
      pending.delete(name);
      if (pending.size === 0) entering.delete(socket.conn);
    }
  };

  const refuse = ({ name, toRefusal = toConnectError }: Namespace, thrown: unknown): Error => {
    const error = toGatewayError(thrown);
    metrics.refusals.inc({ namespace: name, code: error.code });
    const level = error.status >= 500 ? 'error' : 'debug';
    logger[level]({ namespace: name, code: error.code, err: error.cause }, 'a connection was refused');
    return toRefusal(error);
  };

  for (const definition of namespaces) {
    const connections = metrics.connections.labels(definition.name);
    // One function for all sockets, so that an idle one costs no closure.
    function leave(this: GatewaySocket): void {
      connections.dec();
      for (const listener of listeners) listener.disconnected(this);
    }
    const namespace = io.of(definition.name);
    namespace.use((socket, next) => {
      enter(socket, definition).then(
        () => next(),
        (thrown: unknown) => next(refuse(definition, thrown)),
      );
    });
    // Synchronous throughout: the client's first event may be in the same packet as its connection.
    namespace.on('connection', (socket) => {
      forgetHandshake(socket);
      enterOwnRooms(socket);
      // No listener is registered and `next` is never called, so no event name reaches Node's EventEmitter.
      socket.use((packet) => void dispatch(socket, packet));
      socket.on('disconnect', leave);
      connections.inc();
      for (const listener of listeners) listener.connected(socket);
      compactConnection(socket);
    });
  }
  // Socket.IO always has this namespace. Nobody is let in until an integration opens it.
  if (!namespaces.some(({ name }) => name === '/')) {
    io.of('/').use((_socket, next) => next(toConnectError(new GatewayError('NOT_FOUND'))));
  }
}

/** A user receives their own events from the moment they are connected. */
function enterOwnRooms(socket: GatewaySocket): void {
  const { principal } = socket.data;
  if (principal.kind !== 'user') return;
  void socket.join(rooms.user(principal.userId));
  if (principal.accountId !== '') void socket.join(rooms.account(principal.accountId));
}

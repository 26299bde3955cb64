import { claimedUserOf } from '../auth/claimed-user.js';
import { ClaimsProblem } from '../auth/invalid-token.js';
import { anonymous, type Principal } from '../auth/principal.js';
import { ensureScope } from '../auth/scope.js';
import { GatewayError } from '../errors.js';
import type { Namespace } from '../framework/namespace.js';
import { toConnectError, toGatewayError, toRefusalBody } from '../framework/reply.js';
import { compactConnection } from '../library-internals/compact-connection.js';
import { createConnects, wordUnknownNamespaces } from '../library-internals/connects.js';
import type { FrameGate } from '../library-internals/frame-limit.js';
import { connectionIdOf, discard, siblingsOf } from '../library-internals/server-state.js';
import { forgetHandshake } from '../library-internals/slim-handshake.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Metrics } from '../platform/metrics.js';
import type { Clock } from '../platform/time/clock.js';
import { rooms } from '../realtime/rooms.js';
import type { Traffic } from '../realtime/traffic.js';
import { deviceOf, type HandshakeDevice } from '../sockets/handshake.js';
import type { GatewayServer, GatewaySocket, SocketListener, SocketState } from '../sockets/socket.js';
import { addressKeyOf } from './connections/address.js';
import type { ConnectDeadline } from './connections/connect-deadline.js';
import type { ConnectLimits, Knock } from './connections/connect-limits.js';
import type { Handshakes } from './connections/handshakes.js';
import type { Dispatch } from './events/dispatch.js';
import type { Floods } from './events/floods.js';

interface Dependencies {
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  dispatch: Dispatch;
  listeners: readonly Partial<SocketListener>[];
  trustedProxies: number;
  frameGate: FrameGate;
  floodBrake: Pick<Floods, 'credit' | 'identify'>;
  connectLimits: ConnectLimits;
  connectDeadline: ConnectDeadline;
  handshakes: Pick<Handshakes, 'refusalOf'>;
  traffic: Pick<Traffic, 'isWatched' | 'refused'>;
}

/** Maximum logged length of text from a client. */
const LOGGED_MAX = 200;

/** Refusals after which a connection without namespace is closed, so that guessing costs a new connection each time. */
const REFUSALS_MAX = 10;

/** Opens the namespaces: authenticates their clients. The dispatcher authorizes events. */
export function openNamespaces(io: GatewayServer, namespaces: readonly Namespace[], dependencies: Dependencies): void {
  const {
    clock,
    logger,
    metrics,
    dispatch,
    listeners,
    trustedProxies,
    frameGate,
    floodBrake,
    connectLimits,
    connectDeadline,
    handshakes,
    traffic,
  } = dependencies;
  const connects = createConnects(floodBrake);
  wordUnknownNamespaces(io, {
    data: toRefusalBody(new GatewayError('NOT_FOUND')),
    refused(namespace) {
      logger.info(
        { namespace: namespace.slice(0, LOGGED_MAX) },
        'a connection was refused: there is no such namespace',
      );
      if (traffic.isWatched) traffic.refused({ namespace, code: 'NOT_FOUND', detail: 'there is no such namespace' });
    },
  });
  const refusals = new WeakMap<object, number>();

  const knockOf = (socket: GatewaySocket): Knock => ({
    connectionId: connectionIdOf(socket),
    address: addressKeyOf(socket.handshake, trustedProxies),
  });

  const enter = async (socket: GatewaySocket, { scopes, authenticate, roomsOf }: Namespace): Promise<void> => {
    const knock = knockOf(socket);
    connectLimits.ensureMayKnock(knock);
    const principal = await authenticate(socket.handshake, knock.address);
    ensureScope(principal, scopes);
    connectLimits.ensureMayEnter(principal, knock);
    const { address } = knock;
    socket.data = toState(principal, address, deviceOf(socket.handshake), clock.now());
    const joined = [...ownRoomsOf(principal), ...((await roomsOf?.(principal, socket.handshake)) ?? [])];
    // The socket receives nothing in a room before it is in the namespace. From then on it receives what other nodes send.
    if (joined.length > 0) await socket.join(joined);
  };

  const refuse = (socket: GatewaySocket, { name, toRefusal = toConnectError }: Namespace, thrown: unknown): Error => {
    const error = toGatewayError(thrown);
    metrics.refusals.inc({ namespace: name, code: error.code });
    if (traffic.isWatched) {
      const { address } = knockOf(socket);
      const claimedUserId = claimedUserOf(socket.handshake);
      traffic.refused({ namespace: name, code: error.code, address, claimedUserId, detail: detailOf(error) });
    }
    const details = { namespace: name, reason: error.code };
    if (error.status >= 500) {
      logger.error({ ...details, err: error.cause }, 'a connection was refused because of a failure');
    } else {
      logger.info({ ...details, cause: detailOf(error) }, 'a connection was refused');
      logger.debug({ ...details, err: error.cause }, 'why a connection was refused');
    }
    if (error.cause instanceof ClaimsProblem) {
      const refused = { namespace: name, reason: error.cause.message };
      logger.warn(refused, 'a correctly signed token was refused because of its claims');
    }
    return toRefusal(error, isOldClient(socket));
  };

  const turnAway = (socket: GatewaySocket, definition: Namespace, thrown: unknown): Error | undefined => {
    if (takesRefusalForItsOwn(socket)) {
      socket.data = toState(bystander, '', NO_DEVICE, clock.now());
      return undefined;
    }
    if (!isLimited(thrown)) connectLimits.noteRefused(knockOf(socket));
    closeAfterRefusals(socket, definition);
    return refuse(socket, definition, thrown);
  };

  const closeAfterRefusals = (socket: GatewaySocket, { closesRefused }: Namespace): void => {
    const count = (refusals.get(socket.conn) ?? 0) + 1;
    refusals.set(socket.conn, count);
    // After Socket.IO has written the refusal, on the next tick.
    if (closesRefused === true || count >= REFUSALS_MAX) {
      setImmediate(() => connects.isEntering(socket.conn) || closeUnlessUsed(socket));
    }
  };

  for (const definition of isRootOpen(namespaces) ? namespaces : [...namespaces, closedRoot]) {
    const connections = metrics.connections.labels(definition.name);
    // Shared by all sockets, to save a closure for each idle one.
    function leave(this: GatewaySocket, reason: string): void {
      connections.dec();
      if (!isUsed(this)) connectDeadline.begin(this.conn);
      for (const listener of listeners) listener.disconnected?.(this, reason);
    }
    const namespace = io.of(definition.name);
    connects.guard(namespace);
    namespace.use((socket, next) => {
      const answer = (refusal?: Error): void => {
        if (connects.isWanted(socket)) next(refusal);
        // The client has cancelled it: no reply, and no state is left.
        else discard(socket);
        // After Socket.IO has replied, on the next tick.
        process.nextTick(() => connects.settle(socket));
      };
      const overload = handshakes.refusalOf(socket.conn);
      if (overload !== undefined) {
        closeAfterRefusals(socket, definition);
        return answer((definition.toRefusal ?? toConnectError)(overload, isOldClient(socket)));
      }
      enter(socket, definition).then(
        () => {
          floodBrake.credit(socket.conn);
          answer();
        },
        (thrown: unknown) => answer(turnAway(socket, definition, thrown)),
      );
    });
    // Synchronous throughout: the client's first event may be in the same packet as its connection.
    namespace.on('connection', (socket) => {
      forgetHandshake(socket);
      if (socket.data.principal === bystander) return standBy(socket);
      connectDeadline.end(socket.conn);
      floodBrake.identify(socket.conn, socket);
      if (hasShownToken(socket.data.principal)) frameGate.open(socket);
      // No listener is registered and `next` is never called, so no event name reaches Node's EventEmitter.
      socket.use((packet) => void dispatch(socket, packet));
      socket.on('disconnect', leave);
      connections.inc();
      for (const listener of listeners) listener.connected?.(socket);
      compactConnection(socket);
    });
  }
}

const isRootOpen = (namespaces: readonly Namespace[]): boolean => namespaces.some(({ name }) => name === '/');

/** Socket.IO always has this namespace. It refuses clients until an integration opens it. */
const closedRoot: Namespace = {
  name: '/',
  scopes: [],
  authenticate() {
    throw new GatewayError('NOT_FOUND');
  },
};

const NO_DEVICE: HandshakeDevice = { deviceId: '', wantsDeliveryIds: false };

/** In one literal: with a spread, the state of each idle socket takes 400 bytes more. */
const toState = (
  principal: Principal,
  address: string,
  { deviceId, wantsDeliveryIds }: HandshakeDevice,
  connectedAt: number,
): SocketState => ({
  principal,
  address,
  deviceId,
  wantsDeliveryIds,
  connectedAt,
  outbox: undefined,
  // Nothing is sent before the mailbox is open.
  position: Number.POSITIVE_INFINITY,
  inFlight: 0,
  isWarned: false,
});

/**
 * A client of Socket.IO 2 always enters `/` first, and takes a refusal there for a refusal of the namespace that it wants. So
 * it is accepted as a bystander: in no room and without listeners.
 */
const bystander: Principal = Object.freeze({ ...anonymous });
const OLD_PROTOCOL = 3;

const isOldClient = ({ conn }: GatewaySocket): boolean => conn.protocol === OLD_PROTOCOL;

const takesRefusalForItsOwn = (socket: GatewaySocket): boolean => socket.nsp.name === '/' && isOldClient(socket);

function standBy(socket: GatewaySocket): void {
  // Out of its own room too, because a broadcast to the namespace uses it.
  void socket.nsp.adapter.delAll(socket.id);
  socket.use(() => undefined);
}

/** Why a client was refused, for the log; `undefined` for an internal failure. */
const detailOf = ({ status, cause }: GatewayError): string | undefined =>
  status < 500 && cause instanceof Error ? cause.message : undefined;

/** Whether a refusal was made without a database or website call. */
const isLimited = (thrown: unknown): boolean => thrown instanceof GatewayError && thrown.code === 'RATE_LIMITED';

/** Closes a connection that is in no namespace. */
function closeUnlessUsed(socket: GatewaySocket): void {
  if (!isUsed(socket)) socket.conn.close();
}

/** Whether the connection of a socket is in a namespace, not counting bystanders. */
function isUsed(socket: GatewaySocket): boolean {
  for (const { data } of siblingsOf(socket)) if (data.principal !== bystander) return true;
  return false;
}

function hasShownToken(principal: Principal): boolean {
  return (
    principal.kind === 'user' ||
    principal.kind === 'visitor' ||
    (principal.kind === 'site' && principal.userId !== undefined)
  );
}

/** A user receives their own events from the moment they are connected. */
function ownRoomsOf(principal: Principal): readonly string[] {
  if (principal.kind !== 'user') return [];
  const { userId, accountId } = principal;
  return accountId === '' ? [rooms.user(userId)] : [rooms.user(userId), rooms.account(accountId)];
}

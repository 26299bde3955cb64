import type { ExpiryWatch } from '../auth/expiry.js';
import { anonymous, type Principal } from '../auth/principal.js';
import { ensureScope } from '../auth/scope.js';
import type { UserAuth } from '../auth/user.js';
import { GatewayError } from '../errors.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import type { Metrics } from '../platform/metrics.js';
import { type Access, type NamespaceName, namespaces } from '../realtime/namespaces.js';
import type { PresenceTracker } from '../realtime/presence/tracker.js';
import { rooms } from '../realtime/rooms.js';
import type { Dispatch, GatewaySocket } from './dispatch.js';
import { addressOf, forgetCredentials } from './handshake.js';
import { toConnectError, toGatewayError } from './reply.js';
import type { GatewayServer } from './socket.js';

interface Dependencies {
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  userAuth: UserAuth;
  dispatch: Dispatch;
  tracker: PresenceTracker;
  expiry: ExpiryWatch;
  trustedProxies: number;
}

/** Opens every namespace of the table: who may enter is decided here, what they may do by the dispatcher. */
export function openNamespaces(io: GatewayServer, dependencies: Dependencies): void {
  const { clock, logger, metrics, userAuth, dispatch, tracker, expiry } = dependencies;
  /** Namespaces that a connection is entering: a client that asks twice at once is not waiting for an answer. */
  const entering = new WeakMap<object, Set<string>>();

  const authenticate = async (socket: GatewaySocket, access: Access): Promise<Principal> => {
    if (access.who === 'anyone') return anonymous;
    const principal = await userAuth.atHandshake(socket.handshake);
    ensureScope(principal, access.scopes);
    return principal;
  };

  const enter = async (socket: GatewaySocket, name: NamespaceName): Promise<void> => {
    const pending = entering.get(socket.conn) ?? new Set();
    if (pending.has(name)) throw new GatewayError('CONFLICT');
    entering.set(socket.conn, pending.add(name));
    try {
      const principal = await authenticate(socket, namespaces[name]);
      const address = addressOf(socket.handshake, dependencies.trustedProxies);
      const state = { inFlight: 0, isWarned: false };
      socket.data = { principal, address, connectedAt: clock.now(), ...state };
    } finally {
      pending.delete(name);
    }
  };

  for (const name of Object.keys(namespaces) as NamespaceName[]) {
    const namespace = io.of(name);
    namespace.use((socket, next) => {
      enter(socket, name).then(
        () => next(),
        (thrown: unknown) => {
          const error = toGatewayError(thrown);
          metrics.refusals.inc({ namespace: name, code: error.code });
          const level = error.status >= 500 ? 'error' : 'debug';
          logger[level]({ namespace: name, code: error.code, err: error.cause }, 'a connection was refused');
          next(toConnectError(error));
        },
      );
    });
    // Synchronous throughout: the client's first event may be in the same packet as its connection.
    namespace.on('connection', (socket) => {
      const { principal } = socket.data;
      forgetCredentials(socket);
      if (principal.kind === 'user') {
        void socket.join(rooms.user(principal.userId));
        if (principal.accountId !== '') void socket.join(rooms.account(principal.accountId));
      }
      // No listener is registered and `next` is never called, so no event name reaches Node's EventEmitter.
      socket.use((packet) => void dispatch(socket, packet));
      const connections = metrics.connections.labels(name);
      socket.on('disconnect', () => {
        connections.dec();
        tracker.disconnected(socket);
      });
      connections.inc();
      tracker.connected(socket);
      expiry.watch(socket);
    });
  }
}

import type { Socket } from 'socket.io';
import type { ExpiryWatch } from '../auth/expiry.js';
import type { Principal } from '../auth/principal.js';
import { ensureScope } from '../auth/scope.js';
import type { UserAuth } from '../auth/user.js';
import { type ErrorCode, GatewayError } from '../errors.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import type { Metrics } from '../platform/metrics.js';
import type { EventContext, Mount, MountedEvent } from '../realtime/integration.js';
import { type Access, type NamespaceName, namespaces } from '../realtime/namespaces.js';
import type { Limit, RateLimiter } from '../realtime/rate-limit.js';
import { parse } from '../validation.js';
import { toEventFailure, toGatewayError, toSuccess } from './reply.js';

/** What the gateway remembers of one socket; gone with it. */
export interface SocketState {
  principal: Principal;
  /** Network address of the client, which stands for it where nobody is asked who they are. */
  address: string;
  /** Unix time in milliseconds. */
  connectedAt: number;
  /** Events being handled. */
  inFlight: number;
  /** Called when nothing is in flight any more; set on a connection that is to be closed. */
  onIdle?: () => void;
  /** The client was told that its token is about to expire. */
  isWarned: boolean;
}

type None = Record<never, never>;

/** A socket of the gateway. Its state is in `data`. */
export type GatewaySocket = Socket<
  Record<string, never>,
  Record<string, (...args: unknown[]) => void>,
  None,
  SocketState
>;

/** Events of one socket that may be in flight at once; a client that sends more does not wait for answers. */
const IN_FLIGHT_MAX = 100;

interface Dependencies {
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  limiter: RateLimiter;
  limit: Limit;
  userAuth: UserAuth;
  expiry: ExpiryWatch;
}

/**
 * Takes every event of every socket; never throws and never rejects.
 * @param packet the event's name, its arguments, and its acknowledgement if the client asked for one
 */
export type Dispatch = (socket: GatewaySocket, packet: readonly unknown[]) => Promise<void>;

/**
 * The one event pipeline: limit → parse → authenticate and scope → handle → acknowledge.
 * Whatever a client sends ends in exactly one answer.
 */
export function createDispatch(mounts: readonly Mount[], dependencies: Dependencies): Dispatch {
  const { clock, logger, metrics, limiter, userAuth, expiry } = dependencies;
  const table = toTable(mounts);

  const contextOf = (socket: GatewaySocket): EventContext => ({
    principal: socket.data.principal,
    socketId: socket.id,
    namespace: socket.nsp.name as NamespaceName,
    rooms: socket.rooms,
    enter: (room) => void socket.join(room),
    leave: (room) => void socket.leave(room),
    async renew(token) {
      socket.data.principal = await userAuth.renewed(socket.data.principal, token);
      socket.data.isWarned = false;
      expiry.watch(socket);
    },
  });

  async function handle(
    socket: GatewaySocket,
    name: string,
    data: unknown,
  ): Promise<{ entry: MountedEvent; answer: unknown }> {
    const state = socket.data;
    const entry = table.get(socket.nsp.name)?.get(name);
    if (state.inFlight > IN_FLIGHT_MAX) throw new GatewayError('RATE_LIMITED', { retryAfterMs: 1000 });
    await limiter.consume('events', callerOf(state), dependencies.limit);
    if (entry === undefined) throw new GatewayError('NOT_FOUND');
    if (entry.event.limit !== undefined) await limiter.consume(`event:${name}`, callerOf(state), entry.event.limit);

    const payload = parse(entry.event.payload, data ?? {});
    if (state.principal.expiresAt <= clock.now()) throw new GatewayError('INVALID_TOKEN');
    if (entry.event.ownsToken !== true) await ensureSameUser(state.principal, data);
    const access: Access = namespaces[socket.nsp.name as NamespaceName];
    if (access.who === 'user') ensureScope(state.principal, entry.event.scopes ?? access.scopes);

    return { entry, answer: await entry.handle(payload as never, contextOf(socket)) };
  }

  /** A credential inside the data is verified and must be the same user's. */
  async function ensureSameUser(principal: Principal, data: unknown): Promise<void> {
    if (principal.kind !== 'user' || data === null || typeof data !== 'object') return;
    const credentials = data as { token?: unknown; session_id?: unknown };
    if (credentials.token === undefined && credentials.session_id === undefined) return;
    await userAuth.forEvent(principal, credentials);
  }

  return async (socket, packet) => {
    const startedAt = performance.now();
    const name = String(packet[0]);
    const last = packet.at(-1);
    const acknowledge = typeof last === 'function' ? (last as (answer: unknown) => void) : undefined;
    const data = packet.length > (acknowledge === undefined ? 1 : 2) ? packet[1] : undefined;
    let code: ErrorCode | 'SUCCESS' = 'SUCCESS';
    socket.data.inFlight += 1;
    try {
      const { entry, answer } = await handle(socket, name, data);
      const reply = toSuccess(answer);
      acknowledge?.(reply);
      if (entry.event.isEchoed === true) socket.emit(name, reply);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      code = error.code;
      if (error.status >= 500) logger.error({ err: error.cause ?? error, event: nameForLog(name) }, 'an event failed');
      if (acknowledge === undefined) socket.emit('event_error', toEventFailure(error, name.slice(0, 128)));
      else acknowledge(toEventFailure(error));
    } finally {
      socket.data.inFlight -= 1;
      if (socket.data.inFlight === 0) socket.data.onIdle?.();
      const namespace = socket.nsp.name;
      const event = table.get(namespace)?.has(name) === true ? name : 'unknown';
      metrics.events.inc({ namespace, event, code });
      metrics.eventSeconds.observe({ namespace }, (performance.now() - startedAt) / 1000);
    }
  };
}

/** Who pays for an event: the user over all sockets and nodes, or else the address. */
const callerOf = ({ principal, address }: SocketState): string =>
  principal.kind === 'user' ? `user:${principal.userId}` : `address:${address}`;

const nameForLog = (name: string): string => name.slice(0, 128);

/** Namespace → event → what does it. Two integrations on one namespace must not use the same name. */
function toTable(mounts: readonly Mount[]): Map<string, Map<string, MountedEvent>> {
  const table = new Map<string, Map<string, MountedEvent>>();
  for (const mount of mounts) {
    for (const namespace of mount.namespaces) {
      const events = table.get(namespace) ?? new Map<string, MountedEvent>();
      for (const [name, entry] of Object.entries(mount.events)) {
        if (events.has(name)) throw new Error(`two handlers for ${name} on ${namespace}`);
        events.set(name, entry);
      }
      table.set(namespace, events);
    }
  }
  return table;
}

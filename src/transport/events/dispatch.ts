import { limitOfEvent } from '#shared/contracts/contract.js';
import type { ExpiryWatch } from '../../auth/expiry.js';
import type { Principal } from '../../auth/principal.js';
import { ensureScope } from '../../auth/scope.js';
import type { EventCredentials } from '../../auth/token-sources.js';
import type { UserAuth } from '../../auth/user.js';
import { type ErrorCode, GatewayError, invalid } from '../../errors.js';
import type { EventContext, Mount, MountedEvent, ReplyFormat } from '../../framework/events.js';
import type { Namespace } from '../../framework/namespace.js';
import { generalReplyFormat, toGatewayError } from '../../framework/reply.js';
import type { UsefulPackets } from '../../library-internals/flood-brake.js';
import { UnreadArguments } from '../../library-internals/packet-decoder.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import type { Clock } from '../../platform/time/clock.js';
import type { Tracing } from '../../platform/tracing.js';
import type { Traffic } from '../../realtime/traffic.js';
import type { Work } from '../../realtime/work.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import { parse } from '../../validation.js';
import { callerOf } from './caller.js';
import { createHeldEvents } from './held-events.js';

/** Events of one socket that may be in flight at once; a client that sends more does not wait for answers. */
const IN_FLIGHT_MAX = 100;

/** An event that brings a file may take so many times as long as others. */
const FILE_FACTOR = 4;

interface Dependencies {
  clock: Clock;
  /** An event that has not been handled after this time is answered with `UNAVAILABLE`. */
  eventTimeoutMs: number;
  /** The largest message of a client, except files. */
  messageMaxBytes: number;
  logger: Logger;
  metrics: Metrics;
  work: Work;
  userAuth: UserAuth;
  expiry: ExpiryWatch;
  floodBrake: UsefulPackets;
  traffic: Pick<Traffic, 'isWatched' | 'received'>;
  /** `undefined`: off. */
  tracing: Tracing | undefined;
}

/**
 * Takes every event of every socket; never throws and never rejects.
 * @param packet the event's name, its arguments, and its acknowledgement if the client asked for one
 */
export type Dispatch = (socket: GatewaySocket, packet: readonly unknown[]) => Promise<void>;

/**
 * The one event pipeline: limit → parse → authenticate and scope → handle → acknowledge.
 * Every packet of a client gets exactly one answer.
 */
export function createDispatch(
  { namespaces, mounts }: { namespaces: readonly Namespace[]; mounts: readonly Mount[] },
  dependencies: Dependencies,
): Dispatch {
  const {
    clock,
    eventTimeoutMs,
    messageMaxBytes,
    logger,
    metrics,
    work,
    userAuth,
    expiry,
    floodBrake,
    traffic,
    tracing,
  } = dependencies;
  const heldEvents = createHeldEvents(messageMaxBytes);
  const tables = new Map(namespaces.map((namespace) => [namespace.name, toTable(namespace, mounts)]));

  const contextOf = (socket: GatewaySocket): EventContext => ({
    principal: socket.data.principal,
    socketId: socket.id,
    namespace: socket.nsp.name,
    rooms: socket.rooms,
    enter: (room) => void socket.join(room),
    leave: (room) => void socket.leave(room),
    send: ({ event, payload }) => void socket.emit(event, payload),
    async renew(token) {
      socket.data.principal = await userAuth.renewed(socket.data.principal, token);
      socket.data.isWarned = false;
      expiry.watch(socket);
    },
  });

  /** A credential inside the data is verified and must be the same user's. */
  async function ensureSameUser(principal: Principal, data: unknown): Promise<void> {
    if (principal.kind !== 'user' || data === null || typeof data !== 'object') return;
    const credentials: EventCredentials = data;
    if (credentials.token === undefined && credentials.session_id === undefined) return;
    await userAuth.forEvent(principal, credentials);
  }

  async function handle(socket: GatewaySocket, call: Call): Promise<unknown> {
    if (socket.data.inFlight > IN_FLIGHT_MAX) throw new GatewayError('RATE_LIMITED', { retryAfterMs: 1000 });
    const { entry } = call;
    const release = heldEvents.hold(callerOf(socket.data), call);
    let payload: unknown;
    try {
      const limit = entry && limitOfEvent(call.name, entry.event);
      await work.begin(callerOf(socket.data), { limit, characters: call.unread?.size });
      floodBrake.credit(socket.conn);
      if (entry === undefined) throw new GatewayError('NOT_FOUND');
      payload = await readPayload(socket.data, call, entry.event);
    } finally {
      // From here on the contract bounds what is held, and the store the files.
      release();
    }
    return entry.handle(payload as never, contextOf(socket));
  }

  async function readPayload(state: GatewaySocket['data'], call: Call, event: MountedEvent['event']): Promise<unknown> {
    readArguments(call);
    const { args, scopes } = call;
    const takesAll = event.takesAllArguments === true;
    const payload: unknown = parse(event.payload, takesAll ? args : dataOf(args));
    userAuth.ensureCurrent(state.principal);
    if (event.ownsToken !== true) await ensureSameUser(state.principal, args[0]);
    ensureScope(state.principal, event.scopes ?? scopes);
    // Unknown fields, which the contract does not bound, are not kept while the event is handled.
    if (!traffic.isWatched) call.args = takesAll ? (payload as readonly unknown[]) : [payload];
    return payload;
  }

  /** The last guard: a handler that never settles is a fault, but its caller is still answered. */
  function inTime<T>(work: Promise<T>, takesFile: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const timeoutMs = takesFile ? FILE_FACTOR * eventTimeoutMs : eventTimeoutMs;
      const cancel = clock.after(timeoutMs, () => {
        const cause = new Error(`not handled within ${timeoutMs} ms`);
        reject(new GatewayError('UNAVAILABLE', { retryAfterMs: 1000 }, { cause }));
      });
      work.then(resolve, reject).finally(cancel);
    });
  }

  const showWatchers = (socket: GatewaySocket, { name, args, unread, entry }: Call, code: string): void => {
    // A token is shown to no watcher.
    const isShown = unread === undefined && entry?.event.ownsToken !== true;
    traffic.received(socket, { event: name, args: isShown ? args : undefined, code });
  };

  return async function dispatchEvent(socket, packet) {
    const startedAt = performance.now();
    const namespace = socket.nsp.name;
    const table = tables.get(namespace);
    const call = toCall(packet, table);
    const { name, entry, acknowledge, replyFormat } = call;
    const known = entry === undefined ? 'unknown' : name;
    const span = tracing?.begin(`${namespace} ${known}`, { 'event.namespace': namespace, 'event.name': known });
    let code: ErrorCode | 'SUCCESS' = 'SUCCESS';
    let isFault = false;
    socket.data.inFlight += 1;
    try {
      const reply = replyFormat.toSuccess(await inTime(handle(socket, call), entry?.event.takesBinary === true));
      acknowledge?.(reply);
      if (entry?.event.isEchoed === true) socket.emit(name, reply);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      code = error.code;
      isFault = error.status >= 500;
      if (isFault) logger.error({ err: error.cause ?? error, namespace, name }, 'an event failed');
      acknowledge?.(replyFormat.toFailure(error));
      const isAcknowledged = acknowledge !== undefined;
      const told = replyFormat.toErrorEvent(error, { event: name, data: call.args[0], isAcknowledged });
      if (told !== undefined) socket.emit(told.event, told.payload);
    } finally {
      socket.data.inFlight -= 1;
      if (socket.data.inFlight === 0) socket.data.onIdle?.();
      if (traffic.isWatched) showWatchers(socket, call, code);
      metrics.events.inc({ namespace, event: known, code });
      metrics.eventSeconds.observe({ namespace }, (performance.now() - startedAt) / 1000);
      span?.end({ 'event.code': code }, isFault);
    }
  };
}

/** No event has a longer name. Longer ones are cut before they are logged or sent back. */
const NAME_MAX = 128;

/** An event of a client, taken apart. */
interface Call {
  readonly name: string;
  /** None while they are unread. */
  args: readonly unknown[];
  unread: UnreadArguments | undefined;
  readonly acknowledge: ((answer: unknown) => void) | undefined;
  readonly entry: MountedEvent | undefined;
  readonly replyFormat: ReplyFormat;
  /** What the namespace asks for unless the event has its own. */
  readonly scopes: readonly string[];
}

function toCall(packet: readonly unknown[], table: Table | undefined): Call {
  const [first] = packet;
  // The protocol lets through numbers, and packets without any content, where only the acknowledgement is left.
  const name = typeof first === 'string' || typeof first === 'number' ? String(first).slice(0, NAME_MAX) : '';
  const last = packet.at(-1);
  const acknowledge = typeof last === 'function' ? (last as Call['acknowledge']) : undefined;
  const sent = packet.slice(1, acknowledge === undefined ? undefined : -1);
  const unread = sent[0] instanceof UnreadArguments ? sent[0] : undefined;
  const args = unread === undefined ? sent : [];
  const row = table?.events.get(name);
  const replyFormat = row?.replyFormat ?? table?.replyFormat ?? generalReplyFormat;
  return { name, args, unread, acknowledge, entry: row?.entry, replyFormat, scopes: table?.scopes ?? [] };
}

/** Parses large arguments: only of a caller who may send. @throws GatewayError `VALIDATION_ERROR` */
function readArguments(call: Call): void {
  const { unread } = call;
  if (unread === undefined) return;
  call.unread = undefined;
  call.args = unread.read();
}

/** An event's data; none is `{}`. @throws GatewayError for bytes, which a schema would take for an object without fields */
function dataOf([data]: Call['args']): unknown {
  if (ArrayBuffer.isView(data)) throw invalid('', 'must not be binary');
  return data ?? {};
}

/** The events of one namespace, and how those that it does not know are answered. */
interface Table {
  readonly scopes: readonly string[];
  readonly replyFormat: ReplyFormat;
  readonly events: ReadonlyMap<string, { entry: MountedEvent; replyFormat: ReplyFormat }>;
}

/** @throws Error when two integrations use the same name */
function toTable({ name, scopes }: Namespace, mounts: readonly Mount[]): Table {
  const own = mounts.filter(({ namespaces }) => namespaces.includes(name));
  const events = new Map<string, { entry: MountedEvent; replyFormat: ReplyFormat }>();
  for (const { events: mounted, replyFormat = generalReplyFormat } of own) {
    for (const [event, entry] of Object.entries(mounted)) {
      if (events.has(event)) throw new Error(`two handlers for ${event} on ${name}`);
      events.set(event, { entry, replyFormat });
    }
  }
  return { scopes, replyFormat: own[0]?.replyFormat ?? generalReplyFormat, events };
}

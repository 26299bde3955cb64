import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'socket.io';
import type { Clock } from '../platform/clock.js';
import { type WebSocketLike as FrameLimited, websocketOf } from './frame-limit.js';
import { type PausableWebSocket, pauseReading, readSome, resumeReading } from './paused-reading.js';

type Connection = Socket['conn'];

/** A client floods that sends so many useless packets, and as many again within {@link WINDOW_MS}. */
const USELESS_MAX = 500;
const WINDOW_MS = 5000;
/** What is read at once of a websocket that floods. */
const SLICE_BYTES = 2048;
/** Time between two slices of one client. */
const SLICE_MS = 500;
/** Time between two slices of all clients, so that a node spends little on any number of floods. */
const TURN_MS = 25;

const useless = Symbol('useless packets of a client in its present window');
const windowFrom = Symbol('when that window began');
interface Counted {
  [useless]?: number;
  [windowFrom]?: number;
}

/** A websocket of `ws`. */
interface WebSocketLike extends Counted, FrameLimited, PausableWebSocket {
  readonly readyState: number;
  on(event: 'message' | 'ping' | 'pong' | 'close', listener: (this: never) => void): void;
  off(event: 'close', listener: (this: never) => void): void;
  terminate(): void;
}
const OPEN = 1;

/** A connection that polls, or has begun with that. */
type PollingConnection = Counted & Connection;

/** `onDataRequest` is private to Engine.IO; its presence is checked. */
interface PollingTransport {
  [connectionOf]?: PollingConnection;
  [heldBody]?: (() => void) | undefined;
  onDataRequest?(request: IncomingMessage, response: ServerResponse): void;
}
const connectionOf = Symbol('the connection of a transport');
const heldBody = Symbol('takes the body of a request that waits');

type Source = WebSocketLike | PollingConnection;

/** Slows down clients that flood the gateway. */
export interface FloodBrake {
  /** Counts the messages of a new websocket. */
  watch(websocket: object): void;
  /** Counts the packets of a new connection, if it polls. */
  watchPolling(connection: Connection): void;
  /** A packet was useful: an event or a CONNECT within the limits, or an acknowledgement that was asked for. */
  credit(connection: Connection): void;
}

interface Options {
  readonly clock: Clock;
  /** A client floods from now on. */
  onFlood(): void;
}

/**
 * A client can send faster than the gateway can refuse, and without this, one websocket takes a whole core. So the connection of
 * a client that sends many useless packets is read slowly, and the network makes its client wait. Every packet is useless that is
 * not credited: refused events and CONNECTs, heartbeats, acknowledgements that were not asked for, and what has no meaning.
 *
 * A websocket is paused, and read in slices. Of a polling client the requests with packets wait. Nothing is dropped. The answer
 * to a heartbeat is in time behind some 100 KB of useless packets; behind more the client is cut.
 */
export function createFloodBrake({ clock, onFlood }: Options): FloodBrake {
  /** source → when it may be read next, earliest first */
  const slowed = new Map<Source, number>();
  let stopTurns: (() => void) | undefined;

  const slowDown = (source: Source): void => {
    onFlood();
    slowed.set(source, clock.now() + SLICE_MS);
    source.on('close', forget);
    if (isWebSocket(source)) {
      pauseReading(source);
      readSome(source, 0);
    }
    stopTurns ??= clock.every(TURN_MS, takeTurn);
  };
  const speedUp = (source: Source): void => {
    source[windowFrom] = clock.now();
    source.off('close', forget);
    forget.call(source);
    if (isWebSocket(source)) resumeReading(source);
  };
  // Shared by all sources. Attached only while they are slowed down.
  function forget(this: Source): void {
    slowed.delete(this);
    if (!isWebSocket(this)) takeHeldBody(this);
    if (slowed.size > 0) return;
    stopTurns?.();
    stopTurns = undefined;
  }
  const takeTurn = (): void => {
    const [first] = slowed;
    if (first === undefined || first[1] > clock.now()) return;
    const [source] = first;
    // Now the others come first.
    slowed.delete(source);
    slowed.set(source, clock.now() + SLICE_MS);
    if (!(isWebSocket(source) ? floodsOn(source) : takeHeldBody(source))) speedUp(source);
  };

  const count = (source: Source): void => {
    const packets = (source[useless] ?? 0) + 1;
    source[useless] = packets;
    if (packets < USELESS_MAX || slowed.has(source)) return;
    const now = clock.now();
    const isFlood = now - (source[windowFrom] ?? Number.NEGATIVE_INFINITY) < WINDOW_MS;
    source[useless] = 0;
    source[windowFrom] = now;
    if (isFlood) slowDown(source);
  };
  // Shared by all sources, to save closures for each idle one.
  function countPacket(this: Source): void {
    count(this);
  }
  function takeBody(this: PollingTransport, request: IncomingMessage, response: ServerResponse): void {
    const { onDataRequest } = Object.getPrototypeOf(this) as PollingTransport;
    const take = (): void => onDataRequest?.call(this, request, response);
    const connection = this[connectionOf];
    // Of two at once Engine.IO refuses the second one.
    if (connection === undefined || !slowed.has(connection) || takeHeldBody(connection)) take();
    else this[heldBody] = take;
  }

  return {
    watch(websocket: WebSocketLike) {
      for (const event of ['message', 'ping', 'pong'] as const) websocket.on(event, countPacket);
    },
    watchPolling(connection) {
      const transport = pollingOf(connection);
      if (transport.onDataRequest === undefined) return;
      connection.on('packet', countPacket);
      connection.once('upgrade', () => connection.off('packet', countPacket));
      transport[connectionOf] = connection;
      transport.onDataRequest = takeBody;
    },
    credit(connection) {
      const source: Source = websocketOf<WebSocketLike>(connection) ?? connection;
      source[useless] = (source[useless] ?? 0) - 1;
    },
  };
}

const isWebSocket = (source: Source): source is WebSocketLike => 'terminate' in source;

/** Reads a slice. @returns whether that before had useless packets, and the client has sent more */
function floodsOn(websocket: WebSocketLike): boolean {
  // The gateway has closed it, and would read the answer of its client too late.
  if (websocket.readyState !== OPEN) websocket.terminate();
  const isUseless = (websocket[useless] ?? 0) > 0;
  websocket[useless] = 0;
  return readSome(websocket, SLICE_BYTES) && isUseless;
}

const pollingOf = ({ transport }: Connection): PollingTransport => transport as object;

/** @returns whether a request waited */
function takeHeldBody(connection: Connection): boolean {
  const transport = pollingOf(connection);
  const take = transport[heldBody];
  transport[heldBody] = undefined;
  take?.();
  return take !== undefined;
}

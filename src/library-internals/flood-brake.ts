import type { Socket } from 'socket.io';
import type { Clock } from '../platform/time/clock.js';
import { type WebSocketLike as FrameLimited, websocketOf } from './frame-limit.js';
import {
  handleInSlices,
  type PausableWebSocket,
  pauseReading,
  readSome,
  resumeReading,
  SLICE_BYTES,
  type SlicedWebSocket,
} from './paused-reading.js';
import { endBodies, handleBodiesInSlices, handleSome } from './polled-bodies.js';

type Connection = Socket['conn'];

/** A caller floods who sends so many useless packets within {@link WINDOW_MS}, over all connections. */
const USELESS_MAX = 1000;
const WINDOW_MS = 5000;
/** When all callers of a node together have sent so many in a window, those who go on are slowed down, however many they are. */
const NODE_USELESS_MAX = 20_000;
/**
 * Useless packets of a connection that are counted together. A connection that has not sent so many is not slowed down, whatever
 * others send who count as the same caller.
 */
const STEP = 100;
/** Time between two slices of one client. */
const SLICE_MS = 500;
/** Time between two slices of all clients, so that a node spends little on any number of floods. */
const TURN_MS = 25;

const useless = Symbol('useless packets of a connection in its present step');
const senderOf = Symbol('who sends on a connection');
interface Counted {
  [useless]?: number;
  [senderOf]?: unknown;
}

/** A websocket of `ws`. */
interface WebSocketLike extends Counted, FrameLimited, PausableWebSocket {
  readonly readyState: number;
  on(event: Frame | 'close', listener: (this: never) => void): void;
  off(event: 'close', listener: (this: never) => void): void;
  terminate(): void;
}
const OPEN = 1;

const FRAMES = ['message', 'ping', 'pong'] as const;
type Frame = (typeof FRAMES)[number];

/** A connection that polls, or has begun with that. */
type PollingConnection = Counted & Connection;

type Source = WebSocketLike | PollingConnection;

/** Tells a flood from a busy client. */
export interface UsefulPackets {
  /**
   * A packet was useful, or will be: an event or a CONNECT within the limits, the answer to a heartbeat, or an acknowledgement
   * that was asked for.
   */
  credit(connection: Connection): void;
}

/** Slows down callers who flood the gateway. A sender is who sends on a connection, as far as it is known. */
export interface FloodBrake<Sender> extends UsefulPackets {
  /** Counts the messages of a new websocket. */
  watch(websocket: object, sender: Sender): void;
  /** Counts the packets of a new connection, if it polls. */
  watchPolling(connection: Connection, sender: Sender): void;
  /** More is known about who sends on a connection. */
  identify(connection: Connection, sender: Sender): void;
}

/** A connection that is read slowly from now on. */
export interface Flood<Sender> {
  readonly sender: Sender;
  /** As `callerOf` named it. */
  readonly caller: string;
  /** The last packet: a frame of a websocket, or a packet of polling. */
  readonly packet: string;
  /** The first connection of this caller for some seconds. */
  readonly isFirst: boolean;
}

interface Options<Sender> {
  readonly clock: Clock;
  /** By what a sender is counted. */
  callerOf(sender: Sender): string;
  onFlood(flood: Flood<Sender>): void;
}

/**
 * A client can send faster than the gateway can refuse, and without this, one websocket takes a whole core. So the connections of
 * a caller who sends many useless packets are read slowly, and the network makes the client wait. Every packet is useless that is
 * not credited: refused events and CONNECTs, heartbeats and acknowledgements that were not asked for, and what has no meaning.
 *
 * A websocket is paused, and read in slices. A polling client is read some packets at a time. Nothing is dropped. The answer
 * to a heartbeat is in time behind some 100 KB of useless packets; behind more the client is cut.
 */
export function createFloodBrake<Sender>({ clock, callerOf, onFlood }: Options<Sender>): FloodBrake<Sender> {
  /** source → when it may be read next, earliest first */
  const slowed = new Map<Source, number>();
  let stopTurns: (() => void) | undefined;
  /** caller → useless packets in the present window, which is the same for all */
  const counts = new Map<string, number>();
  /** Those of all callers. */
  let nodeCount = 0;
  /** Callers who were slowed down in the present window. */
  const flooders = new Set<string>();
  let windowEndsAt = 0;

  const isSlowed = (connection: Connection): boolean => slowed.has(connection);

  const slowDown = (source: Source): void => {
    slowed.set(source, clock.now() + SLICE_MS);
    source.on('close', forget);
    if (isWebSocket(source)) {
      pauseReading(source);
      // Not while a chunk is handed over: Node.js would not notice that it begins to receive, and would stop forever.
      process.nextTick(readSome, source, 0);
    }
    stopTurns ??= clock.every(TURN_MS, takeTurn);
  };
  const speedUp = (source: Source): void => {
    source.off('close', forget);
    forget.call(source);
    if (isWebSocket(source)) resumeReading(source);
  };
  // Shared by all sources. Attached only while they are slowed down.
  function forget(this: Source): void {
    slowed.delete(this);
    if (!isWebSocket(this)) endBodies(this);
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
    if (!(isWebSocket(source) ? floodsOn(source) : handleSome(source))) speedUp(source);
  };

  /** @returns the useless packets of a caller in the present window, and those of one more step */
  const addStep = (caller: string): number => {
    if (clock.now() >= windowEndsAt) {
      counts.clear();
      nodeCount = 0;
      flooders.clear();
      windowEndsAt = clock.now() + WINDOW_MS;
    }
    const count = (counts.get(caller) ?? 0) + STEP;
    counts.set(caller, count);
    nodeCount += STEP;
    return count;
  };
  const count = (source: Source, packet: string): void => {
    const packets = (source[useless] ?? 0) + 1;
    source[useless] = packets;
    if (packets < STEP || slowed.has(source)) return;
    source[useless] = 0;
    const sender = source[senderOf] as Sender;
    const caller = callerOf(sender);
    const total = addStep(caller);
    if (total < USELESS_MAX && nodeCount <= NODE_USELESS_MAX) return;
    slowDown(source);
    const isFirst = !flooders.has(caller);
    flooders.add(caller);
    onFlood({ sender, caller, packet, isFirst });
  };
  // Shared by all sources, to save closures for each idle one.
  const frameCounters = FRAMES.map((frame) => {
    function countFrame(this: WebSocketLike): void {
      count(this, frame);
    }
    return [frame, countFrame] as const;
  });
  function countPacket(this: PollingConnection, { type }: { readonly type: string }): void {
    count(this, type);
  }

  return {
    watch(websocket: WebSocketLike & SlicedWebSocket, sender) {
      websocket[senderOf] = sender;
      handleInSlices(websocket);
      for (const [frame, countFrame] of frameCounters) websocket.on(frame, countFrame);
    },
    watchPolling(connection: PollingConnection, sender) {
      connection[senderOf] = sender;
      connection.on('packet', countPacket);
      connection.once('upgrade', () => {
        connection.off('packet', countPacket);
        sourceOf(connection)[senderOf] = connection[senderOf];
      });
      handleBodiesInSlices(connection, isSlowed);
    },
    identify(connection, sender) {
      sourceOf(connection)[senderOf] = sender;
    },
    credit(connection) {
      const source = sourceOf(connection);
      source[useless] = (source[useless] ?? 0) - 1;
    },
  };
}

const sourceOf = (connection: Connection): Source => websocketOf<WebSocketLike>(connection) ?? connection;

const isWebSocket = (source: Source): source is WebSocketLike => 'terminate' in source;

/** Reads a slice. @returns whether that before had useless packets, and the client has sent more */
function floodsOn(websocket: WebSocketLike): boolean {
  // The gateway has closed it, and would read the answer of its client too late.
  if (websocket.readyState !== OPEN) websocket.terminate();
  const isUseless = (websocket[useless] ?? 0) > 0;
  websocket[useless] = 0;
  return readSome(websocket, SLICE_BYTES) && isUseless;
}

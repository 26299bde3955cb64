import type { Socket } from 'socket.io';
import type { Clock } from '../platform/time/clock.js';
import { type WebSocketLike as FrameLimited, setFrameLimit, websocketOf } from './frame-limit.js';
import { closeGoingAway } from './going-away.js';
import { type PausableWebSocket, pauseReading, resumeReading } from './paused-reading.js';

type Connection = Socket['conn'];

/** The used parts of a socket. */
type ConnectedSocket = Pick<Socket, 'conn'>;

interface WebSocketLike extends FrameLimited, PausableWebSocket {
  terminate(): void;
}

/** Grace time of a slow sender: a short network interruption must not end it. */
const WINDOW_MS = 5000;
/** Minimum bytes in each window while others wait. */
const WINDOW_BYTES = 64 * 1024 * (WINDOW_MS / 1000);
/** How long a refused client has to read the reason. */
const FAREWELL_MS = 1000;

const admitted = Symbol('socket that may send large frames');
type Admitted<S> = Connection & { [admitted]?: S | undefined };

/** Allows single sockets to send large frames. */
export interface LargeFrames<S> {
  /** Allows the connection of the socket to send them. */
  admit(socket: S): void;
  /** Ends that. To be called on close too. */
  dismiss(socket: S): void;
}

interface Options<S> {
  /** Whether a text packet declares exactly one large attachment. */
  announces(packet: string): boolean;
  generalBytes: number;
  maxBytes: number;
  /** Connections that are read from concurrently: in total, and of one owner. */
  atOnce: number;
  atOnceOfOne: number;
  ownerOf(socket: S): string;
  /** Notifies a client that it was too slow while others waited. Its connection is closed then. */
  refuse(socket: S): void;
  clock: Clock;
}

/** An expected large frame. */
interface Arrival<S> {
  readonly socket: S;
  readonly websocket: WebSocketLike;
  readonly owner: string;
  /** Bytes received when the window began. */
  bytes: number;
  isSlow: boolean;
  /** It was refused, and its connection is about to close. */
  isLeaving: boolean;
  stop(): void;
}

/**
 * Socket.IO has one frame limit for all connections, which would have to be that of the largest file: also for clients of
 * other namespaces, for unauthenticated ones, and for ten attachments of each packet.
 *
 * A binary event is a text packet that declares its attachments, followed by one frame for each. So the limit of a connection
 * is raised after a packet that declares a large attachment, and lowered after the attachment. In between, at most `atOnce`
 * connections are read from, at most `atOnceOfOne` of one owner; the others are paused. A slow sender keeps its place until
 * another connection waits for it. Waiting and sending are limited in time, because a client that takes too long misses a
 * heartbeat. Polling has the general limit.
 */
export function createLargeFrames<S extends ConnectedSocket>(options: Options<S>): LargeFrames<S> {
  const { announces, generalBytes, maxBytes, atOnce, atOnceOfOne, ownerOf, refuse, clock } = options;
  const receiving = new Map<Connection, Arrival<S>>();
  const waiting = new Map<Connection, Arrival<S>>();

  const mayReceive = ({ owner }: Arrival<S>): boolean => {
    const own = [...receiving.values()].filter((arrival) => arrival.owner === owner);
    return own.length < atOnceOfOne;
  };

  const receive = (connection: Connection, arrival: Arrival<S>): void => {
    arrival.bytes = bytesOf(arrival);
    arrival.stop = clock.every(WINDOW_MS, () => measure(arrival));
    receiving.set(connection, arrival);
  };

  const measure = (arrival: Arrival<S>): void => {
    const bytes = bytesOf(arrival);
    arrival.isSlow = bytes - arrival.bytes < WINDOW_BYTES;
    arrival.bytes = bytes;
    if (arrival.isSlow) yieldPlace();
  };

  /** Ends the slow sender with the oldest place, if another connection waits. */
  const yieldPlace = (): void => {
    const staying = [...receiving.values()].filter(({ isLeaving }) => !isLeaving);
    if (staying.length < atOnce || ![...waiting.values()].some(mayReceive)) return;
    const slow = staying.find(({ isSlow }) => isSlow);
    if (slow !== undefined) turnAway(slow);
  };

  /** Frees the place, and drops the received part of the frame, when the connection closes. */
  const turnAway = (arrival: Arrival<S>): void => {
    const { socket, websocket } = arrival;
    arrival.isLeaving = true;
    arrival.stop();
    pauseReading(websocket);
    refuse(socket);
    closeGoingAway(socket.conn);
    // An orderly close would have to wait for the rest of the frame.
    clock.after(FAREWELL_MS, () => websocket.terminate());
  };

  const begin = (connection: Admitted<S>): void => {
    const websocket = websocketOf<WebSocketLike>(connection);
    const socket = connection[admitted];
    if (websocket === undefined || socket === undefined || receiving.has(connection)) return;
    setFrameLimit(websocket, maxBytes);
    const arrival = toArrival(socket, websocket, ownerOf(socket));
    if (receiving.size < atOnce && mayReceive(arrival)) {
      receive(connection, arrival);
    } else {
      waiting.set(connection, arrival);
      pauseReading(websocket);
      yieldPlace();
    }
  };

  const end = (connection: Connection): void => {
    const arrival = receiving.get(connection) ?? waiting.get(connection);
    if (arrival === undefined) return;
    arrival.stop();
    receiving.delete(connection);
    setFrameLimit(arrival.websocket, generalBytes);
    // The attachment arrived together with its packet.
    if (waiting.delete(connection)) resumeReading(arrival.websocket);
    for (const [next, waitingArrival] of waiting) {
      if (receiving.size >= atOnce) return;
      if (!mayReceive(waitingArrival)) continue;
      waiting.delete(next);
      receive(next, waitingArrival);
      resumeReading(waitingArrival.websocket);
    }
  };

  // Shared by all connections, to save a closure for each idle one.
  function look(this: Connection, packet: unknown): void {
    if (typeof packet !== 'string') end(this);
    else if (announces(packet)) begin(this);
  }

  return {
    admit(socket) {
      const connection: Admitted<S> = socket.conn;
      connection[admitted] = socket;
      connection.off('data', look);
      connection.on('data', look);
    },
    dismiss({ conn }) {
      (conn as Admitted<S>)[admitted] = undefined;
      conn.off('data', look);
      end(conn);
    },
  };
}

const toArrival = <S>(socket: S, websocket: WebSocketLike, owner: string): Arrival<S> => ({
  socket,
  websocket,
  owner,
  bytes: 0,
  isSlow: false,
  isLeaving: false,
  stop: () => undefined,
});

const bytesOf = ({ websocket }: Pick<Arrival<unknown>, 'websocket'>): number => websocket._socket?.bytesRead ?? 0;

import type { Socket } from 'socket.io';
import type { Clock } from '../platform/clock.js';
import { type WebSocketLike as FrameLimited, setFrameLimit, websocketOf } from './frame-limit.js';

type Connection = Socket['conn'];

/** The part of a socket that this file uses. */
type ConnectedSocket = Pick<Socket, 'conn'>;

/** `_socket` is private to `ws`, and looked for before it is used. */
interface WebSocketLike extends FrameLimited {
  readonly _socket?: { readonly bytesRead: number };
  pause(): void;
  resume(): void;
  terminate(): void;
}

/** How long one that is too slow may go on before it is looked at: a short gap of a network is no reason to end it. */
const WINDOW_MS = 5000;
/** Bytes that have to come in each window, when others wait. */
const WINDOW_BYTES = 64 * 1024 * (WINDOW_MS / 1000);
/** How long a client that is turned away gets to read why. */
const FAREWELL_MS = 1000;

const admitted = Symbol('socket that may send large frames');
type Admitted<S> = Connection & { [admitted]?: S | undefined };

/** Lets some sockets send some frames that are larger than those of others. */
export interface LargeFrames<S> {
  /** From now on the connection of the socket may send them. */
  admit(socket: S): void;
  /** No longer; also when it is closed. */
  dismiss(socket: S): void;
}

interface Options<S> {
  /** Whether a packet of text announces one large attachment, and no more. */
  announces(packet: string): boolean;
  generalBytes: number;
  maxBytes: number;
  /** Connections that are read from at once: in total, and of one owner. */
  atOnce: number;
  atOnceOfOne: number;
  ownerOf(socket: S): string;
  /** Tells a client that it was too slow while others waited; its connection is closed then. */
  refuse(socket: S): void;
  clock: Clock;
}

/** A large frame that is to come. */
interface Arrival<S> {
  readonly socket: S;
  readonly websocket: WebSocketLike;
  readonly owner: string;
  /** What had come when the window began. */
  bytes: number;
  isSlow: boolean;
  /** It was turned away, and its connection is about to close. */
  isLeaving: boolean;
  stop(): void;
}

/**
 * Socket.IO has one limit for the frames of all connections, which would have to be that of the largest file: for clients of
 * every namespace, for those that have not said who they are, and for ten attachments of each packet.
 *
 * A binary event comes as a packet of text that announces its attachments, and then these, each a frame. So the limit of a
 * connection is raised between the one and the other, for a packet that is meant to have large ones, and lowered behind it.
 * No more than `atOnce` connections are read from in between, of one owner no more than `atOnceOfOne`; the others wait, and
 * their senders with them. A slow sender keeps its place until another connection waits for it. Waiting and sending are
 * bounded in time, because a client that takes too long misses a heartbeat. Polling has the general limit.
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

  /** Ends the slow sender that has had its place for longest, if another connection waits for a place. */
  const yieldPlace = (): void => {
    const staying = [...receiving.values()].filter(({ isLeaving }) => !isLeaving);
    if (staying.length < atOnce || ![...waiting.values()].some(mayReceive)) return;
    const slow = staying.find(({ isSlow }) => isSlow);
    if (slow !== undefined) turnAway(slow);
  };

  /** Its place is free, and what has come of the frame forgotten, when the connection is closed. */
  const turnAway = (arrival: Arrival<S>): void => {
    const { socket, websocket } = arrival;
    arrival.isLeaving = true;
    arrival.stop();
    websocket.pause();
    refuse(socket);
    socket.conn.close();
    // What would end the connection in good order comes behind the rest of the frame.
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
      websocket.pause();
      yieldPlace();
    }
  };

  const end = (connection: Connection): void => {
    const arrival = receiving.get(connection) ?? waiting.get(connection);
    if (arrival === undefined) return;
    arrival.stop();
    receiving.delete(connection);
    setFrameLimit(arrival.websocket, generalBytes);
    // All of it had arrived together with its announcement.
    if (waiting.delete(connection)) arrival.websocket.resume();
    for (const [next, waitingArrival] of waiting) {
      if (receiving.size >= atOnce) return;
      if (!mayReceive(waitingArrival)) continue;
      waiting.delete(next);
      receive(next, waitingArrival);
      waitingArrival.websocket.resume();
    }
  };

  // One function for all connections, so that an idle one costs no closure.
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
  ...{ socket, websocket, owner },
  ...{ bytes: 0, isSlow: false, isLeaving: false },
  stop: () => undefined,
});

const bytesOf = ({ websocket }: Pick<Arrival<unknown>, 'websocket'>): number => websocket._socket?.bytesRead ?? 0;

import type { Namespace } from 'socket.io';
import { createLargeWrites } from './large-writes.js';

/** The first byte of a text message in one frame. */
const FINAL_TEXT = 0x81;
/** Engine.IO's types of packets. */
const PING = '2';
const MESSAGE = '4';

/** The websocket frame of a text message, unmasked, in one buffer. */
export function toTextFrame(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const headBytes = bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + bytes);
  frame[0] = FINAL_TEXT;
  if (headBytes === 2) frame[1] = bytes;
  else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(bytes, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(bytes, 6);
  }
  frame.write(text, headBytes, 'utf8');
  return frame;
}

/** Created by the adapter once for all receivers of a broadcast; without a frame for binary payloads. */
interface BroadcastOptions {
  wsPreEncodedFrame?: Buffer[];
}

/** Private. If it is renamed, broadcasts are slower. */
interface Encoding {
  readonly encoder?: { encode(packet: unknown): unknown[] };
  _encode?(packet: unknown, options: BroadcastOptions): unknown;
}

/**
 * Encodes the websocket frame of a broadcast as one buffer. Socket.IO encodes it once for all receivers, but as two buffers, head
 * and payload, so each receiver costs two writes.
 */
export function joinBroadcastFrames({ adapter }: Pick<Namespace, 'adapter'>): void {
  const encoding = adapter as unknown as Encoding;
  const { encoder } = encoding;
  if (encoder === undefined || encoding._encode === undefined) return;
  encoding._encode = (packet, options) => {
    const encoded = encoder.encode(packet);
    const [text] = encoded;
    if (encoded.length === 1 && typeof text === 'string') options.wsPreEncodedFrame = [toTextFrame(MESSAGE + text)];
    return encoded;
  };
}

/** A packet that waits in the queue of Engine.IO. */
interface QueuedPacket {
  readonly type: string;
  readonly data?: unknown;
  readonly options?: BroadcastOptions;
}

/** Private to `ws` and Engine.IO. If a part is renamed, packets go the long way. */
interface Transport {
  readonly name: string;
  writable: boolean;
  readonly opts?: { readonly perMessageDeflate?: unknown };
  readonly socket?: {
    readonly readyState: number;
    readonly _socket?: { write(data: Buffer, sent?: (error?: Error) => void): void };
  };
  /** Ends the write that made the transport not writable. */
  readonly _onSentLast?: (error?: Error) => void;
  send(packets: readonly QueuedPacket[]): void;
}

/** The used parts of an Engine.IO connection. */
interface Connection {
  readonly readyState: string;
  readonly transport: Transport;
  readonly writeBuffer: readonly QueuedPacket[];
  write(data: unknown, options?: BroadcastOptions, sent?: () => void): unknown;
  sendPacket(type: string, ...content: unknown[]): void;
  flush(): void;
  once(event: 'upgrade', listener: (transport: Transport) => void): void;
}

const OPEN = 1;
/** The same bytes for all connections. */
const PING_FRAME = toTextFrame(PING);
const derived = new WeakMap<object, object>();

/** Connections whose packets wait for the end of {@link joinWrites}; absent: none waits. */
let held: Set<Connection> | undefined;

/** What `work` sends to a client in its synchronous part is one write. */
export function joinWrites<T>(work: () => T): T {
  if (held !== undefined) return work();
  const connections = new Set<Connection>();
  held = connections;
  try {
    return work();
  } finally {
    held = undefined;
    flushAll(connections);
  }
}

/** @throws the first error, after all have been flushed, or wait for their turn */
function flushAll(connections: Iterable<Connection>): void {
  const errors: unknown[] = [];
  for (const connection of connections) {
    try {
      if (largeWrites.mayWrite(connection, sizeOf(connection.writeBuffer))) flushNow(connection);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

function flushNow(connection: Connection): void {
  connection.transport.writable = true;
  connection.flush();
}

/** In characters, of texts. */
function sizeOf(packets: readonly QueuedPacket[]): number {
  let size = 0;
  for (const { data } of packets) if (typeof data === 'string') size += data.length;
  return size;
}

const largeWrites = createLargeWrites(flushNow);

/**
 * Lets a connection write packets straight to the socket of its websocket, each in one buffer: one that finds nothing waiting at
 * once, and all that wait together. Engine.IO and `ws` pass a packet through two queues, four events and two buffers, and write
 * each of those that wait by itself.
 */
export function writeDirectly(connection: object): void {
  const own = connection as Connection;
  if (typeof own.write !== 'function' || typeof own.flush !== 'function') return;
  derive(own, toDirectConnection);
  if (own.transport.name === 'websocket') derive(own.transport, toDirectTransport);
  else own.once('upgrade', deriveTransport);
}

const deriveTransport = (transport: Transport): void => derive(transport, toDirectTransport);

/** Replaces the prototype of an object by one that inherits from it, the same for all objects that have it. */
function derive<T extends object>(object: T, toDerived: (prototype: T) => object): void {
  const prototype = Object.getPrototypeOf(object) as T;
  const own = derived.get(prototype) ?? toDerived(prototype);
  derived.set(prototype, own);
  Object.setPrototypeOf(object, own);
}

function toDirectConnection(prototype: Connection): object {
  const { write, sendPacket } = prototype;
  return Object.create(prototype, {
    write: {
      value(this: Connection, data: unknown, options?: BroadcastOptions, sent?: () => void): unknown {
        if (typeof data !== 'string' || sent !== undefined) return write.call(this, data, options, sent);
        largeWrites.endWait(this, data.length);
        const { transport } = this;
        const socket = idleSocketOf(this);
        if (socket === undefined) return write.call(this, data, options);
        transport.writable = false;
        if (held === undefined && largeWrites.mayWrite(this, data.length)) {
          socket.write(toFrame(data, options), transport._onSentLast);
          return this;
        }
        // As it is not writable, the packet waits.
        held?.add(this);
        return write.call(this, data, options);
      },
    },
    sendPacket: {
      value(this: Connection, type: string, ...content: unknown[]): void {
        const { transport } = this;
        const socket = type === 'ping' && held === undefined ? idleSocketOf(this) : undefined;
        if (socket === undefined) {
          sendPacket.call(this, type, ...content);
          return;
        }
        transport.writable = false;
        socket.write(PING_FRAME, transport._onSentLast);
      },
    },
  }) as object;
}

function toDirectTransport(prototype: Transport): object {
  const { send } = prototype;
  return Object.create(prototype, {
    send: {
      value(this: Transport, packets: readonly QueuedPacket[]): void {
        const socket = packets.every(isText) ? plainSocketOf(this) : undefined;
        if (socket === undefined) {
          send.call(this, packets);
          return;
        }
        this.writable = false;
        // One buffer: the system takes at most 1024 at once, and the rest would wait while more is read from the client.
        const frames = packets.map(({ data, options }) => toFrame(data as string, options));
        const [first] = frames;
        // That of a broadcast is shared by its receivers.
        const isAlone = frames.length === 1 && first !== undefined;
        socket.write(isAlone ? first : Buffer.concat(frames), this._onSentLast);
      },
    },
  }) as object;
}

const isText = ({ type, data }: QueuedPacket): boolean => type === 'message' && typeof data === 'string';

function toFrame(data: string, options?: BroadcastOptions): Buffer {
  const [frame, ...rest] = options?.wsPreEncodedFrame ?? [];
  // In two parts where `joinBroadcastFrames` was not applied.
  return frame !== undefined && rest.length === 0 ? frame : toTextFrame(MESSAGE + data);
}

/** Where a packet can be written to at once; `undefined`: it goes the long way. */
function idleSocketOf({ transport, writeBuffer, readyState }: Connection) {
  const isIdle = transport.writable && writeBuffer.length === 0 && readyState === 'open';
  return isIdle ? plainSocketOf(transport) : undefined;
}

/** Where frames of a transport can be written to; `undefined`: they go the long way. */
function plainSocketOf({ name, opts, socket, _onSentLast }: Transport) {
  const isPlain = name === 'websocket' && !opts?.perMessageDeflate && socket?.readyState === OPEN;
  return isPlain && _onSentLast !== undefined ? socket._socket : undefined;
}

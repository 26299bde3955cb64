import type { Namespace } from 'socket.io';

/** The first byte of a text message in one frame. */
const FINAL_TEXT = 0x81;
/** Engine.IO's type of a message. */
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

/** Private to `ws` and Engine.IO. If a part is renamed, packets go the long way. */
interface Transport {
  readonly name: string;
  writable: boolean;
  readonly opts?: { readonly perMessageDeflate?: unknown };
  readonly socket?: {
    readonly readyState: number;
    readonly _socket?: { write(data: Buffer, sent: (error?: Error) => void): void };
  };
  /** Ends the write that made the transport not writable. */
  readonly _onSentLast?: (error?: Error) => void;
}

/** The used parts of an Engine.IO connection. */
interface Connection {
  readonly readyState: string;
  readonly transport: Transport;
  readonly writeBuffer: readonly unknown[];
  write(data: unknown, options?: BroadcastOptions, sent?: () => void): unknown;
}

const OPEN = 1;
const direct = new WeakMap<object, object>();

/**
 * Lets a connection write a packet straight to the socket of its websocket, in one buffer, when nothing waits before it. Engine.IO
 * and `ws` pass a packet through two queues, four events and two buffers.
 */
export function writeDirectly(connection: object): void {
  const prototype = Object.getPrototypeOf(connection) as Connection;
  if (typeof prototype.write !== 'function') return;
  const own = direct.get(prototype) ?? toDirect(prototype);
  direct.set(prototype, own);
  Object.setPrototypeOf(connection, own);
}

function toDirect(prototype: Connection): object {
  const { write } = prototype;
  return Object.create(prototype, {
    write: {
      value(this: Connection, data: unknown, options?: BroadcastOptions, sent?: () => void): unknown {
        const { transport, readyState, writeBuffer } = this;
        const { socket, _onSentLast: onSent } = transport;
        const isIdle = transport.writable && writeBuffer.length === 0 && readyState === 'open' && sent === undefined;
        const isPlain =
          transport.name === 'websocket' && !transport.opts?.perMessageDeflate && socket?.readyState === OPEN;
        if (!isIdle || !isPlain || typeof data !== 'string' || onSent === undefined || socket._socket === undefined) {
          return write.call(this, data, options, sent);
        }
        transport.writable = false;
        socket._socket.write(options?.wsPreEncodedFrame?.[0] ?? toTextFrame(MESSAGE + data), onSent);
        return this;
      },
    },
  }) as object;
}

import type { Namespace } from 'socket.io';
import type { WebSocket } from 'ws';

/** A frame of a websocket as `ws` has it: in one piece, or head and payload. */
type Frame = readonly (Buffer | string)[];

/** Larger payloads are not copied. */
const JOINED_MAX_BYTES = 16_384;
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

/** Private to `ws`. If it is renamed, messages to single sockets are slower. */
interface Sender {
  readonly _socket: { write(data: Buffer, sent?: (error?: Error) => void): void };
  sendFrame(frame: Frame, sent?: (error?: Error) => void): void;
}

const joining = new WeakMap<object, object>();

/**
 * Lets a websocket write the head and the payload of a small frame as one buffer. Two buffers cost a cork, two writes and a
 * `writev`.
 */
export function joinFrames(websocket: WebSocket): void {
  const { _sender: sender } = websocket as unknown as { _sender?: Sender };
  if (typeof sender?.sendFrame !== 'function') return;
  const prototype = Object.getPrototypeOf(sender) as Sender;
  const joined = joining.get(prototype) ?? toJoining(prototype);
  joining.set(prototype, joined);
  Object.setPrototypeOf(sender, joined);
}

function toJoining(prototype: Sender): object {
  const { sendFrame } = prototype;
  return Object.create(prototype, {
    sendFrame: {
      value(this: Sender, frame: Frame, sent?: (error?: Error) => void): void {
        const [head, payload] = frame;
        const isShort = payload !== undefined && payload.length <= JOINED_MAX_BYTES && Buffer.isBuffer(head);
        if (isShort) this._socket.write(join(head, payload), sent);
        else sendFrame.call(this, frame, sent);
      },
    },
  }) as object;
}

function join(head: Buffer, payload: Buffer | string): Buffer {
  if (Buffer.isBuffer(payload)) return Buffer.concat([head, payload]);
  const joined = Buffer.allocUnsafe(head.length + Buffer.byteLength(payload));
  joined.set(head);
  joined.write(payload, head.length, 'utf8');
  return joined;
}

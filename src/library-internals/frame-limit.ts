import type { Socket } from 'socket.io';
import { isGated } from './packet-decoder.js';

type Connection = Socket['conn'];

/** Private parts of `ws`. Their presence is checked; without them the general limit applies. */
export interface WebSocketLike {
  readonly _receiver?: Limited & { readonly _extensions?: Readonly<Record<string, Limited | undefined>> };
}

interface Limited {
  _maxPayload?: unknown;
}

/** Sets the maximum message size of one websocket in bytes, which also applies after decompression. */
export function setFrameLimit({ _receiver }: WebSocketLike, bytes: number): void {
  for (const limited of [_receiver, _receiver?._extensions?.['permessage-deflate']]) {
    if (typeof limited?._maxPayload === 'number') limited._maxPayload = bytes;
  }
}

/** The websocket of a connection; `undefined` for polling. */
export function websocketOf<Socket extends WebSocketLike>({ transport }: Connection): Socket | undefined {
  if (transport.name !== 'websocket') return undefined;
  return (transport as unknown as { socket?: Socket }).socket;
}

/** Limits unauthenticated clients to small frames. */
export interface FrameGate {
  /** To be called with each new websocket, before anything of it is read. */
  guard(websocket: object): void;
  /** Raises the limit. To be called when the client of a socket is authenticated. */
  open(socket: Pick<Socket, 'conn' | 'client'>): void;
}

interface Limits {
  /** Maximum frame size of an unauthenticated client in bytes. */
  openMaxBytes: number;
  generalMaxBytes: number;
}

/**
 * `ws` allocates memory for a frame while it arrives. The packet decoder enforces the same limit, also for polling.
 */
export function createFrameGate({ openMaxBytes, generalMaxBytes }: Limits): FrameGate {
  const opened = new WeakSet<object>();
  const lift = (connection: Connection): void => {
    const websocket = websocketOf<WebSocketLike>(connection);
    if (websocket === undefined) connection.once('upgrade', () => lift(connection));
    else setFrameLimit(websocket, generalMaxBytes);
  };
  return {
    guard: (websocket) => setFrameLimit(websocket as WebSocketLike, openMaxBytes),
    open({ client, conn }) {
      if (opened.has(conn)) return;
      opened.add(conn);
      lift(conn);
      const { decoder } = client as unknown as { decoder?: object };
      if (decoder !== undefined && isGated(decoder)) decoder.openGate();
    },
  };
}

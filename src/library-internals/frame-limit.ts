import type { Socket } from 'socket.io';
import { isGated } from './packet-decoder.js';

type Connection = Socket['conn'];

/** What is private to `ws`. Each part is looked for before it is touched; without it the general limit stays. */
export interface WebSocketLike {
  readonly _receiver?: Limited & { readonly _extensions?: Readonly<Record<string, Limited | undefined>> };
}

interface Limited {
  _maxPayload?: unknown;
}

/** Sets the largest message of one websocket in bytes, which also bounds what a compressed one unfolds to. */
export function setFrameLimit({ _receiver }: WebSocketLike, bytes: number): void {
  for (const limited of [_receiver, _receiver?._extensions?.['permessage-deflate']]) {
    if (typeof limited?._maxPayload === 'number') limited._maxPayload = bytes;
  }
}

/** The websocket of a connection; `undefined` for one that polls. */
export function websocketOf<Socket extends WebSocketLike>({ transport }: Connection): Socket | undefined {
  if (transport.name !== 'websocket') return undefined;
  return (transport as unknown as { socket?: Socket }).socket;
}

/** Takes small frames alone from clients who have shown no token. */
export interface FrameGate {
  /** To be called with each new websocket, before anything of it is read. */
  guard(websocket: object): void;
  /** To be called when the client of a socket has shown a token: from now on frames may be as large as any. */
  open(socket: Pick<Socket, 'conn' | 'client'>): void;
}

interface Limits {
  /** The largest frame without a token, in bytes. */
  openMaxBytes: number;
  generalMaxBytes: number;
}

/**
 * Memory for a frame is taken while it arrives. The parser holds to the same limit by itself, also for what is polled.
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

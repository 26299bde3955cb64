import type { Socket } from 'socket.io';
import { isGated } from './packet-decoder.js';

type Connection = Socket['conn'];

/** Private parts of `ws`. Their presence is checked; without them the general limit applies. */
export interface WebSocketLike {
  readonly _receiver?: Limited & { readonly _extensions?: Readonly<Record<string, Limited | undefined>> };
}

/** A websocket of a client that has not authenticated yet. */
interface GuardedWebSocket extends WebSocketLike {
  readonly _receiver?: WebSocketLike['_receiver'] & GuardedReceiver;
  close(code: number, reason: string): void;
}

interface GuardedReceiver {
  [refuseLarge]?: ((error: { readonly code?: string }) => void) | undefined;
  prependListener(event: 'error', listener: (error: { readonly code?: string }) => void): void;
  off(event: 'error', listener: (error: { readonly code?: string }) => void): void;
}
const refuseLarge = Symbol('tells a client that its frame is too large');

/** Code of `ws` for a frame above the limit. */
const TOO_LARGE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
/** Close code for a message that is too big. */
const TOO_BIG = 1009;

/** A CONNECT of Socket.IO, and its namespace with a comma, if any. */
const CONNECT_HEAD = /^0((?:\/[^,{]*,)?)/;
/** The type of the packet that refuses it. */
const CONNECT_ERROR = 4;

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
  /** To be called with each new websocket, before anything of it is read. @param onTooLarge the client sent a larger frame */
  guard(websocket: object, onTooLarge: () => void): void;
  /** The same for a new connection that polls. @param refusal answers a CONNECT that is too large */
  guardPolling(connection: Connection, refusal: object, onTooLarge: () => void): void;
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
    const websocket = websocketOf<GuardedWebSocket>(connection);
    if (websocket === undefined) connection.once('upgrade', () => lift(connection));
    else {
      setFrameLimit(websocket, generalMaxBytes);
      endRefusal(websocket);
    }
  };
  return {
    guard(websocket: GuardedWebSocket, onTooLarge) {
      setFrameLimit(websocket, openMaxBytes);
      refuseWith(websocket, { reason: `larger than the ${openMaxBytes} bytes of SOCKET_OPEN_MAX`, onTooLarge });
    },
    guardPolling(connection, refusal, onTooLarge) {
      const look = ({ data }: { readonly data?: unknown }): void => {
        if (typeof data !== 'string' || data.length <= openMaxBytes || opened.has(connection)) return;
        connection.off('packet', look);
        onTooLarge();
        // The decoder refuses the packet, whereupon Socket.IO closes the connection when this has been sent.
        const [, namespace] = CONNECT_HEAD.exec(data) ?? [];
        if (namespace !== undefined) connection.write(`${CONNECT_ERROR}${namespace}${JSON.stringify(refusal)}`);
      };
      connection.on('packet', look);
      connection.once('upgrade', () => connection.off('packet', look));
    },
    open({ client, conn }) {
      if (opened.has(conn)) return;
      opened.add(conn);
      lift(conn);
      const { decoder } = client as unknown as { decoder?: object };
      if (decoder !== undefined && isGated(decoder)) decoder.openGate();
    },
  };
}

/** The frame is not read, so there is no CONNECT to answer. `ws` would close the connection without a reason. */
function refuseWith(
  websocket: GuardedWebSocket,
  { reason, onTooLarge }: { reason: string; onTooLarge: () => void },
): void {
  const { _receiver: receiver } = websocket;
  if (receiver === undefined) return;
  const refuse = ({ code }: { readonly code?: string }): void => {
    if (code !== TOO_LARGE) return;
    onTooLarge();
    websocket.close(TOO_BIG, reason);
  };
  receiver[refuseLarge] = refuse;
  receiver.prependListener('error', refuse);
}

function endRefusal({ _receiver: receiver }: GuardedWebSocket): void {
  const refuse = receiver?.[refuseLarge];
  if (receiver === undefined || refuse === undefined) return;
  receiver.off('error', refuse);
  receiver[refuseLarge] = undefined;
}

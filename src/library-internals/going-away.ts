import { WebSocket } from 'ws';

interface Owner {
  readonly readyState: string;
}

interface Connection {
  /** Only that of a websocket has a socket. */
  readonly transport: object;
  close(discard?: boolean): void;
}

/** Close code of an endpoint that goes away, such as a server that stops (RFC 6455). */
const GOING_AWAY = 1001;

const isGoingAway = Symbol('its client shall come back');
const ownerOf = Symbol('the connection of a websocket');

/** The used part of a websocket. */
export interface Owned {
  [ownerOf]?: object;
}

/**
 * A websocket that says by its close code whether its client shall come back. Engine.IO closes websockets without a code, which
 * WebSocket++ takes for a normal end: the C++ client would stay away. An end that the gateway wants, such as that of a user who is
 * blocked, has no code. One that Engine.IO has found, as when the device of a client slept and missed a heartbeat, has one: such a
 * connection is closed before its websocket is.
 */
export class ReturningWebSocket extends WebSocket implements Owned {
  declare [ownerOf]?: Owner;
  declare [isGoingAway]?: boolean;

  override close(code?: number, reason?: string | Buffer): void {
    const isLost = this[ownerOf]?.readyState === 'closed';
    super.close(code ?? (isLost || this[isGoingAway] === true ? GOING_AWAY : undefined), reason);
  }
}

/** Tells a websocket its connection, and {@link connectionOf} whose it is. */
export function setConnection(websocket: Owned, connection: object): void {
  websocket[ownerOf] = connection;
}

/** The connection of a websocket; `undefined` while a polling client changes to it. */
export const connectionOf = (websocket: Owned): object | undefined => websocket[ownerOf];

/**
 * Closes a connection whose client shall come back.
 *
 * @param discard what is still to be written
 */
export function closeGoingAway(connection: Connection, discard?: boolean): void {
  const { socket } = connection.transport as { readonly socket?: { [isGoingAway]?: boolean } };
  if (socket !== undefined) socket[isGoingAway] = true;
  connection.close(discard);
}

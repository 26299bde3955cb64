import { WebSocket } from 'ws';

interface Connection {
  readonly readyState: string;
  readonly transport: object;
  [isGoingAway]?: boolean;
  close(discard?: boolean): void;
}

/** Private parts of a transport of Engine.IO. */
interface PollingTransport {
  doClose?: (done: () => void) => void;
  /** Answers the poll that waits. */
  onClose(): void;
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
 * Whether the client of a connection that ends shall come back. It shall not when the gateway wants the end, such as that of a user
 * who is blocked. A connection that Engine.IO has lost, as when the device of a client slept and missed a heartbeat, is closed
 * before its transport is.
 */
const shallReturn = ({ readyState, [isGoingAway]: isMarked }: Connection): boolean =>
  readyState === 'closed' || isMarked === true;

/**
 * A websocket that says by its close code whether its client shall come back. Engine.IO closes websockets without a code, which
 * WebSocket++ takes for a normal end: the C++ client would stay away.
 */
export class ReturningWebSocket extends WebSocket implements Owned {
  declare [ownerOf]?: Connection;

  override close(code?: number, reason?: string | Buffer): void {
    const owner = this[ownerOf];
    super.close(code ?? (owner !== undefined && shallReturn(owner) ? GOING_AWAY : undefined), reason);
  }
}

/** Tells a websocket its connection, and {@link connectionOf} whose it is. */
export function setConnection(websocket: Owned, connection: object): void {
  websocket[ownerOf] = connection;
}

/** The connection of a websocket; `undefined` while a polling client changes to it. */
export const connectionOf = (websocket: Owned): object | undefined => websocket[ownerOf];

/**
 * Lets a polling client come back. Engine.IO ends a session with a packet that the Python client takes for a wish of the server that
 * it stays away. Without that packet the next poll finds no session, and every client connects again.
 */
export function letPollingReturn(connection: Connection): void {
  const transport = connection.transport as PollingTransport;
  const doClose = transport.doClose?.bind(transport);
  if (doClose === undefined) return;
  transport.doClose = (done) => {
    if (!shallReturn(connection)) {
      doClose(done);
      return;
    }
    done();
    transport.onClose();
  };
}

/**
 * Closes a connection whose client shall come back.
 *
 * @param discard what is still to be written
 */
export function closeGoingAway(connection: Connection, discard?: boolean): void {
  connection[isGoingAway] = true;
  connection.close(discard);
}

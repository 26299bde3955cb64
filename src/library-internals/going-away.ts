/** The used part of a websocket. */
interface Closable {
  close(code?: number): void;
}

interface Connection {
  /** Only that of a websocket has a socket. */
  readonly transport: object;
  close(discard?: boolean): void;
}

/** Close code of an endpoint that goes away, such as a server that stops (RFC 6455). */
const GOING_AWAY = 1001;

/**
 * Closes a connection whose client shall come back. Engine.IO closes websockets without a code, which WebSocket++ takes for a
 * normal end: the C++ client would stay away.
 *
 * @param discard what is still to be written
 */
export function closeGoingAway(connection: Connection, discard?: boolean): void {
  const { socket } = connection.transport as { readonly socket?: Closable };
  if (socket !== undefined) {
    const close = socket.close.bind(socket);
    socket.close = (code = GOING_AWAY) => close(code);
  }
  connection.close(discard);
}

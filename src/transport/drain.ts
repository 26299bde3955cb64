import type { Clock } from '../platform/clock.js';
import { everyConnection, everySocket, type GatewayServer, type GatewaySocket } from '../sockets/socket.js';

/** Clients are let go in this many waves, so that they do not all come back to the other nodes at once. */
const WAVES = 20;

/**
 * How long a connection may take to close after it was asked to. A client that has vanished never answers, and libraries
 * wait 30 s for it.
 */
export const CLOSE_TIMEOUT_MS = 1000;

type Connection = GatewaySocket['conn'];

/**
 * Lets all clients of this node go: says so, then closes their connections in waves over `durationMs`, those that are in
 * no namespace too. A connection with an event in flight is closed when that has been acknowledged. The transport is
 * closed, not the socket: a client told to disconnect by the server would not come back by itself.
 *
 * @returns when Engine.IO has let go of every connection; a peer that does not take part holds its TCP connection longer
 */
export async function drainConnections(
  io: GatewayServer,
  { clock, durationMs }: { clock: Clock; durationMs: number },
): Promise<void> {
  const connections = everyConnection(io);
  for (const socket of everySocket(io)) socket.emit('server_draining', { retry_after_ms: durationMs });
  const waveSize = Math.ceil(connections.length / WAVES);
  for (let start = 0; start < connections.length; start += waveSize) {
    if (durationMs > 0) await pause(clock, durationMs / WAVES);
    // Looked up now: a client may have entered a namespace since the last wave.
    const sockets = groupByConnection(io);
    for (const connection of connections.slice(start, start + waveSize)) {
      closeIfIdle(connection, sockets.get(connection) ?? [], clock);
    }
  }
  await Promise.all(connections.map((connection) => closed(connection)));
}

/** Closes a connection unless one of its sockets has an event in flight; the end of that event asks again. */
function closeIfIdle(connection: Connection, sockets: readonly GatewaySocket[], clock: Clock): void {
  for (const { data } of sockets) data.onIdle = () => closeIfIdle(connection, sockets, clock);
  if (sockets.some(({ data }) => data.inFlight > 0)) return;
  connection.close();
  if (connection.readyState === 'closed') return;
  // Waiting for the client: to read what was written, or to poll once more. Without its transport a connection is closed.
  clock.after(CLOSE_TIMEOUT_MS, () => connection.transport.emit('close'));
}

function groupByConnection(io: GatewayServer): Map<Connection, GatewaySocket[]> {
  const groups = new Map<Connection, GatewaySocket[]>();
  for (const socket of everySocket(io)) {
    const group = groups.get(socket.conn);
    if (group === undefined) groups.set(socket.conn, [socket]);
    else group.push(socket);
  }
  return groups;
}

const pause = (clock: Clock, delayMs: number): Promise<void> => new Promise((resolve) => clock.after(delayMs, resolve));

const closed = (connection: Connection): Promise<void> =>
  connection.readyState === 'closed'
    ? Promise.resolve()
    : new Promise((resolve) => connection.once('close', () => resolve()));

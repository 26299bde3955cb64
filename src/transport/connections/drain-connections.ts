import { closeGoingAway } from '../../library-internals/going-away.js';
import { connectionsOf } from '../../library-internals/server-state.js';
import { chunksOf, groupBy } from '../../platform/lists.js';
import { type Clock, pause } from '../../platform/time/clock.js';
import { everySocket, type GatewayServer, type GatewaySocket } from '../../sockets/socket.js';

/** Number of waves in which clients are disconnected, so that they do not all reconnect to the other nodes at once. */
const WAVES = 20;

/**
 * Time limit for closing a connection. A vanished client never confirms, and the libraries wait 30 s for it.
 */
export const CLOSE_TIMEOUT_MS = 1000;

type Connection = GatewaySocket['conn'];

interface DrainOptions {
  readonly clock: Clock;
  /** Time over which connections are closed. */
  readonly durationMs: number;
  /** How long it lasts, however few the connections. */
  readonly minMs: number;
}

/**
 * Disconnects all clients of this node: notifies them, then closes their connections in waves over `durationMs`, also those
 * outside of namespaces. A connection with an event in flight is closed after its acknowledgement. Closes the transport, not
 * the socket: a client that the server disconnects does not reconnect by itself.
 *
 * @returns when Engine.IO has no connections left; the TCP connection of an unresponsive peer can last longer
 */
export async function drainConnections(io: GatewayServer, { clock, durationMs, minMs }: DrainOptions): Promise<void> {
  const hasLasted = minMs > 0 ? pause(clock, minMs) : undefined;
  const connections = connectionsOf(io);
  for (const socket of everySocket(io)) socket.emit('server_draining', { retry_after_ms: durationMs });
  const waveSize = Math.ceil(connections.length / WAVES);
  for (const wave of chunksOf(connections, waveSize)) {
    if (durationMs > 0) await pause(clock, durationMs / WAVES);
    // Read for each wave: a client may have entered a namespace since the last one.
    const sockets = groupBy(everySocket(io), ({ conn }) => conn);
    for (const connection of wave) closeIfIdle(connection, sockets.get(connection) ?? [], clock);
  }
  await Promise.all(connections.map((connection) => closed(connection)));
  await hasLasted;
}

/** Closes a connection unless one of its sockets has an event in flight. Called again after that event. */
function closeIfIdle(connection: Connection, sockets: readonly GatewaySocket[], clock: Clock): void {
  for (const { data } of sockets) data.onIdle = () => closeIfIdle(connection, sockets, clock);
  if (sockets.some(({ data }) => data.inFlight > 0)) return;
  closeGoingAway(connection);
  if (connection.readyState === 'closed') return;
  // The client has to read what was written, or to poll once more. A connection without transport is closed.
  clock.after(CLOSE_TIMEOUT_MS, () => connection.transport.emit('close'));
}

const closed = (connection: Connection): Promise<void> =>
  connection.readyState === 'closed'
    ? Promise.resolve()
    : new Promise((resolve) => connection.once('close', () => resolve()));

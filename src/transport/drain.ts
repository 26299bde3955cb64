import type { Clock } from '../platform/clock.js';
import type { GatewaySocket } from './dispatch.js';
import { everySocket, type GatewayServer } from './socket.js';

/** Clients are let go in this many waves, so that they do not all come back to the other nodes at once. */
const WAVES = 20;

/**
 * Lets all clients of this node go: says so, then closes their connections in waves over `durationMs`. A connection with
 * an event in flight is closed when that has been acknowledged. The transport is closed, not the socket: a client told
 * to disconnect by the server would not come back by itself.
 *
 * @returns when every connection is closed
 */
export async function drainConnections(
  io: GatewayServer,
  { clock, durationMs }: { clock: Clock; durationMs: number },
): Promise<void> {
  const connections = [...groupByConnection(io)];
  for (const [, sockets] of connections) {
    for (const socket of sockets) socket.emit('server_draining', { retry_after_ms: durationMs });
  }
  const waveSize = Math.ceil(connections.length / WAVES);
  for (let start = 0; start < connections.length; start += waveSize) {
    if (durationMs > 0) await pause(clock, durationMs / WAVES);
    for (const [connection, sockets] of connections.slice(start, start + waveSize)) closeIfIdle(connection, sockets);
  }
  await Promise.all(connections.map(([connection]) => closed(connection)));
}

/** Closes a connection unless one of its sockets has an event in flight; the end of that event asks again. */
function closeIfIdle(connection: Connection, sockets: readonly GatewaySocket[]): void {
  for (const { data } of sockets) data.onIdle = () => closeIfIdle(connection, sockets);
  if (sockets.every(({ data }) => data.inFlight === 0)) connection.close();
}

type Connection = GatewaySocket['conn'];

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

import { createServer, type Server, type Socket } from 'node:net';
import { type CommandHandler, type Connection, WireConnection } from './connection.js';

/** Accepts connections of the MongoDB wire protocol. */
export interface WireListener {
  /** @returns the address, with the port that was chosen for port 0 */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Stops accepting connections, waits for running commands, and closes all connections. */
  close(): Promise<void>;
}

/** The path of a unix socket, or a TCP port; port 0 is any free port. */
export type ListenAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Notifications of a listener. */
export interface ListenerEvents {
  onConnectionStart(connection: Connection): void;
  onConnectionEnd(connection: Connection): void;
  /** A connection failed. A malformed message is a `ProtocolError`. */
  onConnectionError(error: Error): void;
}

/** Creates a listener. Commands of one connection run one after another, connections run concurrently. */
export function createWireListener(handle: CommandHandler, events: ListenerEvents): WireListener {
  const connections = new Set<WireConnection>();
  const server = createServer({ noDelay: true }, accept);
  let lastConnectionId = 0;

  function accept(socket: Socket): void {
    lastConnectionId += 1;
    const connection: Connection = { id: lastConnectionId, localAddress: localAddressOf(socket, server) };
    const wireConnection = new WireConnection(socket, connection, handle);
    connections.add(wireConnection);
    events.onConnectionStart(connection);
    socket.on('error', (error) => events.onConnectionError(error));
    socket.on('close', () => {
      connections.delete(wireConnection);
      events.onConnectionEnd(connection);
    });
  }

  async function close(): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await Promise.all([...connections].map((connection) => connection.close()));
    await closed;
  }

  return { listen: (address) => listen(server, address), close };
}

async function listen(server: Server, address: ListenAddress): Promise<ListenAddress> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return bound === null || typeof bound === 'string' || 'path' in address
    ? address
    : { host: address.host, port: bound.port };
}

function localAddressOf(socket: Socket, server: Server): string {
  const bound = server.address();
  return typeof bound === 'string' ? bound : `${socket.localAddress}:${socket.localPort}`;
}

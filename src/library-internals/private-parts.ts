/**
 * The private parts of libraries that this folder touches, in one table. Each is looked for before it is used. A library
 * that renames one makes the gateway slower or less strict, never wrong; the log says so.
 */
import type { Server, Socket } from 'socket.io';
import type { Logger } from '../platform/logger.js';

/** A private part of a library. */
interface PrivatePart {
  /** The package and the path of the part, as its source names it. */
  readonly name: string;
  /** What the gateway lacks without it. */
  readonly effect: string;
  /** @param root the Socket.IO server, or the connection and the first socket of a client */
  isThere(root: unknown): boolean;
}

type Tree = Readonly<Record<string, unknown>> | undefined;

/** Reads a nested property. */
const at = (root: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Tree)?.[key], root);

/** Parts of the server, which can be checked at the start. */
export const serverParts: readonly PrivatePart[] = [
  {
    name: 'socket.io: Server._nsps',
    effect: 'sockets of this node cannot be listed: drains, revocations and disconnects miss them',
    isThere: (io) => at(io, '_nsps') instanceof Map,
  },
  {
    name: 'engine.io: Server.clients',
    effect: 'connections outside of namespaces are not closed at the end',
    isThere: (io) => typeof at(io, 'engine', 'clients') === 'object',
  },
  {
    name: 'socket.io-adapter: Adapter._encode',
    effect: 'broadcasts cost two writes for each receiver',
    isThere: (io) => typeof at((io as Server).of('/').adapter, '_encode') === 'function',
  },
];

/** Parts of a websocket connection, which are checked with the first one. */
export const connectionParts: readonly PrivatePart[] = [
  {
    name: 'ws: WebSocket._receiver._maxPayload',
    effect: 'clients without a token may send frames of SOCKET_MESSAGE_MAX, and large files are refused',
    isThere: (socket) => typeof at(websocketOf(socket), '_receiver', '_maxPayload') === 'number',
  },
  {
    name: 'ws: WebSocket._socket.bytesRead',
    effect: 'slow senders of large files keep their places',
    isThere: (socket) => typeof at(websocketOf(socket), '_socket', 'bytesRead') === 'number',
  },
  {
    name: 'engine.io: Socket.writeBuffer',
    effect: 'what waits for slow clients is not bounded',
    isThere: (socket) => Array.isArray(at(socket, 'conn', 'writeBuffer')),
  },
  {
    name: 'node: EventEmitter._events',
    effect: 'idle connections take about a tenth more memory',
    isThere: (socket) => typeof at(socket, 'conn', '_events') === 'object',
  },
  {
    name: 'socket.io: Socket._cleanup',
    effect: 'a CONNECT that its client takes back at once leaves its socket behind',
    isThere: (socket) => typeof at(socket, '_cleanup') === 'function',
  },
  {
    name: 'engine.io: Socket.request',
    effect: 'each connection keeps the HTTP request of its handshake',
    isThere: (socket) => typeof at(socket, 'conn', 'request', 'headers') === 'object',
  },
];

const websocketOf = (socket: unknown): unknown => at(socket, 'conn', 'transport', 'socket');

/** Logs the missing parts of the server. Its engine exists once the server is attached to HTTP. */
export function reportMissingServerParts(io: object, logger: Pick<Logger, 'warn'>): void {
  report(serverParts, io, logger);
}

/** Logs the missing parts of connections, as of the first socket over a websocket. */
export function createConnectionCheck(logger: Pick<Logger, 'warn'>): ConnectionCheck {
  let isChecked = false;
  return {
    connected(socket) {
      if (isChecked || socket.conn.transport.name !== 'websocket') return;
      isChecked = true;
      report(connectionParts, socket, logger);
    },
    disconnected: () => undefined,
  };
}

/** A listener of sockets. */
export interface ConnectionCheck {
  connected(socket: Pick<Socket, 'conn'>): void;
  disconnected(): void;
}

function report(parts: readonly PrivatePart[], root: unknown, logger: Pick<Logger, 'warn'>): void {
  for (const { name, effect } of parts.filter((part) => !part.isThere(root))) {
    logger.warn({ part: name, effect }, 'a private part of a library is missing; this version of it is not supported');
  }
}

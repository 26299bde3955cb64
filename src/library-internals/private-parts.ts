/**
 * The private parts of libraries that this folder uses, in one table, and no other folder does. Their presence is checked at the
 * start and with the first connection: if a library renames one, the log says what the gateway lacks.
 */
import type { Server, Socket } from 'socket.io';
import type { Logger } from '../platform/logging/logger.js';

/** A private part of a library. */
interface PrivatePart {
  /** The package and the path of the part, as its source names it. */
  readonly name: string;
  /** What the gateway lacks without it. */
  readonly effect: string;
  /** Why it is worth a private part: what it bounds, or what was measured with and without it. */
  readonly worth: string;
  /** @param root the Socket.IO server; the connection and the first socket of a client; or {@link WorkerMessages} */
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
    worth: 'no public list of the sockets of a node; fetchSockets() asks every node',
    isThere: (io) => at(io, '_nsps') instanceof Map,
  },
  {
    name: 'engine.io: Server.clients',
    effect: 'connections outside of namespaces are not closed at the end',
    worth: "the only list of connections; a drain without it waits for each client's time-out",
    isThere: (io) => typeof at(io, 'engine', 'clients') === 'object',
  },
  {
    name: 'socket.io-adapter: Adapter._encode, Adapter.encoder',
    effect: 'broadcasts cost two writes for each receiver',
    worth: '16.9 instead of 18.0 µs of CPU for each receiver, at 400 receivers, in alternating rounds of one process',
    isThere: (io) => {
      const { adapter } = (io as Server).of('/');
      return typeof at(adapter, '_encode') === 'function' && typeof at(adapter, 'encoder', 'encode') === 'function';
    },
  },
  {
    name: 'socket.io: Namespace._add, Server.encoder',
    effect:
      'several CONNECTs of one connection are processed at the same time, and unknown namespaces are refused without a code',
    worth: 'a client that disconnects and connects again at once gets the answer to its last CONNECT',
    isThere: (io) =>
      typeof at((io as Server).of('/'), '_add') === 'function' && typeof at(io, 'encoder', 'encode') === 'function',
  },
];

/** Parts of a websocket connection, which are checked with the first one. */
export const connectionParts: readonly PrivatePart[] = [
  {
    name: 'ws: WebSocket._receiver._maxPayload',
    effect: 'clients without a token may send frames of SOCKET_MESSAGE_MAX, and large files are refused',
    worth: "bounds a frame of an unauthenticated client to the size of a token instead of a file's",
    isThere: (socket) => typeof at(websocketOf(socket), '_receiver', '_maxPayload') === 'number',
  },
  {
    name: 'ws: WebSocket._socket.bytesRead',
    effect: 'slow senders of large files keep their places',
    worth: 'bounds how long one slow upload blocks others',
    isThere: (socket) => typeof at(websocketOf(socket), '_socket', 'bytesRead') === 'number',
  },
  {
    name: 'engine.io: Socket.write, Socket.sendPacket, Socket.flush, WebSocket._onSentLast, ws: WebSocket._socket.write',
    effect: 'packets go through the queues of Engine.IO and ws, and cost two writes',
    worth: '16.8 instead of 19.4 µs of CPU for a packet with an acknowledgement, at 400 sockets, in alternating rounds',
    isThere: (socket) =>
      ['write', 'sendPacket', 'flush'].every((name) => typeof at(socket, 'conn', name) === 'function') &&
      typeof at(socket, 'conn', 'transport', '_onSentLast') === 'function' &&
      typeof at(websocketOf(socket), '_socket', 'write') === 'function',
  },
  {
    name: 'engine.io: Socket.pingIntervalTimer, node: Timeout._onTimeout',
    effect: 'each heartbeat wakes the process',
    worth: '22 to 28 instead of 73 to 144 µs of CPU for a heartbeat and its answer, at 400 a second in groups of 40',
    // `null` for clients of Socket.IO 2, which send the pings; `send` once the heartbeats were taken over.
    isThere: (socket) => {
      const timer = at(socket, 'conn', 'pingIntervalTimer');
      return timer === null || ['send', '_onTimeout'].some((name) => typeof at(timer, name) === 'function');
    },
  },
  {
    name: 'engine.io: Transport.doClose, onClose',
    effect: 'polling clients of Python stay away after a node has stopped',
    worth: 'no public way to end a polling session without the packet that means "stay away" to them',
    isThere: (socket) =>
      ['doClose', 'onClose'].every((name) => typeof at(socket, 'conn', 'transport', name) === 'function'),
  },
  {
    name: 'engine.io: Socket.writeBuffer',
    effect: 'what waits for slow clients is not bounded',
    worth: 'bounds the memory of clients that do not read; Socket.IO has no limit',
    isThere: (socket) => Array.isArray(at(socket, 'conn', 'writeBuffer')),
  },
  {
    name: 'node: EventEmitter._events',
    effect: 'idle connections take about a sixth more memory',
    worth:
      '0.7 kB of the heap of an idle connection for the tables, and 0.8 kB for what is around listeners of one call',
    isThere: (socket) => typeof at(socket, 'conn', '_events') === 'object',
  },
  {
    name: 'engine.io: Socket.cleanupFn, sentCallbackFn, socket.io: Socket.fns, socket.io-parser: Decoder._callbacks',
    effect: 'idle connections take some hundred bytes more',
    worth: '70 to 130 bytes each of the heap of an idle connection, for one line of code each',
    isThere: (socket) =>
      ['cleanupFn', 'sentCallbackFn'].every((name) => Array.isArray(at(socket, 'conn', name))) &&
      Array.isArray(at(socket, 'fns')) &&
      typeof at(socket, 'client', 'decoder', '_callbacks') === 'object',
  },
  {
    name: 'socket.io: Client.sockets, nsps, Socket.acks',
    effect: 'idle connections take some hundred bytes more',
    worth: '130 bytes each of the heap of an idle connection',
    isThere: (socket) =>
      ['sockets', 'nsps'].every((name) => at(socket, 'client', name) instanceof Map) &&
      at(socket, 'acks') instanceof Map,
  },
  {
    name: 'ws: Receiver._bufferedBytes, _buffers, _fragments',
    effect: 'unfinished messages of websockets are bounded neither in bytes nor in time',
    worth: 'bounds the memory of messages that are begun and not ended; ws bounds only the size of one',
    isThere: (socket) => {
      const receiver = at(websocketOf(socket), '_receiver') as Tree;
      const hasLists = ['_buffers', '_fragments'].every((name) => Array.isArray(receiver?.[name]));
      return hasLists && typeof receiver?.['_bufferedBytes'] === 'number';
    },
  },
  {
    name: 'socket.io: Client.id, decoder, ondecoded, _parseNamespace, Socket._onclose',
    effect:
      'a DISCONNECT does not cancel the CONNECT before it, and a client that connects twice is not connected anew',
    worth: 'the client of Socket.IO sends both, and does not know which reply belongs to which CONNECT',
    isThere: (socket) =>
      typeof at(socket, 'client', 'id') === 'string' &&
      typeof at(socket, 'client', 'decoder', 'off') === 'function' &&
      ['ondecoded', '_parseNamespace'].every((name) => typeof at(socket, 'client', name) === 'function') &&
      typeof at(socket, '_onclose') === 'function',
  },
  {
    name: 'socket.io: Socket._cleanup',
    effect: 'a CONNECT that its client takes back at once leaves its socket behind',
    worth: 'no leak by connect(), disconnect() before the reply; Socket.IO has no public cleanup',
    isThere: (socket) => typeof at(socket, '_cleanup') === 'function',
  },
  {
    name: 'engine.io: Socket.request',
    effect: 'each connection keeps the HTTP request of its handshake',
    worth: '10.8 instead of 12.8 kB of heap for an idle connection, together with the response of its upgrade',
    isThere: (socket) => typeof at(socket, 'conn', 'request', 'headers') === 'object',
  },
];

/** Messages of `node:cluster` between the primary and a worker, by the time the worker listens. */
export interface WorkerMessages {
  /** One from the worker. */
  readonly request?: unknown;
  /** The response of the primary to one. */
  readonly response?: unknown;
}

/** Parts of `node:cluster`, which are checked when a worker listens. */
export const workerParts: readonly PrivatePart[] = [
  {
    name: 'node:cluster: messages with seq and ack, through ChildProcess.send and its event internalMessage',
    effect: 'clients whose connections a worker has not taken over when it ends wait until their own time limit',
    worth:
      'a worker that is killed, as when the memory is exhausted, leaves such a connection; fetch() waits 300 seconds for it',
    isThere: (messages) =>
      typeof at(messages, 'request', 'seq') === 'number' && typeof at(messages, 'response', 'ack') === 'number',
  },
];

const websocketOf = (socket: unknown): unknown => at(socket, 'conn', 'transport', 'socket');

/** Logs the missing parts of the server. Its engine exists once the server is attached to HTTP. */
export function reportMissingServerParts(io: object, logger: Pick<Logger, 'warn'>): void {
  report(serverParts, io, logger);
}

/** Logs the missing parts of `node:cluster`. */
export function reportMissingWorkerParts(messages: WorkerMessages, logger: Pick<Logger, 'warn'>): void {
  report(workerParts, messages, logger);
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
  };
}

/** A listener of sockets. */
export interface ConnectionCheck {
  connected(socket: Pick<Socket, 'conn'>): void;
}

function report(parts: readonly PrivatePart[], root: unknown, logger: Pick<Logger, 'warn'>): void {
  for (const { name, effect } of parts.filter((part) => !part.isThere(root))) {
    logger.warn({ part: name, effect }, 'libraries: a private part is missing; this version is not supported');
  }
}

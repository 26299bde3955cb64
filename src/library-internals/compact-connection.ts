import type { EventEmitter } from 'node:events';
import type { Socket } from 'socket.io';
import { SmallMap } from './small-map.js';

/** Private parts of the libraries. Their presence is checked. They are copied, never changed. */
interface Emitter extends EventEmitter {
  _events?: object;
}

interface Lists {
  [name: string]: unknown;
}

interface WebSocketParts extends Emitter {
  readonly _socket?: Emitter;
  readonly _receiver?: Emitter & Lists;
}

interface ClientParts extends Lists {
  readonly decoder?: { _callbacks?: Record<string, unknown> };
}

/**
 * Compacts a connection after its setup:
 *
 * - The listener tables of its six emitters are hash tables with room to grow, and arrays of one element have room for seventeen.
 * - A listener that was attached with `once` has two objects and a function around it. For what happens once it needs none.
 * - Three maps of Socket.IO have at most one entry.
 *
 * Measured on an idle connection of the gateway: 1.6 of 10.3 kB of heap, besides the 1.4 kB that it saved before.
 */
export function compactConnection(socket: Pick<Socket, 'conn'>): void {
  const { transport } = socket.conn;
  const websocket = transport.name === 'websocket' ? (transport as { socket?: WebSocketParts }).socket : undefined;
  dropUpgradeListener(websocket);
  // Only polling sends headers after the connect.
  if (websocket !== undefined) transport.removeAllListeners('headers');
  const emitters = [socket, socket.conn, transport, websocket, websocket?._socket, websocket?._receiver];
  for (const emitter of emitters) compactListeners(emitter as Emitter | undefined);
  compactLists(socket.conn, ['cleanupFn', 'sentCallbackFn']);
  compactLists(socket, ['fns']);
  compactLists(websocket?._receiver, ['_buffers']);
  compactMaps(socket, ['acks']);
  const { client } = socket as unknown as { client?: ClientParts };
  compactMaps(client, ['sockets', 'nsps']);
  const callbacks = client?.decoder?._callbacks;
  if (client?.decoder === undefined || callbacks === undefined) return;
  // A table from which a key was deleted is a hash table.
  client.decoder._callbacks = { ...callbacks };
  compactLists(client.decoder._callbacks, Object.keys(callbacks));
}

/** Without prototype, as the tables of Node.js, but no hash table until a key is deleted. */
function Listeners(): void {}
Listeners.prototype = Object.create(null);

/** Events that end an emitter, so each happens once. */
const ENDS: ReadonlySet<string | symbol> = new Set(['close', 'error']);

function compactListeners(emitter: Emitter | undefined): void {
  if (emitter?._events === undefined) return;
  const table: Record<string | symbol, unknown> = Reflect.construct(Listeners, []);
  for (const name of emitter.eventNames()) {
    const listeners = ENDS.has(name) ? emitter.listeners(name) : emitter.rawListeners(name);
    // Node.js also names the usual events of a TCP socket, without listeners.
    if (listeners.length > 0) table[name] = listeners.length === 1 ? listeners[0] : listeners;
  }
  emitter._events = table;
}

function compactLists(owner: object | undefined, names: readonly string[]): void {
  for (const name of names) {
    const list = (owner as Lists | undefined)?.[name];
    if (Array.isArray(list)) (owner as Lists)[name] = list.slice();
  }
}

function compactMaps(owner: object | undefined, names: readonly string[]): void {
  for (const name of names) {
    const map = (owner as Lists | undefined)?.[name];
    if (map instanceof Map) (owner as Lists)[name] = new SmallMap(map);
  }
}

/** Engine.IO never removes its error listener for upgrades; the transport has its own. */
function dropUpgradeListener(websocket: EventEmitter | undefined): void {
  const listeners = websocket?.listeners('error') ?? [];
  const [first] = listeners;
  if (listeners.length > 1 && first?.name === 'onUpgradeError') websocket?.off('error', first as () => void);
}

import type { EventEmitter } from 'node:events';
import type { Socket } from 'socket.io';

/** What is private to the libraries. Each part is looked for before it is touched, and only moved, never changed. */
interface Private {
  _events?: object;
  cleanupFn?: unknown[];
  fns?: unknown[];
  client?: { decoder?: { _callbacks?: Record<string, unknown[]> } };
  socket?: EventEmitter & Private;
  _socket?: { _peername?: object | undefined };
}

/**
 * Repacks what a connection holds when it is set up. The tables of listeners of its four emitters are hash tables with
 * room to grow, and lists of one element have room for seventeen: about a tenth of the memory of an idle connection.
 */
export function compactConnection(socket: Pick<Socket, 'conn'>): void {
  const { transport } = socket.conn;
  const websocket = transport.name === 'websocket' ? (transport as Private).socket : undefined;
  dropUpgradeListener(websocket);
  // Only polling sends headers once it is connected.
  if (websocket !== undefined) transport.removeAllListeners('headers');
  forgetPeer(websocket);
  for (const emitter of [socket, socket.conn, transport, websocket]) compactListeners(emitter);
  compactList(socket.conn, 'cleanupFn');
  compactList(socket, 'fns');
  const callbacks = (socket as unknown as Private).client?.decoder?._callbacks ?? {};
  for (const name of Object.keys(callbacks)) compactList(callbacks, name);
}

/** Inherits nothing, as the tables of Node.js, but is no hash table until something is deleted. */
function Listeners(): void {}
Listeners.prototype = Object.create(null);

function compactListeners(emitter: unknown): void {
  const owner = emitter as Private | undefined;
  if (owner?._events === undefined) return;
  owner._events = Object.assign(Reflect.construct(Listeners, []), owner._events);
}

function compactList(owner: object, name: string): void {
  const lists = owner as Record<string, unknown>;
  const list = lists[name];
  if (Array.isArray(list)) lists[name] = list.slice();
}

/** Node.js keeps what it was asked once; Engine.IO keeps the address itself. */
function forgetPeer(websocket: Private | undefined): void {
  if (websocket?._socket?._peername !== undefined) websocket._socket._peername = undefined;
}

/** Engine.IO leaves the listener for errors before the upgrade on each websocket; the transport has its own. */
function dropUpgradeListener(websocket: EventEmitter | undefined): void {
  const listeners = websocket?.listeners('error') ?? [];
  const [first] = listeners;
  if (listeners.length > 1 && first?.name === 'onUpgradeError') websocket?.off('error', first as () => void);
}

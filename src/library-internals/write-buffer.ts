import { closeGoingAway, connectionOf, type Owned, setConnection } from './going-away.js';

/** The used parts of a WebSocket. */
interface WebSocketLike {
  readonly bufferedAmount: number;
  on(event: 'ping', listener: (this: never) => void): void;
  off(event: 'ping', listener: (this: never) => void): void;
  terminate(): void;
}

/** The used parts of an Engine.IO transport; polling has no socket. */
interface Transport {
  readonly socket?: WebSocketLike;
}

/** The used parts of an Engine.IO connection. */
interface EngineConnection {
  readonly readyState: string;
  readonly writeBuffer: readonly unknown[];
  readonly transport: Transport;
  on(event: 'packetCreate', listener: (this: never, packet: { data?: unknown }) => void): void;
  once(event: 'upgrade', listener: (this: never, transport: Transport) => void): void;
  close(discard?: boolean): void;
}

const waitingBytes = Symbol('bytes in the write buffer');
type Counted = EngineConnection & { [waitingBytes]?: number };
type OwnedWebSocket = WebSocketLike & Owned;

/**
 * Limits the write buffer of a slow client. Socket.IO queues without limit while a client does not read; here the connection is
 * closed when more than `maxBytes` are queued. The client reconnects by itself, and its mailbox keeps durable messages. Volatile
 * events are never queued. A client that reads in time costs one length check per packet.
 *
 * Replies to pings of a WebSocket bypass that queue, so the buffer is checked at each ping too.
 */
export function createWriteBufferBound(
  maxBytes: number,
  onSlow: (connection: object, waitingBytes: number) => void,
): (connection: EngineConnection) => void {
  // Shared by all connections, to save a closure for each idle one.
  function boundPongs(this: OwnedWebSocket): void {
    if (this.bufferedAmount <= maxBytes) return;
    // Data that has already arrived is still read.
    this.off('ping', boundPongs);
    const connection = connectionOf(this);
    if (connection !== undefined) onSlow(connection, this.bufferedAmount);
    this.terminate();
  }
  const closing = new WeakSet<object>();
  function countPacket(this: Counted, packet: { data?: unknown }): void {
    // The whole queue is written at once when the socket is ready, so an empty queue resets the count.
    if (this.writeBuffer.length === 0) {
      if (this[waitingBytes] !== undefined) this[waitingBytes] = 0;
      return;
    }
    const waiting = (this[waitingBytes] ?? 0) + sizeOf(packet.data);
    this[waitingBytes] = waiting;
    const total = waiting + (this.transport.socket?.bufferedAmount ?? 0);
    if (total <= maxBytes || closing.has(this)) return;
    closing.add(this);
    onSlow(this, total);
    // Not during a broadcast, which iterates over the room.
    process.nextTick(() => closeGoingAway(this, true));
  }
  function boundTransport(this: EngineConnection, { socket }: { socket?: OwnedWebSocket }): void {
    if (socket === undefined) return;
    setConnection(socket, this);
    socket.on('ping', boundPongs);
  }
  return function boundWriteBuffer(connection) {
    connection.on('packetCreate', countPacket);
    if (connection.transport.socket === undefined) connection.once('upgrade', boundTransport);
    else boundTransport.call(connection, connection.transport);
  };
}

/** A lower bound: a character of a string takes one to three bytes. */
function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length;
  return data instanceof Uint8Array ? data.byteLength : 0;
}

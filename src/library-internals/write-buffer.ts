import type { Metrics } from '../platform/metrics.js';

/** The part of a WebSocket that this file uses. */
interface WebSocketLike {
  readonly bufferedAmount: number;
  on(event: 'ping', listener: (this: WebSocketLike) => void): void;
  off(event: 'ping', listener: (this: WebSocketLike) => void): void;
  terminate(): void;
}

/** The part of an Engine.IO transport that this file uses; polling has no socket. */
interface Transport {
  readonly socket?: WebSocketLike;
}

/** The part of an Engine.IO connection that this file uses. */
interface EngineConnection {
  readonly writeBuffer: readonly unknown[];
  readonly transport: Transport;
  on(event: 'packetCreate', listener: (this: EngineConnection, packet: { data?: unknown }) => void): void;
  once(event: 'upgrade', listener: (transport: Transport) => void): void;
  close(discard: boolean): void;
}

const waitingBytes = Symbol('bytes in the write buffer');
type Counted = EngineConnection & { [waitingBytes]?: number };

/**
 * Bounds what waits for a slow client. Socket.IO queues without end while a client does not read: here the connection is
 * closed as soon as more than `maxBytes` wait; it comes back by itself, and its mailbox keeps what was durable. Volatile
 * events never wait. A client that keeps up costs one length check for each packet.
 *
 * The answers to a WebSocket's own pings pass by that queue, so each of those pings is an occasion to look, too.
 */
export function createWriteBufferBound(maxBytes: number, metrics: Metrics): (connection: EngineConnection) => void {
  const report = (waiting: number): void => {
    metrics.slowClients.inc();
    metrics.slowClientBytes.inc(waiting);
  };
  // One function for all connections, so that an idle one costs no closure.
  function boundPongs(this: WebSocketLike): void {
    if (this.bufferedAmount <= maxBytes) return;
    // What has arrived already is still read.
    this.off('ping', boundPongs);
    report(this.bufferedAmount);
    this.terminate();
  }
  const closing = new WeakSet<object>();
  function countPacket(this: Counted, packet: { data?: unknown }): void {
    // The queue is handed over whole when the socket can take it, so an empty queue means that counting starts again.
    if (this.writeBuffer.length === 0) {
      if (this[waitingBytes] !== undefined) this[waitingBytes] = 0;
      return;
    }
    const waiting = (this[waitingBytes] ?? 0) + sizeOf(packet.data);
    this[waitingBytes] = waiting;
    const total = waiting + (this.transport.socket?.bufferedAmount ?? 0);
    if (total <= maxBytes || closing.has(this)) return;
    closing.add(this);
    report(total);
    // Not in the middle of a broadcast, which is iterating over the room.
    process.nextTick(() => this.close(true));
  }
  const boundTransport = ({ socket }: Transport): void => socket?.on('ping', boundPongs);
  return (connection) => {
    connection.on('packetCreate', countPacket);
    if (connection.transport.socket === undefined) connection.once('upgrade', boundTransport);
    else boundTransport(connection.transport);
  };
}

/** Bytes at least: a string's characters take one to three bytes each. */
function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length;
  return data instanceof Uint8Array ? data.byteLength : 0;
}

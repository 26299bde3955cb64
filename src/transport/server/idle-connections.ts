import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { Metrics } from '../../platform/metrics.js';
import type { Clock } from '../../platform/time/clock.js';
import { CLOSE_TIMEOUT_MS } from '../connections/drain-connections.js';
import { bodyBytesOf } from '../http/body.js';

/** Maximum total size of request bodies being received, as a multiple of the largest body. */
const BODIES_MAX = 64;

interface Bounds {
  /** Maximum number of connections without a request, and of connections with an incomplete body. */
  connectionsMax: number;
  /** Maximum size of one body in bytes; longer ones are not read. */
  bodyMaxBytes: number;
  clock: Clock;
  metrics: Pick<Metrics, 'waitingClosed'>;
}

/** Connections without a request, or with an incomplete body. */
export interface IdleConnections {
  /**
   * Closes those without a request, and from now on each connection as soon as it is idle. A closing Node.js server waits for
   * connections that have never sent a request, and for bodies that never end. What has arrived is read first.
   *
   * Destroys every connection that is still open after {@link CLOSE_TIMEOUT_MS}, in any state and with any protocol,
   * because its client may have vanished, also with an incomplete body. Only requests whose response has not begun are left alone.
   */
  end(): Promise<void>;
}

/**
 * Limits the number of connections without a request, and the number and size of incomplete bodies. Node.js limits how long
 * each lasts, but not how many there are. Above a limit the oldest is closed, so clients with a request are served during a
 * flood of clients without one. Requests being answered, long polls and websockets do not count.
 *
 * To be called after all other listeners are attached, because Socket.IO puts its own before those that it finds.
 */
export function limitIdleConnections(
  server: Server,
  { connectionsMax, bodyMaxBytes, clock, metrics }: Bounds,
): IdleConnections {
  // Both are in insertion order: the oldest is first.
  const idle = new Set<Socket>();
  const bodies = new Map<Socket, number>();
  /** All connections. Node.js does not track upgraded ones. */
  const open = new Set<Socket>();
  /** To the last request of each connection. */
  const answers = new Map<Socket, ServerResponse>();
  let bodyBytes = 0;
  let hasEnded = false;

  const forgetBody = (socket: Socket): void => {
    bodyBytes -= bodies.get(socket) ?? 0;
    bodies.delete(socket);
  };
  const stopWaiting = (socket: Socket): void => {
    idle.delete(socket);
    forgetBody(socket);
  };
  const closeFirst = ([longest]: Iterable<Socket>): void => {
    if (longest === undefined) return;
    metrics.waitingClosed.inc();
    stopWaiting(longest);
    longest.destroy();
  };
  const wait = (socket: Socket): void => {
    idle.add(socket);
    if (hasEnded) socket.destroySoon();
    else if (idle.size > connectionsMax) closeFirst(idle);
  };
  const waitForBody = (socket: Socket, bytes: number): void => {
    forgetBody(socket);
    bodies.set(socket, bytes);
    bodyBytes += bytes;
    while (bodyBytes > BODIES_MAX * bodyMaxBytes || bodies.size > connectionsMax) closeFirst(bodies.keys());
  };

  const cutLate = (): void => {
    for (const socket of [...open]) {
      const isHandled = answers.get(socket)?.headersSent === false && !bodies.has(socket);
      if (!isHandled) socket.destroy();
    }
  };

  // Shared by all connections, to save a closure for each idle one.
  function forget(this: Socket): void {
    open.delete(this);
    answers.delete(this);
    stopWaiting(this);
  }
  function arrived(this: IncomingMessage): void {
    if (answers.get(this.socket)?.req === this) forgetBody(this.socket);
  }
  function answered(this: ServerResponse): void {
    const { socket } = this.req;
    // Another request of the connection is there already, perhaps with a body that is not.
    if (answers.get(socket) !== this) return;
    answers.delete(socket);
    forgetBody(socket);
    if (!socket.destroyed) wait(socket);
  }

  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', forget);
    wait(socket);
  });
  server.on('request', (request, response) => {
    idle.delete(request.socket);
    answers.set(request.socket, response);
    const bytes = bodyBytesOf(request, bodyMaxBytes);
    if (bytes > 0) {
      waitForBody(request.socket, bytes);
      request.on('end', arrived);
    }
    response.on('close', answered);
  });
  server.on('upgrade', (_request, socket: Socket) => stopWaiting(socket));

  return {
    async end() {
      await setImmediate();
      hasEnded = true;
      for (const socket of [...idle]) socket.destroySoon();
      server.once('close', clock.every(CLOSE_TIMEOUT_MS, cutLate));
    },
  };
}

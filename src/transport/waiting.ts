import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../platform/clock.js';
import type { Metrics } from '../platform/metrics.js';
import { CLOSE_TIMEOUT_MS } from './drain.js';

/** Bodies that may be on their way at once, counted in bodies of the largest size. */
const BODIES_MAX = 64;

interface Bounds {
  /** Connections that may be open without a request, and as many whose body is on its way. */
  connectionsMax: number;
  /** The largest body in bytes; longer ones are not read. */
  bodyMaxBytes: number;
  clock: Clock;
  metrics: Pick<Metrics, 'waitingClosed'>;
}

/** The clients that keep the server waiting. */
export interface Waiting {
  /**
   * Closes their connections, and from now on each as soon as it is idle: nothing has been done of what they may have
   * begun to ask for. When Node.js closes a server it waits for those that have never asked, and for bodies without end.
   *
   * Every connection that has not closed {@link CLOSE_TIMEOUT_MS} later is cut, in any state and with any protocol,
   * unless its request is being handled: its client may have vanished. An answer that has begun does not save it.
   */
  end(): void;
}

/**
 * Bounds what is held for clients that keep the server waiting: connections without a request, and bodies that are not whole
 * yet. Node.js bounds how long each of them lasts, but not how many there are. Beyond a bound the one that has waited longest
 * is closed, so that clients with a request are served during a flood of clients without one. What is being
 * answered does not count, a long poll neither, nor do websockets.
 *
 * To be called when all listeners are there, because Socket.IO puts itself before those that it finds.
 */
export function boundWaiting(server: Server, { connectionsMax, bodyMaxBytes, clock, metrics }: Bounds): Waiting {
  // Both keep the order in which things were put in.
  const idle = new Set<Socket>();
  const bodies = new Map<Socket, number>();
  /** All of them. Node.js loses sight of those that became websockets. */
  const open = new Set<Socket>();
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

  // Functions for all connections, so that an idle one costs no closure.
  function forget(this: Socket): void {
    open.delete(this);
    answers.delete(this);
    stopWaiting(this);
  }
  function arrived(this: IncomingMessage): void {
    forgetBody(this.socket);
  }
  function answered(this: ServerResponse): void {
    const { socket } = this.req;
    forgetBody(socket);
    if (answers.get(socket) === this) answers.delete(socket);
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
    end() {
      hasEnded = true;
      for (const socket of [...idle, ...bodies.keys()]) socket.destroySoon();
      server.once('close', clock.every(CLOSE_TIMEOUT_MS, cutLate));
    },
  };
}

/** What a body may come to take; one that does not say, or is compressed, may be as large as any. */
function bodyBytesOf({ headers }: IncomingMessage, maxBytes: number): number {
  if (headers['transfer-encoding'] !== undefined) return maxBytes;
  const length = Number(headers['content-length'] ?? 0);
  return headers['content-encoding'] === undefined ? Math.min(length, maxBytes) : maxBytes;
}

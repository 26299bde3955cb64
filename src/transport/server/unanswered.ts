import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../../platform/logging/logger.js';
import type { Metrics } from '../../platform/metrics.js';

/** Clients that do not wait for answers send a few requests at once. */
const UNANSWERED_MAX = 100;

interface Dependencies {
  logger: Pick<Logger, 'warn'>;
  metrics: Pick<Metrics, 'connectionsEnded'>;
}

const unanswered = Symbol('answers that a connection waits for, in order');
type Line = Socket & { [unanswered]?: ServerResponse[] };

/**
 * Handles the requests of one connection one after the other, and limits how many of them wait. Node.js emits all requests of a
 * chunk synchronously, and a chunk of 64 KiB can hold thousands. Handled together, each could hold a file, or a stream of the
 * database, until the client has read the answers before it; and Node.js notifies only the first answer when the connection
 * closes, so that what the others hold would stay.
 *
 * Above the limit the connection is closed, and nothing that follows is handled.
 *
 * To be called after the listeners of requests are attached.
 */
export function limitUnanswered(server: Server, { logger, metrics }: Dependencies): void {
  const listeners = server.listeners('request') as RequestListener[];
  const cut = (line: Line): void => {
    metrics.connectionsEnded.inc({ reason: 'unanswered_requests' });
    logger.warn('a connection was closed: it sent too many requests without waiting for their answers');
    line.destroy();
  };
  const handle = (response: ServerResponse): void => {
    for (const listen of listeners) listen.call(server, response.req, response);
  };
  // Shared by all requests, to save a closure for each.
  function answered(this: ServerResponse): void {
    const line: Line = this.req.socket;
    const waiting = line[unanswered] ?? [];
    waiting.shift();
    const [next] = waiting;
    // After the last answer of a connection Node.js ends it.
    if (next !== undefined && line.writable) handle(next);
  }
  server.removeAllListeners('request');
  server.on('request', function listenWithinLimit(request: IncomingMessage, response: ServerResponse) {
    const line: Line = request.socket;
    if (line.destroyed) return;
    line[unanswered] ??= [];
    const waiting = line[unanswered];
    if (waiting.length === UNANSWERED_MAX) return cut(line);
    waiting.push(response);
    response.on('close', answered);
    if (waiting.length === 1) handle(response);
  });
}

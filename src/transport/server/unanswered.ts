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

const unanswered = Symbol('requests of a connection without an answer');
type Line = Socket & { [unanswered]?: number };

/**
 * Limits the requests of one connection that wait for their answers. Node.js emits all requests of a chunk synchronously, and a
 * chunk of 64 KiB can hold thousands. Above the limit the connection is closed, and nothing that follows is handled.
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
  // Shared by all requests, to save a closure for each.
  function answered(this: ServerResponse): void {
    const line: Line = this.req.socket;
    line[unanswered] = (line[unanswered] ?? 1) - 1;
  }
  server.removeAllListeners('request');
  server.on('request', function listenWithinLimit(request: IncomingMessage, response: ServerResponse) {
    const line: Line = request.socket;
    if (line.destroyed) return;
    const count = (line[unanswered] ?? 0) + 1;
    if (count > UNANSWERED_MAX) return cut(line);
    line[unanswered] = count;
    response.on('close', answered);
    for (const listen of listeners) listen.call(server, request, response);
  });
}

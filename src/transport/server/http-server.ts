import { createServer, type RequestListener, type Server } from 'node:http';
import { UpgradeAwareRequest } from './upgrade.js';

/**
 * Time limits for the headers and for a whole request. Node.js measures neither while a connection is idle between requests,
 * so the keep-alive time can be longer (seen on Node.js 20, 22 and 24).
 */
const REQUEST_TIMEOUT_MS = 60_000;

/** Creates the HTTP server, which does not listen yet. @param keepAliveMs how long an idle connection is kept */
export function createHttpServer(answer: RequestListener, { keepAliveMs }: { keepAliveMs: number }): Server {
  const timeouts = { headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
  const server = createServer(
    { keepAliveTimeout: keepAliveMs, ...timeouts, IncomingMessage: UpgradeAwareRequest },
    answer,
  );
  // Otherwise everything but the parser of Node.js ignores headers after the 2000th: the length of a body, the address of a client,
  // and what says that a proxy has passed the request on. Their bytes are limited.
  server.maxHeadersCount = 0;
  return server;
}

/**
 * Every response asks the client to close its connection from now on. Idle connections stay open for now, because a request
 * may be in transit.
 */
export function endKeepAlive(server: Server): void {
  server.prependListener('request', (_request, response) => void response.setHeader('Connection', 'close'));
}

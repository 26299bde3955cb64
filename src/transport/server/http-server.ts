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
  return createServer({ keepAliveTimeout: keepAliveMs, ...timeouts, IncomingMessage: UpgradeAwareRequest }, answer);
}

/**
 * Every response asks the client to close its connection from now on. Idle connections stay open for now, because a request
 * may be in transit.
 */
export function endKeepAlive(server: Server): void {
  server.prependListener('request', (_request, response) => void response.setHeader('Connection', 'close'));
}

import { createServer, type RequestListener, type Server } from 'node:http';
import { UpgradeAwareRequest } from './upgrade.js';

/**
 * How long a client may take over its headers, and over a request as a whole. Node.js measures neither while a connection
 * is idle between two requests, so the time that it is kept may be longer (seen on Node.js 20, 22 and 24).
 */
const REQUEST_TIMEOUT_MS = 60_000;

/** The HTTP server of a gateway, which does not listen yet. @param keepAliveMs how long an idle connection is kept */
export function createHttpServer(answer: RequestListener, { keepAliveMs }: { keepAliveMs: number }): Server {
  const timeouts = { headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
  return createServer({ keepAliveTimeout: keepAliveMs, ...timeouts, IncomingMessage: UpgradeAwareRequest }, answer);
}

/**
 * From now on every answer asks the client not to use its connection again. An idle connection stays for now, because a
 * request may be on its way.
 */
export function endKeepAlive(server: Server): void {
  server.prependListener('request', (_request, response) => void response.setHeader('Connection', 'close'));
}

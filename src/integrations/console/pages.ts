import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import express, { type Request, type RequestHandler } from 'express';
import helmet from 'helmet';
import { GatewayError } from '../../errors.js';
import { toRequestFailure } from '../../framework/reply.js';

/** Answers a request for the page, or for a file of it. */
export type Pages = (request: IncomingMessage, response: ServerResponse) => void;

const NOT_BUILT = 'The console has not been built. Run: npm run build\n';
/** What a host is, with a port: nothing that could add a directive to the policy. */
const HOST = /^[\w.-]+(?::\d+)?$|^\[[\da-f:.]+\](?::\d+)?$/i;

/**
 * Serves the built page at `/console/`. Every path below it that is no file is a view of the page. `/` and `/console` lead
 * there.
 * @param directories where the build may be
 */
export function createPages(directories: readonly string[]): Pages {
  const app = express();
  app.disable('x-powered-by');
  app.use(helmet({ contentSecurityPolicy: false, referrerPolicy: { policy: 'no-referrer' } }));
  app.use((request, response, next) => {
    response.setHeader('Content-Security-Policy', policyFor(request));
    // Names of files stay the same from version to version.
    response.setHeader('Cache-Control', 'no-cache');
    next();
  });
  app.use(ensureReading);
  app.get(['/', '/console'], (request, response, next) => {
    // Express takes `/console/` for the same.
    if (request.path === '/console/') return next();
    response.redirect(302, '/console/');
  });
  app.use('/console', createFiles(directories));
  return app;
}

/** Scripts, styles and calls of this origin only. Older browsers do not take `'self'` for its websockets. */
function policyFor({ headers: { host = '' } }: Request): string {
  const sockets = HOST.test(host) ? ` ws://${host} wss://${host}` : '';
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self'${sockets}`,
    "img-src 'self' data:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join('; ');
}

const ensureReading: RequestHandler = ({ method }, response, next) => {
  if (method === 'GET' || method === 'HEAD') return next();
  const error = new GatewayError('METHOD_NOT_ALLOWED');
  response.status(error.status).setHeader('Allow', 'GET, HEAD').json(toRequestFailure(error));
};

/** The build may come while the gateway runs, so it is looked for until it is found. */
function createFiles(directories: readonly string[]): RequestHandler {
  let files: { readonly directory: string; readonly serve: RequestHandler } | undefined;
  const find = (): typeof files => {
    const directory = directories.find((path) =>
      ['index.html', 'main.js'].every((name) => existsSync(join(path, name))),
    );
    if (directory === undefined) return undefined;
    return { directory, serve: express.static(directory, { index: false, redirect: false, cacheControl: false }) };
  };
  return function servePage(request, response, next) {
    files ??= find();
    if (files === undefined) return void response.status(503).type('text').send(NOT_BUILT);
    const { directory, serve } = files;
    void serve(request, response, (error?: unknown) => {
      if (error !== undefined) return next(error);
      response.sendFile('index.html', { root: directory, cacheControl: false });
    });
  };
}

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
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

/** A file of the build. */
interface PageFile {
  readonly body: Buffer;
  readonly etag: string;
  /** To notice a newer build. */
  readonly builtAt: number;
}

/**
 * Serves the files of the build from memory. Anyone may ask for them, and read as slowly as they like: nothing but the connection is
 * held meanwhile, neither an open file nor a copy. The build may come, or be renewed, while the gateway runs.
 */
function createFiles(directories: readonly string[]): RequestHandler {
  const known = new Map<string, PageFile>();
  const find = (): string | undefined =>
    directories.find((path) => ['index.html', 'main.js'].every((name) => existsSync(join(path, name))));
  const load = (directory: string, name: string): PageFile => {
    const path = join(directory, name);
    const builtAt = statSync(path).mtimeMs;
    const kept = known.get(path);
    if (kept?.builtAt === builtAt) return kept;
    const body = readFileSync(path);
    const file = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"`, builtAt };
    known.set(path, file);
    return file;
  };
  return function servePage({ path }, response) {
    const directory = find();
    if (directory === undefined) return void response.status(503).type('text').send(NOT_BUILT);
    const name = readdirSync(directory).find((file) => `/${file}` === path) ?? 'index.html';
    const { body, etag } = load(directory, name);
    response.setHeader('ETag', etag);
    response.type(name).send(body);
  };
}

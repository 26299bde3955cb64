import type { RequestListener } from 'node:http';
import { parse as parseQueryString } from 'node:querystring';
import cors from 'cors';
import express, { type Express, type Request, type RequestHandler } from 'express';
import helmet from 'helmet';
import nocache from 'nocache';
import type { Config } from '../../config.js';
import { GatewayError } from '../../errors.js';
import type { MountedRoute } from '../../framework/routes.js';
import type { Logger } from '../../platform/logging/logger.js';
import { type Answering, sendText, toErrorHandler } from './answers.js';
import { bodyBytesOf, createBodyReader } from './body.js';
import { type CallDependencies, toRequestHandler } from './call.js';
import { withEntrance } from './entrance.js';
import { setAlways } from './headers.js';
import { withHotRoutes } from './hot-routes.js';
import { createKeyRefusalReport } from './key-refusals.js';
import type { AllowsOrigin } from './origins.js';
import { identifyRequest, REQUEST_ID, requestIdOf } from './request-id.js';
import { withPath } from './request-target.js';

interface Dependencies extends Omit<CallDependencies, keyof Answering | 'readBody' | 'largestBodyOf'> {
  readonly config: Config['http'];
  readonly logger: Logger;
  readonly routes: readonly MountedRoute[];
  readonly allowsOrigin: AllowsOrigin;
}

/** Headers of ours that pages of other origins may read. */
const EXPOSED_HEADERS = ['Allow', 'Content-Disposition', 'Idempotent-Replay', 'Retry-After', REQUEST_ID];

/** The Express application: the documented middleware, then the routes of the integrations. Hot routes are matched before it. */
export function createHttpApp(dependencies: Dependencies): RequestListener {
  const { config } = dependencies;
  const app = express();
  app.disable('etag');
  app.disable('x-powered-by');
  app.set('trust proxy', config.trustedProxies);
  // Without a limit, because parameters beyond it would be ignored; the length of a URL is limited.
  app.set('query parser', (text: string) => parseQueryString(text, '&', '=', { maxKeys: 0 }));

  // The order is documented: cors, JSON body, helmet, nocache. It makes no observable difference that the body is read later, by
  // the routes, once their caller is known.
  const headers = setAlways(helmet(), nocache());
  const middleware = [
    identifyRequest,
    config.corsOrigins.length === 0 ? openCors() : narrowCors(config.corsOrigins, dependencies.allowsOrigin),
    headers,
  ];
  app.use(...middleware);

  const readBody = createBodyReader(config.bodyLimitBytes);
  const largestBodyOf = (request: Request): number => bodyBytesOf(request, config.bodyLimitBytes);
  const { logger } = dependencies;
  const reportKeyRefusal = createKeyRefusalReport({ logger, trustedProxies: config.trustedProxies });
  const answering = { logger, reportKeyRefusal };
  const routes = dependencies.routes.map((mounted) => {
    const { route, authorize } = mounted;
    const handle = toRequestHandler(mounted, { ...dependencies, ...answering, readBody, largestBodyOf });
    app[route.method](route.path, toCallerCheck(mounted, answering), handle);
    const isOfBackend = route.caller === undefined || route.caller === 'backend';
    return { route, handle, isHot: isOfBackend && route.method === 'post' && authorize === undefined };
  });
  refuseMethods(app, dependencies.routes);
  app.use((request) => {
    if (isOfSocketClient(request)) throw misplacedSocket(request, logger);
    throw new GatewayError('NOT_FOUND');
  });
  // What fails before its route is reached, such as by its method, has the form of failures that its callers know.
  for (const { route, toFailure } of dependencies.routes) {
    if (toFailure !== undefined) app.use(route.path, toErrorHandler(answering, toFailure));
  }
  app.use(toErrorHandler(answering));
  const answer = withPath(withHotRoutes({ middleware, routes, fallback: app }));
  const { entrance } = dependencies;
  if (entrance === undefined) return answer;
  // Without CORS: pages of other origins have no business there.
  const ofRefusals = [identifyRequest, headers];
  return withEntrance({ entrance, answer, headers: ofRefusals, answering, trustedProxies: config.trustedProxies });
}

/** Whether a request to an unknown path is the handshake of a Socket.IO client, or a websocket. */
const isOfSocketClient = ({ headers, query }: Request): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket' || query['EIO'] !== undefined;

/** Maximum logged length of text from a client. */
const LOGGED_MAX = 200;

function misplacedSocket({ path, headers }: Request, logger: Pick<Logger, 'warn'>): GatewayError {
  const details = { path: path.slice(0, LOGGED_MAX), userAgent: headers['user-agent']?.slice(0, LOGGED_MAX) };
  logger.warn(details, 'a client was refused: its path is not that of Socket.IO');
  const message = 'Socket.IO is at /socket.io/: leave the option path of the client as it is';
  return new GatewayError('NOT_FOUND', { details: [{ path: '', message }] });
}

/** An OPTIONS request without this header is no preflight, and is answered by its path. */
const isPreflight = ({ method, headers }: express.Request): boolean =>
  method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;

/** `cors` for any origin: only a preflight is answered according to what it asks. */
function openCors(): RequestHandler {
  const answerPreflight = cors();
  const allowAnyone = setAlways(cors({ exposedHeaders: EXPOSED_HEADERS }));
  return (request, response, next) => (isPreflight(request) ? answerPreflight : allowAnyone)(request, response, next);
}

/** `cors` for some origins. A browser keeps the answer from pages of others, so it is logged why. */
function narrowCors(allowed: readonly string[], allowsOrigin: AllowsOrigin): RequestHandler {
  const options = { origin: [...allowed], exposedHeaders: EXPOSED_HEADERS };
  const answerPreflight = cors(options);
  const setHeaders = cors({ ...options, preflightContinue: true });
  return (request, response, next) => {
    allowsOrigin(request.headers.origin);
    (isPreflight(request) ? answerPreflight : setHeaders)(request, response, next);
  };
}

/**
 * Answers requests whose path is known and whose method is not: with 405 and the methods that are (RFC 9110, 15.5.6), and
 * OPTIONS with those methods alone. To be called behind all routes.
 */
function refuseMethods(app: Express, routes: Dependencies['routes']): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of routes.map(({ route }) => route)) {
    const known = methods.get(path) ?? new Set(['OPTIONS']);
    // Express answers HEAD by the route of GET.
    for (const name of method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]) known.add(name);
    methods.set(path, known);
  }
  for (const [path, known] of methods) {
    app.all(path, (_request, response, next) => {
      // A path can be known by several patterns.
      response.locals['allowed'] = new Set([...allowedOf(response), ...known]);
      next();
    });
  }
  app.use((request, response, next) => {
    const allowed = allowedOf(response);
    if (allowed.size === 0) return next();
    response.setHeader('Allow', [...allowed].sort().join(', '));
    if (request.method !== 'OPTIONS') throw new GatewayError('METHOD_NOT_ALLOWED');
    response.status(204).end();
  });
}

const allowedOf = ({ locals }: express.Response): ReadonlySet<string> =>
  (locals['allowed'] as ReadonlySet<string> | undefined) ?? new Set();

/** Refuses unauthorized callers before the body is read. */
const toCallerCheck =
  ({ authorize }: MountedRoute, { reportKeyRefusal }: Answering): RequestHandler =>
  (request, response, next) => {
    const refusal = authorize?.(request);
    if (refusal === undefined) return next();
    reportKeyRefusal(request, { reason: refusal.text, requestId: requestIdOf(response) });
    sendText(response, refusal);
  };

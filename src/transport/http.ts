import type { RequestListener } from 'node:http';
import { parse as parseQueryString } from 'node:querystring';
import cors from 'cors';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import nocache from 'nocache';
import type { ApiKeyGuard } from '../auth/api-key.js';
import { anonymous, type Principal } from '../auth/principal.js';
import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';
import type { Entrance, MountedRoute } from '../framework/integration.js';
import { toGatewayError, toRequestFailure, toSuccess } from '../framework/reply.js';
import type { Logger } from '../platform/logger.js';
import type { Metrics } from '../platform/metrics.js';
import type { Tracing } from '../platform/tracing.js';
import { payerOf, type Work } from '../realtime/work.js';
import { parse, parseQuery } from '../validation.js';
import { createBodyReader, type ReadBody } from './body.js';
import { withEntrance } from './entrance.js';
import { setAlways } from './headers.js';
import { withHotRoutes } from './hot-routes.js';
import { type Answering, answerFailure, sendJson, sendText, toErrorHandler } from './http-answers.js';
import { createKeyRefusalReport, reasonOfRefusal } from './key-refusals.js';
import type { AllowsOrigin } from './origins.js';
import { identifyRequest, REQUEST_ID, requestIdOf } from './request-id.js';

interface Dependencies {
  config: Config['http'];
  logger: Logger;
  metrics: Metrics;
  routes: readonly MountedRoute[];
  ensureApiKey: ApiKeyGuard;
  /** Absent: there is none. */
  entrance?: Entrance | undefined;
  allowsOrigin: AllowsOrigin;
  work: Work;
  /** `undefined`: off. */
  tracing: Tracing | undefined;
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

  // The order is documented: cors, JSON body, helmet, nocache. Nothing of it can be told from the outside when the body is
  // read later: by the routes, once their caller is known.
  const headers = setAlways(helmet(), nocache());
  const middleware = [
    identifyRequest,
    config.corsOrigins.length === 0 ? openCors() : narrowCors(config.corsOrigins, dependencies.allowsOrigin),
    headers,
  ];
  app.use(...middleware);

  const readBody = createBodyReader(config.bodyLimitBytes);
  const { logger } = dependencies;
  const reportKeyRefusal = createKeyRefusalReport({ logger, trustedProxies: config.trustedProxies });
  const answering = { logger, reportKeyRefusal };
  const routes = dependencies.routes.map((mounted) => {
    const { route, authorize } = mounted;
    const handle = toRequestHandler(mounted, { ...dependencies, ...answering, readBody });
    app[route.method](route.path, toAdmission(mounted, answering), handle);
    const isOfBackend = route.caller === undefined || route.caller === 'backend';
    return { route, handle, isHot: isOfBackend && route.method === 'post' && authorize === undefined };
  });
  refuseMethods(app, dependencies.routes);
  app.use(() => {
    throw new GatewayError('NOT_FOUND');
  });
  // What fails before its route is reached, such as by its method, has the form of failures that its callers know.
  for (const { route, toFailure } of dependencies.routes) {
    if (toFailure !== undefined) app.use(route.path, toErrorHandler(answering, toFailure));
  }
  app.use(toErrorHandler(answering));
  const answer = withHotRoutes({ middleware, routes, fallback: app });
  const { entrance } = dependencies;
  if (entrance === undefined) return answer;
  // Without CORS: pages of other origins have no business there.
  const ofRefusals = [identifyRequest, headers];
  return withEntrance({ entrance, answer, headers: ofRefusals, answering, trustedProxies: config.trustedProxies });
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

/** Turns away callers who may not call, before anything of the body is read. */
const toAdmission =
  ({ authorize }: MountedRoute, { reportKeyRefusal }: Answering): RequestHandler =>
  (request, response, next) => {
    const refusal = authorize?.(request);
    if (refusal === undefined) return next();
    reportKeyRefusal(request, { reason: refusal.text, requestId: requestIdOf(response) });
    sendText(response, refusal);
  };

/** Who calls. */
interface Caller {
  readonly principal: Principal;
  readonly apiKey: string | undefined;
}

/** A call whose parts have been parsed. */
interface Parsed extends Caller {
  readonly requestId: string;
  readonly traceparent: string | undefined;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly request: express.Request;
  readonly response: express.Response;
  readonly isStillValid: (request: express.Request) => boolean;
}

const UNKNOWN: Caller = { principal: anonymous, apiKey: undefined };

/** Elements of a body: of a user, as in an event, and of a backend or a site, whose payloads are free. */
const USER_ELEMENTS_MAX = 10_000;
const BACKEND_ELEMENTS_MAX = 200_000;

/** Authenticates, reads, parses, handles, answers; measures all of it. */
function toRequestHandler(
  mounted: MountedRoute,
  dependencies: Dependencies & Answering & { readBody: ReadBody },
): RequestHandler {
  const { route, limit, handle, toFailure = toRequestFailure } = mounted;
  const { entrance } = dependencies;
  const ofBackend = (request: express.Request): Caller => ({
    principal: anonymous,
    apiKey: dependencies.ensureApiKey(request),
  });
  // No key is needed, but one that is wrong is logged: keys cannot be tried here without notice.
  const ofAnyone = (request: express.Request, response: express.Response): Caller => {
    const { 'x-api-key': key, authorization } = request.headers;
    if (key === undefined && authorization !== undefined) return UNKNOWN;
    try {
      return ofBackend(request);
    } catch (error) {
      const reason = reasonOfRefusal(request, toGatewayError(error));
      if (key !== undefined) dependencies.reportKeyRefusal(request, { reason, requestId: requestIdOf(response) });
      return UNKNOWN;
    }
  };
  const isStillValid = (request: express.Request): boolean => {
    try {
      return entrance?.isStillValid(request) ?? ofBackend(request).apiKey !== undefined;
    } catch {
      return false;
    }
  };
  // A call of a user counts as an event, so that REST is no way around the limit.
  const ofUser = async (request: express.Request, known: Promise<Principal>): Promise<Caller> => {
    const principal = await known;
    await dependencies.work.begin(payerOf(principal) ?? `address:${request.ip}`, limit);
    return { principal, apiKey: undefined };
  };
  const authenticate = (
    request: express.Request,
    response: express.Response,
    entered: string | undefined,
  ): Caller | Promise<Caller> => {
    if (entered !== undefined && isKeyed) return { principal: anonymous, apiKey: entered };
    if (route.caller === 'console') throw new GatewayError('INVALID_API_KEY');
    if (route.caller === 'site') return UNKNOWN;
    if (route.caller === 'anyone') return ofAnyone(request, response);
    const user = route.caller === 'user' ? mounted.authenticate?.(request) : undefined;
    return user === undefined ? ofBackend(request) : ofUser(request, user);
  };
  // Users and sites show a credential of their own, whatever way they came.
  const isKeyed = route.caller !== 'user' && route.caller !== 'site';
  const form = {
    elementsMax: route.caller === 'user' ? USER_ELEMENTS_MAX : BACKEND_ELEMENTS_MAX,
    takesForm: route.takesForm === true,
  };
  // Most calls have no query, and what comes of none is always the same.
  const noQuery = route.query?.safeParse({}).data;
  const queryOf = (request: express.Request): unknown =>
    route.query !== undefined && (noQuery === undefined || request.url.includes('?'))
      ? parseQuery(route.query, request.query)
      : noQuery;
  const method = route.method.toUpperCase();
  const spanName = `${method} ${route.path}`;
  const spanAttributes = { 'http.request.method': method, 'http.route': route.path };
  return async (request, response) => {
    const startedAt = performance.now();
    const span = dependencies.tracing?.begin(spanName, spanAttributes, request.headers['traceparent']);
    let entered: string | undefined;
    let call: Parsed | undefined;
    try {
      entered = entrance?.callerOf(request, route);
      // Only what has to be waited for is: most callers are backends, whose key is looked at in passing.
      const known = authenticate(request, response, entered);
      const { principal, apiKey } = known instanceof Promise ? await known : known;
      const body = route.body && (await dependencies.readBody(request, response, form));
      call = {
        principal,
        apiKey,
        requestId: requestIdOf(response),
        traceparent: span?.traceparent,
        params: route.params && parse(route.params, request.params),
        query: queryOf(request),
        body: route.body && parse(route.body, body),
        request,
        response,
        isStillValid,
      };
      const data = await handle(call as never);
      // The handler has sent a file or a document itself.
      if (response.headersSent) return;
      response.statusCode = route.status ?? 200;
      const { message, text } = route;
      if (text !== undefined) return sendText(response, { status: response.statusCode, text });
      sendJson(response, message === undefined ? toSuccess(data) : { ...toSuccess(data), message });
    } catch (thrown) {
      answerFailure(thrown, { request, response, answering: dependencies, toFailure, failures: route.failures });
    } finally {
      const labels = { route: route.path, status: response.statusCode };
      dependencies.metrics.requestSeconds.observe(labels, (performance.now() - startedAt) / 1000);
      if (entered !== undefined) {
        entrance?.answered({ request, route, params: call?.params, body: call?.body, status: response.statusCode });
      }
      span?.end(
        { 'http.response.status_code': response.statusCode, 'request.id': requestIdOf(response) },
        response.statusCode >= 500,
      );
    }
  };
}

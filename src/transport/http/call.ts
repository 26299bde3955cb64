import type { Request, RequestHandler, Response } from 'express';
import type { ApiKeyGuard } from '../../auth/api-key.js';
import { anonymous, type Principal } from '../../auth/principal.js';
import { GatewayError } from '../../errors.js';
import type { Entrance } from '../../framework/entrance.js';
import { toGatewayError, toRequestFailure, toSuccess } from '../../framework/reply.js';
import type { MountedRoute } from '../../framework/routes.js';
import { createBoundedMap } from '../../platform/bounded-map.js';
import type { Metrics } from '../../platform/metrics.js';
import type { Tracing } from '../../platform/tracing.js';
import { payerOf, type Work } from '../../realtime/work.js';
import { parse, parseQuery } from '../../validation.js';
import { type Answering, answerFailure, sendJson, sendText } from './answers.js';
import type { ReadBody } from './body.js';
import { reasonOfRefusal } from './key-refusals.js';
import { requestIdOf } from './request-id.js';

/** What the calls of all routes use. */
export interface CallDependencies extends Answering {
  readonly metrics: Metrics;
  readonly ensureApiKey: ApiKeyGuard;
  /** Absent: there is none. */
  readonly entrance?: Entrance | undefined;
  readonly work: Work;
  /** `undefined`: off. */
  readonly tracing: Tracing | undefined;
  readonly readBody: ReadBody;
  /** How many bytes the body of a request can have. */
  readonly largestBodyOf: (request: Request) => number;
}

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
  readonly request: Request;
  readonly response: Response;
  readonly isStillValid: (request: Request) => boolean;
}

const UNKNOWN: Caller = { principal: anonymous, apiKey: undefined };

/** Elements of a body: of a user, as in an event, and of a backend or a site, whose payloads are free. */
const USER_ELEMENTS_MAX = 10_000;
const BACKEND_ELEMENTS_MAX = 200_000;

/** Finds out who calls a route. */
function toAuthentication(mounted: MountedRoute, dependencies: CallDependencies) {
  const { route, limit } = mounted;
  const { entrance } = dependencies;
  // Users and sites show a credential of their own, whatever way they came.
  const isKeyed = route.caller !== 'user' && route.caller !== 'site';
  const ofBackend = (request: Request): Caller => ({
    principal: anonymous,
    apiKey: dependencies.ensureApiKey(request),
  });
  // No key is needed, but one that is wrong is logged: keys cannot be tried here without notice.
  const ofAnyone = (request: Request, response: Response): Caller => {
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
  const isStillValid = (request: Request): boolean => {
    try {
      return entrance?.isStillValid(request) ?? ofBackend(request).apiKey !== undefined;
    } catch {
      return false;
    }
  };
  // A call of a user counts as an event, so that REST is no way around the limit.
  const ofUser = async (request: Request, known: Promise<Principal>): Promise<Caller> => {
    const principal = await known;
    const characters = route.body && dependencies.largestBodyOf(request);
    await dependencies.work.begin(payerOf(principal) ?? `address:${request.ip}`, { limit, characters });
    return { principal, apiKey: undefined };
  };
  const authenticate = (
    request: Request,
    response: Response,
    entered: string | undefined,
  ): Caller | Promise<Caller> => {
    if (entered !== undefined && isKeyed) return { principal: anonymous, apiKey: entered };
    if (route.caller === 'console') throw new GatewayError('INVALID_API_KEY');
    if (route.caller === 'site') return UNKNOWN;
    if (route.caller === 'anyone') return ofAnyone(request, response);
    const user = route.caller === 'user' ? mounted.authenticate?.(request) : undefined;
    return user === undefined ? ofBackend(request) : ofUser(request, user);
  };
  return { authenticate, isStillValid };
}

/** Backends send the same few queries all the time. Parsing one takes 10 µs. */
const KNOWN_QUERIES_MAX = 100;
const KNOWN_QUERY_LENGTH_MAX = 200;

/** The pipeline of a route: authenticates, reads, parses, handles, answers; measures all of it. */
export function toRequestHandler(mounted: MountedRoute, dependencies: CallDependencies): RequestHandler {
  const { route, handle, toFailure = toRequestFailure } = mounted;
  const { entrance } = dependencies;
  const { authenticate, isStillValid } = toAuthentication(mounted, dependencies);
  const form = {
    elementsMax: route.caller === 'user' ? USER_ELEMENTS_MAX : BACKEND_ELEMENTS_MAX,
    takesForm: route.takesForm === true,
  };
  const isOfBackend = route.caller === undefined || route.caller === 'backend';
  // Most calls have no query, and what comes of none is always the same.
  const noQuery = route.query?.safeParse({}).data;
  const known = createBoundedMap<unknown>(KNOWN_QUERIES_MAX);
  const queryOf = (request: Request): unknown => {
    if (route.query === undefined) return undefined;
    const at = request.url.indexOf('?');
    if (at === -1 && noQuery !== undefined) return noQuery;
    const text = at === -1 ? '' : request.url.slice(at + 1);
    // Queries of users and visitors can hold what is not to be kept.
    if (!isOfBackend || text.length > KNOWN_QUERY_LENGTH_MAX) return parseQuery(route.query, request.query);
    const found = known.get(text);
    if (found !== undefined) return found;
    const query: object = Object.freeze(parseQuery(route.query, request.query));
    known.set(text, query);
    return query;
  };
  const method = route.method.toUpperCase();
  const spanName = `${method} ${route.path}`;
  const spanAttributes = { 'http.request.method': method, 'http.route': route.path };
  return async (request, response) => {
    const startedAt = performance.now();
    const span = dependencies.tracing?.begin(spanName, spanAttributes, request.headers['traceparent']);
    let entered: string | undefined;
    let call: Parsed | undefined;
    let release: (() => void) | undefined;
    try {
      entered = entrance?.callerOf(request, route);
      // Awaits only promises: most callers are backends, whose key is checked synchronously.
      const known = authenticate(request, response, entered);
      const { principal, apiKey } = known instanceof Promise ? await known : known;
      const body = route.body && (await dependencies.readBody(request, response, form));
      release = body?.release;
      call = {
        principal,
        apiKey,
        requestId: requestIdOf(response),
        traceparent: span?.traceparent,
        params: route.params && parse(route.params, request.params),
        query: queryOf(request),
        body: route.body && parse(route.body, body?.value),
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
      release?.();
      const labels = { route: route.path, status: response.statusCode };
      dependencies.metrics.requestSeconds.observe(labels, (performance.now() - startedAt) / 1000);
      if (entered !== undefined) {
        const { params, query, body } = call ?? {};
        const requestId = requestIdOf(response);
        entrance?.answered({ request, requestId, route, params, query, body, status: response.statusCode });
      }
      span?.end(
        { 'http.response.status_code': response.statusCode, 'request.id': requestIdOf(response) },
        response.statusCode >= 500,
      );
    }
  };
}

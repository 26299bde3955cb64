import type { IncomingMessage } from 'node:http';
import { consoleApi } from '#shared/contracts/console.js';
import type { Route } from '#shared/contracts/contract.js';
import { GatewayError } from '../../errors.js';
import type { EnteredCall, Entrance } from '../../framework/entrance.js';
import type { Logger } from '../../platform/logging/logger.js';
import { decisionOf } from './decisions.js';
import { isFromOtherPage, isFromOwnPage, isSecurePage } from './origin.js';
import type { Pages } from './pages.js';
import type { Sessions } from './sessions.js';
import { affectedBy, targetOf } from './shown.js';
import type { Visits } from './visits.js';

const ROOT = '/console';
const API = `${ROOT}/api`;
const { session, token } = consoleApi.routes;

/** A body with a key; it is read before the caller is known. */
const KEY_BODY_MAX_BYTES = 8192;

interface Dependencies {
  readonly sessions: Sessions;
  readonly visits: Visits;
  readonly pages: Pages;
  readonly hasPayloads: boolean;
  readonly logger: Pick<Logger, 'info'>;
}

/**
 * Everything below `/console`: the page, and below `/console/api` the routes of the gateway for the page. A session takes the
 * place of an API key there. `/` leads to the page.
 */
export function createEntrance({ sessions, visits, pages, hasPayloads, logger }: Dependencies): Entrance {
  /** Logs it, too. */
  const refusal = (request: IncomingMessage, message: string): GatewayError => {
    const { session: own, address } = visits.ensure(request);
    const key = own === undefined ? null : `console:${own.name}`;
    logger.info({ key, method: request.method, reason: message, address }, 'the console refused a call');
    return new GatewayError('FORBIDDEN', { details: [{ path: '', message }] });
  };

  /** @throws GatewayError when the caller has no session, or its page is another */
  const enterApi = (request: IncomingMessage, path: string, address: string): void => {
    const { headers } = request;
    const isOwn = path === session.path || path === token.path;
    // Below, headers are removed that a later check needs.
    const shown = { headers: { ...headers }, socket: request.socket };
    const visit = {
      session: sessions.of(shown),
      isStillValid: () => sessions.of(shown) !== undefined,
      isFromOwnPage: isFromOwnPage(headers),
      isSecure: isSecurePage(headers),
      address,
      isOwn,
    };
    visits.add(request, visit);
    if (isFromOtherPage(headers)) throw refusal(request, 'the call comes from a page of another origin');
    if (visit.session === undefined && path !== session.path) {
      const message = 'there is no session, or it has ended; log in with a key';
      throw new GatewayError('INVALID_API_KEY', { details: [{ path: '', message }] });
    }
    if (!isRead(request) && !visit.isFromOwnPage) throw refusal(request, NOT_OWN_PAGE);
    if (path === session.path) ensureSmallBody(request);
    if (!isOwn) request.url = toRouteUrl(request.url ?? '', path);
    // Checked here. `CORS_ORIGINS` is for pages of others.
    for (const name of ['cookie', 'origin', 'x-console']) delete headers[name];
  };

  return {
    isOf: (url) =>
      (url.startsWith(ROOT) && ['', '/', '?'].includes(url.charAt(ROOT.length))) || /^\/(?:\?|$)/.test(url),

    enter(request, response, address) {
      const [path = ''] = (request.url ?? '').split('?', 1);
      if (path === API || path.startsWith(`${API}/`)) {
        enterApi(request, path, address);
        return false;
      }
      if (path === '/' && !isRead(request)) return false;
      pages(request, response);
      return true;
    },

    callerOf(request, route) {
      const visit = visits.of(request);
      if (visit === undefined) return undefined;
      const decision = decisionOf(route);
      const isOwnRoute = route.path.startsWith(`${ROOT}/`);
      if (decision === undefined || isOwnRoute !== visit.isOwn) throw new GatewayError('NOT_FOUND');
      if (decision === 'own' || visit.session === undefined) return undefined;
      if (decision === 'act' && visit.session.access !== 'act') throw refusal(request, 'the session may only read');
      // Routes that act are not always of a method that pages of others cannot use.
      if (decision === 'act' && !visit.isFromOwnPage) throw refusal(request, NOT_OWN_PAGE);
      if (!hasPayloads && asksForPayloads(request)) throw refusal(request, 'CONSOLE_PAYLOADS is off');
      return `console:${visit.session.name}`;
    },

    isStillValid: (request) => visits.of(request)?.isStillValid(),

    answered(call) {
      const visit = visits.of(call.request);
      if (visit?.session === undefined || decisionOf(call.route) !== 'act') return;
      const key = `console:${visit.session.name}`;
      logger.info({ key, ...toLogged(call), address: visit.address }, 'a call was made in the console');
    },
  };
}

const NOT_OWN_PAGE = 'the call does not come from the page of the console';

const isRead = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD';

function ensureSmallBody({ headers }: IncomingMessage): void {
  const isUnbounded = headers['transfer-encoding'] !== undefined || headers['content-encoding'] !== undefined;
  if (isUnbounded || Number(headers['content-length'] ?? 0) > KEY_BODY_MAX_BYTES) {
    throw new GatewayError('PAYLOAD_TOO_LARGE');
  }
}

/**
 * `/console/api/nodes?x` → `/nodes?x`. Segments that a proxy or a router could take for another path are refused, and so is
 * what would lead back into the console.
 * @throws GatewayError `NOT_FOUND`
 */
function toRouteUrl(url: string, path: string): string {
  const segments = path
    .slice(API.length + 1)
    .split('/')
    .map(decode);
  if (segments.some((segment) => ['', '.', '..'].includes(segment)) || segments[0]?.toLowerCase() === ROOT.slice(1)) {
    throw new GatewayError('NOT_FOUND');
  }
  return url.slice(API.length);
}

/** What cannot be decoded is refused as an empty segment is. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

/** Whether a call asks for payloads, in any spelling. */
const asksForPayloads = ({ url = '' }: IncomingMessage): boolean =>
  url.includes('?') && new URLSearchParams(url.slice(url.indexOf('?'))).has('payloads');

const toLogged = ({ requestId, route, params, query, body, status }: EnteredCall) => ({
  requestId,
  call: nameOf(route),
  params: { ...(params ?? {}), ...targetOf(query) },
  users: affectedBy(params, body),
  status,
});

const nameOf = ({ method, path }: Route): string => `${method.toUpperCase()} ${path}`;

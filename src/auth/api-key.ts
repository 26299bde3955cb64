import type { IncomingHttpHeaders } from 'node:http';
import type { LiveSecrets } from '../config/live-secrets.js';
import { GatewayError } from '../errors.js';
import { digestOf, digestOfHeader, findByDigest } from './key-digest.js';
import { readBearer } from './token-sources.js';

/** Who may call: holders of a key, callers on this machine, or every caller. */
type ApiKeyMode = 'keys' | 'loopback' | 'none';

/** The part of an `IncomingMessage` that the guard reads. */
export interface ApiKeyRequest {
  readonly headers: IncomingHttpHeaders;
  readonly headersDistinct?: NodeJS.Dict<string[]>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** @returns the name of the caller in the log: never the key itself @throws GatewayError `INVALID_API_KEY` */
export type ApiKeyGuard = (request: ApiKeyRequest) => string;

interface ApiKeyGuardOptions {
  /** Any of them is accepted, which allows rotation. Only used in mode `keys`. */
  keys: readonly string[];
  mode: ApiKeyMode;
}

/**
 * Guard of the routes for backends. `keys`: requires a key in `x-api-key`, or in `Authorization: Bearer` if there is no
 * `x-api-key`. `loopback`: requires a loopback peer, a local host name, no proxy headers and no foreign origin; the
 * `details` of the error name the failed check. `none`: accepts anyone.
 *
 * @returns a function that returns the name of the caller for the log, and throws GatewayError `INVALID_API_KEY`
 * @throws Error when the mode is `keys` and a key is missing or empty
 */
export function createApiKeyGuard({ keys, mode }: ApiKeyGuardOptions): ApiKeyGuard {
  if (mode === 'loopback') return ensureLocal;
  if (mode === 'none')
    return function anyCaller() {
      return 'anyone';
    };
  const nameOf = createCheck(keys);
  return function ensureApiKey(request) {
    const name = nameOf(request);
    if (name === undefined) throw new GatewayError('INVALID_API_KEY');
    return name;
  };
}

/** The configured guard: the API keys in force if there are some, else this machine only, unless REST is open. */
export function configureApiKeyGuard(secrets: LiveSecrets, isRestOpen: boolean): ApiKeyGuard {
  const guard = secrets.derive(({ apiKeys }) => {
    const mode = apiKeys.length > 0 ? 'keys' : isRestOpen ? 'none' : 'loopback';
    return createApiKeyGuard({ keys: apiKeys, mode });
  });
  return (request) => guard()(request);
}

function createCheck(keys: readonly string[]): (request: ApiKeyRequest) => string | undefined {
  if (keys.length === 0 || keys.includes('')) throw new Error('The API key guard needs keys, none of them empty');
  const known = keys.map((key) => ({ digest: digestOf(key), name: nameOfApiKey(key) }));
  return function checkApiKey(request) {
    const presented = readKey(request);
    return presented === undefined ? undefined : findByDigest(known, digestOfHeader(presented))?.name;
  };
}

/** Bytes of the digest in the name of a key: enough to tell keys apart, of no use to guess a strong one. */
const NAME_BYTES = 4;

/** The name of an API key in the log. */
export const nameOfApiKey = (key: string): string => `sha256:${digestOf(key).toString('hex', 0, NAME_BYTES)}`;

/** A repeated header is rejected: a proxy and the gateway could read different values. */
function readKey(request: ApiKeyRequest): string | undefined {
  const { headers } = request;
  const key = headers['x-api-key'];
  if (key !== undefined) return typeof key === 'string' ? key : undefined;
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  // Node.js builds this list on first access; most requests do not need it.
  if ((request.headersDistinct?.['authorization']?.length ?? 1) > 1) return undefined;
  return readBearer(authorization);
}

const LOOPBACK_ADDRESS = /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/i;

/** Host names that always resolve to this machine (RFC 6761, 6.3), and loopback addresses. */
const LOOPBACK_NAME = String.raw`(?:(?:[\w-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?`;
const LOOPBACK_HOST = new RegExp(`^${LOOPBACK_NAME}$`, 'i');
const LOOPBACK_ORIGIN = new RegExp(`^https?://${LOOPBACK_NAME}$`, 'i');

/** Headers that proxies add: the standard ones and common ones for client addresses. */
const PROXY_HEADER =
  /^(?:via|cdn-loop|(?:x-)?(?:original-)?forwarded(?:-.*)?|x-original-.*|x-envoy-.*|(?:[a-z]+-)*(?:client|cluster|connecting|real|remote|user|source|originating|proxyuser)-?(?:ip|addr)(?:ess)?(?:v6|-country)?)$/;

/**
 * Accepts only callers on this machine. A loopback peer can also be a local proxy, a page in a local browser, or a
 * foreign name that resolves to this machine (DNS rebinding); the headers reveal each of these.
 */
function ensureLocal({ headers, socket }: ApiKeyRequest): string {
  const refuse = (path: string, reason: string): never => {
    const message = `${reason}; without EMIT_API_KEYS only callers on this machine are accepted`;
    throw new GatewayError('INVALID_API_KEY', { details: [{ path, message }] });
  };
  if (!LOOPBACK_ADDRESS.test(socket.remoteAddress ?? '')) refuse('', 'the request comes from another machine');
  if (headers.host !== undefined && !LOOPBACK_HOST.test(headers.host)) {
    refuse('host', 'the request has a host name other than localhost');
  }
  const ofProxy = Object.keys(headers).find((name) => PROXY_HEADER.test(name));
  if (ofProxy !== undefined) refuse(ofProxy, 'the request came through a proxy');
  if (headers.origin !== undefined && !LOOPBACK_ORIGIN.test(headers.origin)) {
    refuse('origin', 'the request comes from a page of another origin');
  }
  if (headers['sec-fetch-site'] === 'cross-site')
    refuse('sec-fetch-site', 'the request comes from a page of another site');
  return 'loopback';
}

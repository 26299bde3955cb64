import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';
import { readBearer } from './bearer.js';

/** Who may call: holders of a key, callers on this machine, or anyone. */
export type ApiKeyMode = 'keys' | 'loopback' | 'none';

/** The part of an `IncomingMessage` that is looked at. */
export interface ApiKeyRequest {
  readonly headers: IncomingHttpHeaders;
  readonly headersDistinct?: NodeJS.Dict<string[]>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

export interface ApiKeyGuardOptions {
  /** Any of them is accepted, so that keys can be rotated. Only read in the mode `keys`. */
  keys: readonly string[];
  mode: ApiKeyMode;
}

/**
 * The guard of the backend's routes. `keys`: one in `x-api-key`, or as `Authorization: Bearer` when there is no `x-api-key`.
 * `loopback`: a peer on a loopback address that asked for this machine by name, did not come through a proxy and is no page
 * of another site; the `details` of a refusal say which of these it was. `none`: anyone.
 *
 * @returns throws GatewayError `INVALID_API_KEY` for a caller that is not let in
 * @throws Error when the mode is `keys` and there is none, or an empty one
 */
export function createApiKeyGuard({ keys, mode }: ApiKeyGuardOptions): (request: ApiKeyRequest) => void {
  if (mode === 'loopback') return ensureLocal;
  const isAllowed = createCheck(keys, mode);
  return (request) => {
    if (!isAllowed(request)) throw new GatewayError('INVALID_API_KEY');
  };
}

/** The guard that the configuration asks for: keys when there are any, else this machine only, unless REST is to be open. */
export function configureApiKeyGuard({ apiKeys, isRestOpen }: Config['auth']): (request: ApiKeyRequest) => void {
  const mode = apiKeys.length > 0 ? 'keys' : isRestOpen ? 'none' : 'loopback';
  return createApiKeyGuard({ keys: apiKeys, mode });
}

function createCheck(keys: readonly string[], mode: 'keys' | 'none'): (request: ApiKeyRequest) => boolean {
  if (mode === 'none') return () => true;
  if (keys.length === 0 || keys.includes('')) throw new Error('The API key guard needs keys, none of them empty');
  const digests = keys.map((key) => digest(Buffer.from(key, 'utf8')));
  return (request) => {
    const presented = readKey(request);
    // Node.js reads headers as latin1: this gives back the bytes that were sent.
    return presented !== undefined && isAnyOf(digests, digest(Buffer.from(presented, 'latin1')));
  };
}

const digest = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer');

/** Digests have one length and say nothing about their keys; all are compared, so that the time does not tell which matched. */
function isAnyOf(digests: readonly Buffer[], candidate: Buffer): boolean {
  let matches = 0;
  for (const known of digests) matches += Number(timingSafeEqual(known, candidate));
  return matches > 0;
}

/** A header that was sent twice is no key: two parties on the way could each have read another one. */
function readKey(request: ApiKeyRequest): string | undefined {
  const { headers } = request;
  const key = headers['x-api-key'];
  if (key !== undefined) return typeof key === 'string' ? key : undefined;
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  // Node.js makes this list when it is first asked for, which most callers' requests need not pay for.
  if ((request.headersDistinct?.['authorization']?.length ?? 1) > 1) return undefined;
  return readBearer(authorization);
}

const LOOPBACK_ADDRESS = /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/i;

/** Names that no name server can give to another machine (RFC 6761, 6.3), and the addresses themselves. */
const LOOPBACK_NAME = String.raw`(?:(?:[\w-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?`;
const LOOPBACK_HOST = new RegExp(`^${LOOPBACK_NAME}$`, 'i');
const LOOPBACK_ORIGIN = new RegExp(`^https?://${LOOPBACK_NAME}$`, 'i');

/** What proxies add: the standard headers, and the usual ones for the address of a client. */
const PROXY_HEADER =
  /^(?:via|cdn-loop|(?:x-)?(?:original-)?forwarded(?:-.*)?|x-original-.*|x-envoy-.*|(?:[a-z]+-)*(?:client|cluster|connecting|real|remote|user|source|originating|proxyuser)-?(?:ip|addr)(?:ess)?(?:v6|-country)?)$/;

/**
 * Holds for a caller on this machine itself. Three things make others look like one: a proxy that runs here, a page in a
 * browser here, and a foreign name that resolves to this machine (DNS rebinding). Each shows in the headers.
 */
function ensureLocal({ headers, socket }: ApiKeyRequest): void {
  const refuse = (path: string, reason: string): never => {
    const message = `${reason}; without EMIT_API_KEYS only callers on this machine itself are let in`;
    throw new GatewayError('INVALID_API_KEY', { details: [{ path, message }] });
  };
  if (!LOOPBACK_ADDRESS.test(socket.remoteAddress ?? '')) refuse('', 'the call comes from another machine');
  if (headers.host !== undefined && !LOOPBACK_HOST.test(headers.host)) {
    refuse('host', 'the call is for a name that is not localhost');
  }
  const ofProxy = Object.keys(headers).find((name) => PROXY_HEADER.test(name));
  if (ofProxy !== undefined) refuse(ofProxy, 'the call came through a proxy');
  if (headers.origin !== undefined && !LOOPBACK_ORIGIN.test(headers.origin)) {
    refuse('origin', 'the call is of a page of another origin');
  }
  if (headers['sec-fetch-site'] === 'cross-site') refuse('sec-fetch-site', 'the call is of a page of another site');
}

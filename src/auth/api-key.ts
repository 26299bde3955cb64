import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';
import { readBearer } from './bearer.js';

/** Who may call: holders of a key, callers on this machine, or everybody. */
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
 * `loopback`: a peer on a loopback address that did not come through a proxy and is no page of another site. `none`: everybody.
 *
 * @returns throws GatewayError `INVALID_API_KEY` for a caller that is not let in
 * @throws Error when the mode is `keys` and there is none, or an empty one
 */
export function createApiKeyGuard({ keys, mode }: ApiKeyGuardOptions): (request: ApiKeyRequest) => void {
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

function createCheck(keys: readonly string[], mode: ApiKeyMode): (request: ApiKeyRequest) => boolean {
  if (mode === 'none') return () => true;
  if (mode === 'loopback') return isLocal;
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

const LOCAL_ORIGIN = /^https?:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

/** A proxy on this machine makes every caller look local, and so does a browser on it; both tell so in their headers. */
const isLocal = ({ headers, socket }: ApiKeyRequest): boolean =>
  headers.forwarded === undefined &&
  headers['x-forwarded-for'] === undefined &&
  !isOfForeignPage(headers) &&
  LOOPBACK_ADDRESS.test(socket.remoteAddress ?? '');

/** Any page of the web may send requests to this machine from a browser that runs here. */
const isOfForeignPage = (headers: IncomingHttpHeaders): boolean =>
  headers['sec-fetch-site'] === 'cross-site' || (headers.origin !== undefined && !LOCAL_ORIGIN.test(headers.origin));

import type { IncomingHttpHeaders } from 'node:http';
import { invalidToken } from './invalid-token.js';

/** A client's credential: the id of an API session, or a token. */
export type Credential = { readonly sessionId: string } | { readonly token: string };

/** The part of a Socket.IO handshake that can contain a credential. */
export interface Handshake {
  readonly auth: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: IncomingHttpHeaders;
}

/** The part of an event's payload that can contain a credential. */
export interface EventCredentials {
  readonly session_id?: unknown;
  readonly token?: unknown;
}

/**
 * The credential of an event's payload: `session_id`, else `token`. `null` counts as absent.
 *
 * @throws GatewayError `INVALID_TOKEN` when the first present one is not a string; later ones are not tried
 */
export function selectEventCredential({ session_id, token }: EventCredentials): Credential | undefined {
  if (session_id != null) return { sessionId: ensureString(session_id) };
  if (token != null) return { token: ensureString(token) };
  return undefined;
}

/**
 * The credential of a handshake. Uses only the first present one of `auth.session_id`, `auth.token`, the query's
 * `token`, the header `x-token`, `Authorization: Bearer`.
 *
 * @throws GatewayError `INVALID_TOKEN` when it is not a string (a repeated `token` in the query is a list)
 */
export function selectHandshakeCredential({ auth, query, headers }: Handshake): Credential | undefined {
  const credential = selectEventCredential(auth);
  if (credential !== undefined) return credential;
  const token = query['token'] ?? headers['x-token'] ?? readBearer(headers.authorization);
  return token == null ? undefined : { token: ensureString(token) };
}

function ensureString(value: unknown): string {
  if (typeof value !== 'string') throw invalidToken('a credential that is not a string');
  return value;
}

/** The token of an `Authorization: Bearer` header (RFC 6750); `undefined` if absent or of another scheme. */
export const readBearer = (authorization: string | undefined): string | undefined =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];

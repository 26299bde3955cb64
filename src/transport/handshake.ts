import type { IncomingMessage } from 'node:http';
import type { Socket } from 'socket.io';

/** Headers that a namespace may ask for after the connection was made. */
const KEPT_HEADERS = ['authorization', 'origin', 'x-forwarded-for', 'x-token'] as const;

/** Socket.IO adds the parsed query. */
type HandshakeRequest = IncomingMessage & { _query?: Record<string, unknown> };

/**
 * Lets go of the HTTP request of a handshake, which Engine.IO keeps as long as the connection: several kilobytes each.
 * What a later connection to another namespace needs stays.
 */
export function slimRequest(connection: { request: IncomingMessage }): void {
  const request: HandshakeRequest = connection.request;
  const headers: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const isEncrypted = 'encrypted' in request.socket;
  const slim = { headers, _query: request._query ?? {}, connection: isEncrypted ? ENCRYPTED : PLAIN };
  connection.request = slim as unknown as IncomingMessage;
}

const ENCRYPTED = { encrypted: true };
const PLAIN = { encrypted: false };

/** Credentials are not kept longer than they are needed. */
export function forgetCredentials(socket: Pick<Socket, 'handshake'>): void {
  const { auth } = socket.handshake;
  for (const name of ['token', 'session_id']) {
    if (name in auth) delete auth[name];
  }
}

/**
 * The client's address: that of the connection, or what the nearest of `trustedProxies` reverse proxies says it is.
 */
export function addressOf({ address, headers }: Socket['handshake'], trustedProxies: number): string {
  const forwarded = headers['x-forwarded-for'];
  if (trustedProxies === 0 || typeof forwarded !== 'string') return address;
  const hops = forwarded.split(',').map((hop) => hop.trim());
  return hops.at(-trustedProxies) ?? address;
}

import { GatewayError } from '../errors.js';

/** The identity of a caller, from a verified credential. The only source of identity in the gateway. */
export type Principal = UserPrincipal | VisitorPrincipal | SitePrincipal | AnonymousPrincipal;

/** A user of the platform, from a JWT. The user id claim may be `uid`, `userId` or `sub`. */
export interface UserPrincipal {
  readonly kind: 'user';
  readonly userId: string;
  /** `''` when the token has none. */
  readonly accountId: string;
  readonly workspaceId: string;
  readonly scopes: readonly string[];
  readonly assignment: unknown;
  /** The `jti` of the token; `''` when it has none. */
  readonly tokenId: string;
  /** The secret that signed the token, as in `TokenSecret`; 0: a key of a key set. */
  readonly secretId: number;
  /** Unix time in milliseconds of `iat`; 0 for a token without one. */
  readonly issuedAt: number;
  /** Unix time in milliseconds; `Infinity` for a token without `exp`. */
  readonly expiresAt: number;
}

/** A visitor of a live chat, from a visitor JWT. May access only the conversations that the token names. */
export interface VisitorPrincipal {
  readonly kind: 'visitor';
  readonly visitorId: string;
  readonly accountId: string;
  readonly conversationIds: readonly string[];
  readonly tokenId: string;
  readonly secretId: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** A client of a push site, as authenticated by its website. */
export interface SitePrincipal {
  readonly kind: 'site';
  readonly site: string;
  /** The name of the user's own room without the prefix; `undefined`: not a single user. */
  readonly userId: string | undefined;
  /** The rooms in the website's response, without the user's own room. */
  readonly rooms: readonly string[];
  /** The headers of the request that authenticated the client; sent to the website again when the user disconnects. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly expiresAt: number;
}

/** An unauthenticated client (lead finder), identified by its network address. */
export interface AnonymousPrincipal {
  readonly kind: 'anonymous';
  readonly expiresAt: number;
}

/** Shared by all anonymous clients, because it has no data of its own. */
export const anonymous: AnonymousPrincipal = Object.freeze({ kind: 'anonymous', expiresAt: Number.POSITIVE_INFINITY });

/** Narrows the principal in namespaces for users. @throws GatewayError `INVALID_TOKEN` for any other principal */
export function ensureUser(principal: Principal): UserPrincipal {
  if (principal.kind !== 'user') throw new GatewayError('INVALID_TOKEN');
  return principal;
}

/** The id of the user, or of the visitor, of a principal; `null`: it has none. */
export function userOf(principal: Principal): string | null {
  if (principal.kind === 'user') return principal.userId;
  if (principal.kind === 'visitor') return principal.visitorId;
  return (principal.kind === 'site' ? principal.userId : undefined) ?? null;
}

import { GatewayError } from '../errors.js';

/** Who a verified credential says the caller is. The only source of identity in the gateway. */
export type Principal = UserPrincipal | VisitorPrincipal | SitePrincipal | AnonymousPrincipal;

/** A user of the platform, from a JWT. Claims as the platform issues them; `uid` may be called `userId` or `sub`. */
export interface UserPrincipal {
  readonly kind: 'user';
  readonly userId: string;
  /** `''` when the token names none. */
  readonly accountId: string;
  readonly workspaceId: string;
  readonly scopes: readonly string[];
  readonly assignment: unknown;
  /** The `jti` of the token; `''` when it has none. */
  readonly tokenId: string;
  /** Unix time in milliseconds of `iat`; 0 for a token without one. */
  readonly issuedAt: number;
  /** Unix time in milliseconds; `Infinity` for a token without `exp`. */
  readonly expiresAt: number;
}

/** A visitor of a live chat, from a visitor JWT. Opens only the conversations that the token names. */
export interface VisitorPrincipal {
  readonly kind: 'visitor';
  readonly visitorId: string;
  readonly accountId: string;
  readonly conversationIds: readonly string[];
  readonly tokenId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** A client of a push site, as the site's own website knows it. */
export interface SitePrincipal {
  readonly kind: 'site';
  readonly site: string;
  /** What follows the prefix of the user's own room; `undefined`: no single user. */
  readonly userId: string | undefined;
  /** What the website answered, without the room of the user. */
  readonly rooms: readonly string[];
  /** What the website knows the client by: the headers of the call that let it in. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly expiresAt: number;
}

/** An unauthenticated client (lead finder), identified by network address only. */
export interface AnonymousPrincipal {
  readonly kind: 'anonymous';
  readonly expiresAt: number;
}

/** The one anonymous principal: it carries nothing of its own. */
export const anonymous: AnonymousPrincipal = Object.freeze({ kind: 'anonymous', expiresAt: Number.POSITIVE_INFINITY });

/**
 * The principal of a namespace that only users enter.
 * @throws GatewayError `INVALID_TOKEN` for any other principal
 */
export function ensureUser(principal: Principal): UserPrincipal {
  if (principal.kind !== 'user') throw new GatewayError('INVALID_TOKEN');
  return principal;
}

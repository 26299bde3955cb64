import { z } from 'zod';
import { invalidToken } from './invalid-token.js';
import type { UserPrincipal } from './principal.js';

/** The longest id of anybody or anything that a token may name, in characters. */
export const MAX_ID_LENGTH = 128;

/** An id that a token must name: opaque, 1–{@link MAX_ID_LENGTH} characters. */
export const idClaim = z.string().min(1).max(MAX_ID_LENGTH);

/** Seconds since 1970, as JWT times are; `null` counts as absent. */
export const expiryClaim = z.number().nullish();

const optionalIdClaim = z.string().max(MAX_ID_LENGTH).nullish();

const userClaims = z.object({
  type: z.unknown().optional(),
  uid: z.unknown().optional(),
  userId: z.unknown().optional(),
  sub: z.unknown().optional(),
  account_id: optionalIdClaim,
  workspace_id: optionalIdClaim,
  scope: z.string().nullish(),
  assignment: z.unknown().optional(),
  exp: expiryClaim,
});

/**
 * The user that verified claims name. Of `uid`, `userId` and `sub` the first one present counts, and only that one is
 * looked at: a `sub` of an identity provider may be anything when `uid` is there.
 *
 * @throws GatewayError `INVALID_TOKEN` when a claim is missing or of a wrong shape, or the token is a visitor's
 */
export function toUserPrincipal(payload: unknown): UserPrincipal {
  const claims = parseClaims(userClaims, payload);
  if (claims.type === 'visitor') throw invalidToken('a visitor token where a user is expected');
  return {
    kind: 'user',
    userId: parseClaims(idClaim, claims.uid ?? claims.userId ?? claims.sub),
    accountId: claims.account_id ?? '',
    workspaceId: claims.workspace_id ?? '',
    scopes: (claims.scope ?? '').split(/\s+/).filter((scope) => scope !== ''),
    assignment: claims.assignment,
    expiresAt: toExpiry(claims.exp),
  };
}

/** Unix time in milliseconds of an `exp` claim; `Infinity` without one. */
export const toExpiry = (exp: number | null | undefined): number =>
  exp == null ? Number.POSITIVE_INFINITY : exp * 1000;

/** @throws GatewayError `INVALID_TOKEN`, whose cause names the claims that are wrong, never their values */
export function parseClaims<Claims>(schema: z.ZodType<Claims>, payload: unknown): Claims {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'claim'}: ${issue.message}`);
  throw invalidToken(problems.join('; '));
}

import { z } from 'zod';
import { opaqueId } from '#shared/contracts/primitives.js';
import { invalidClaims, invalidToken } from './invalid-token.js';
import type { UserPrincipal } from './principal.js';

/**
 * An id that a token must name. Some issuers number their users: a number is taken as its text, unless JSON may have
 * rounded it.
 */
export const idClaim = z.preprocess((value, context) => {
  if (typeof value !== 'number') return value;
  if (Number.isSafeInteger(value)) return String(value);
  context.addIssue({ code: 'custom', message: 'a number that is no exact integer; it has to be text' });
  return z.NEVER;
}, opaqueId);

/** Seconds since 1970, as JWT times are; `null` counts as absent. */
const expiryClaim = z.number().nullish();

const optionalIdClaim = z.preprocess((value) => (value === '' ? null : value), idClaim.nullish());

/** What a token says of itself. What cannot be an id or a time counts as absent: such tokens have always been accepted. */
export const tokenClaims = {
  jti: optionalIdClaim.catch(null),
  iat: z.number().nullish().catch(null),
  exp: expiryClaim,
};

const userClaims = z.object({
  type: z.unknown().optional(),
  uid: z.unknown().optional(),
  userId: z.unknown().optional(),
  sub: z.unknown().optional(),
  account_id: optionalIdClaim,
  workspace_id: optionalIdClaim,
  scope: z.string().nullish(),
  assignment: z.unknown().optional(),
  ...tokenClaims,
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
    scopes: toScopes(claims.scope ?? ''),
    assignment: claims.assignment,
    ...toTokenFacts(claims),
  };
}

/** Texts of scopes that were seen, with their lists: users share a few, so each connection need not keep its own. */
const knownScopes = new Map<string, readonly string[]>();
const KNOWN_SCOPES_MAX = 1000;

function toScopes(text: string): readonly string[] {
  const known = knownScopes.get(text);
  if (known !== undefined) return known;
  const scopes = Object.freeze(text.split(/\s+/).filter((scope) => scope !== ''));
  if (knownScopes.size < KNOWN_SCOPES_MAX) knownScopes.set(text, scopes);
  return scopes;
}

/** What a principal keeps of the token that named it. Times are Unix times in milliseconds. */
export const toTokenFacts = ({
  jti,
  iat,
  exp,
}: { [Name in keyof typeof tokenClaims]?: z.output<(typeof tokenClaims)[Name]> }) => ({
  tokenId: jti ?? '',
  issuedAt: (iat ?? 0) * 1000,
  expiresAt: exp == null ? Number.POSITIVE_INFINITY : exp * 1000,
});

/** @throws GatewayError `INVALID_TOKEN`, whose cause names the claims that are wrong, never their values */
export function parseClaims<Claims>(schema: z.ZodType<Claims>, payload: unknown): Claims {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'claim'}: ${issue.message}`);
  throw invalidClaims(problems.join('; '));
}

import { z } from 'zod';
import { accountId, opaqueId, userId } from '#shared/contracts/primitives.js';
import { YEAR_10000 } from '#shared/utilities/time.js';
import { safeParse } from '../validation.js';
import { invalidClaims, invalidToken } from './invalid-token.js';
import type { UserPrincipal } from './principal.js';

/** A token whose signature was verified. */
export interface VerifiedToken {
  /** Its claims. */
  readonly payload: unknown;
  /** The secret that signed it, as in `TokenSecret`. */
  readonly secretId: number;
}

/** A required id claim. Some issuers send numbers: they are converted to text, unless JSON may have rounded them. */
const toIdClaim = (id: z.ZodType<string>) =>
  z.preprocess((value, context) => {
    if (typeof value !== 'number') return value;
    if (Number.isSafeInteger(value)) return String(value);
    context.addIssue({ code: 'custom', message: 'a number that is not an exact integer; use text' });
    return z.NEVER;
  }, id);

/** The id of a visitor, a conversation, a workspace or a token. */
export const idClaim = toIdClaim(opaqueId);

/** The id of an account; its canonical form, in which rooms are named. */
export const accountIdClaim = toIdClaim(accountId);
const userIdClaim = toIdClaim(userId);

/** Seconds since 1970, as in JWTs; `null` counts as absent. */
const expiryClaim = z.number().nullish();

const toOptional = (claim: z.ZodType<string>) =>
  z.preprocess((value) => (value === '' ? null : value), claim.nullish());

/**
 * Claims about the token itself. Invalid ids and times count as absent, because such tokens have always been accepted.
 */
export const tokenClaims = {
  jti: toOptional(idClaim).catch(null),
  iat: z.number().nullish().catch(null),
  exp: expiryClaim,
};

const userClaims = z.object({
  type: z.unknown().optional(),
  uid: z.unknown().optional(),
  userId: z.unknown().optional(),
  sub: z.unknown().optional(),
  account_id: toOptional(accountIdClaim),
  workspace_id: toOptional(idClaim),
  scope: z.string().nullish(),
  assignment: z.unknown().optional(),
  ...tokenClaims,
});

/**
 * The user in verified claims. Uses the first present claim of `uid`, `userId` and `sub` and ignores the others: with
 * `uid`, an identity provider may put anything into `sub`.
 *
 * @throws GatewayError `INVALID_TOKEN` for a missing or invalid claim, or a visitor token
 */
export function toUserPrincipal({ payload, secretId }: VerifiedToken): UserPrincipal {
  const claims = parseClaims(userClaims, payload);
  if (claims.type === 'visitor') throw invalidToken('a visitor token where a user is expected');
  const { tokenId, issuedAt, expiresAt } = toTokenFacts(claims);
  return {
    kind: 'user',
    userId: parseClaims(userIdClaim, claims.uid ?? claims.userId ?? claims.sub),
    accountId: claims.account_id ?? '',
    workspaceId: claims.workspace_id ?? '',
    scopes: toScopes(claims.scope ?? ''),
    assignment: claims.assignment,
    tokenId,
    secretId,
    issuedAt,
    expiresAt,
  };
}

/** Scope lists by their text. Users share a few of them, so connections share the lists. */
const knownScopes = new Map<string, readonly string[]>();
/** Together they bound the cache to a few megabytes, although a token may have a scope of 128 KiB. */
const KNOWN_SCOPES_MAX = 1000;
const KNOWN_SCOPE_MAX_CHARACTERS = 512;

function toScopes(text: string): readonly string[] {
  const known = knownScopes.get(text);
  if (known !== undefined) return known;
  const scopes = Object.freeze(text.split(/\s+/).filter((scope) => scope !== ''));
  const isShared = text.length <= KNOWN_SCOPE_MAX_CHARACTERS && knownScopes.size < KNOWN_SCOPES_MAX;
  if (isShared) knownScopes.set(text, scopes);
  return scopes;
}

/** Token facts that a principal keeps. Times are Unix times in milliseconds. */
export const toTokenFacts = ({
  jti,
  iat,
  exp,
}: { [Name in keyof typeof tokenClaims]?: z.output<(typeof tokenClaims)[Name]> }) => ({
  tokenId: jti ?? '',
  issuedAt: (iat ?? 0) * 1000,
  expiresAt: toExpiry(exp),
});

/** A token that ends after the year 9999 does not end: no answer can show that time. */
const toExpiry = (exp: number | null | undefined): number =>
  exp == null || exp * 1000 >= YEAR_10000 ? Number.POSITIVE_INFINITY : exp * 1000;

/** @throws GatewayError `INVALID_TOKEN`, with the names of the invalid claims as the cause, never their values */
export function parseClaims<Claims>(schema: z.ZodType<Claims>, payload: unknown): Claims {
  const result = safeParse(schema, payload);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'claim'}: ${issue.message}`);
  throw invalidClaims(problems.join('; '));
}

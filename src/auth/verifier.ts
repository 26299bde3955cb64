import { errors, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import jwt from 'jsonwebtoken';
import { GatewayError } from '../errors.js';
import type { Clock } from '../platform/time/clock.js';
import { toUserPrincipal, type VerifiedToken } from './claims.js';
import { invalidClaims, invalidToken } from './invalid-token.js';
import type { KeySet } from './key-set.js';
import type { UserPrincipal, VisitorPrincipal } from './principal.js';
import { NO_SECRET, type TokenSecret, type TokenSecrets } from './token-secrets.js';
import { toVisitorPrincipal } from './visitor.js';

/**
 * Longer than any of the platform's tokens (a visitor's 500 conversations). Bounds what is decoded before the signature
 * is verified.
 */
const MAX_TOKEN_LENGTH = 128 * 1024;

/** Public-key algorithms only: HMAC would accept tokens signed with the published key. */
const KEY_SET_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Bounds the keys that are tried for a token that names none. */
const KEYS_TRIED_MAX = 20;

/** The source of keys: shared secrets (HS256), of which any is accepted, or a key set. A key set excludes the secrets. */
export interface TokenVerifierOptions {
  secrets?: TokenSecrets | undefined;
  jwks?: KeySet | undefined;
  clock: Clock;
  /** Required claims; absent: none. */
  expected?: ExpectedClaims | undefined;
}

/** Required claims of tokens. */
export interface ExpectedClaims {
  /** Accepted values of `iss`. Empty: any value, or none. */
  issuers: readonly string[];
  /** `aud` must contain one of them. Empty: any value, or none. */
  audiences: readonly string[];
  /** Tolerance for `exp` and `nbf`, for clocks of issuers that differ. */
  clockToleranceMs: number;
}

const NOTHING_EXPECTED: ExpectedClaims = { issuers: [], audiences: [], clockToleranceMs: 0 };

/**
 * Turns a JWT into a principal. With a shared secret the methods return or throw synchronously; with a key set they
 * return a promise. `await` covers both.
 *
 * Errors: `INVALID_TOKEN` with the reason as its cause (never the token), `UNAVAILABLE` when no key set could be loaded
 * yet.
 */
export interface TokenVerifier {
  /** Accepts valid user tokens only. */
  verifyUser(token: unknown): UserPrincipal | Promise<UserPrincipal>;
  /** Accepts valid tokens of users and of visitors; the token determines the kind. */
  verifyAnyone(token: unknown): AnyonePrincipal | Promise<AnyonePrincipal>;
}

/** The principals of tokens. */
export type AnyonePrincipal = UserPrincipal | VisitorPrincipal;

/** @throws Error when neither a secret nor a key set is given */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { secrets, jwks, clock, expected = NOTHING_EXPECTED } = options;
  if (jwks !== undefined) {
    const verify = createKeySetVerifier(jwks, clock, expected);
    return {
      verifyUser: async (token) => toUserPrincipal(await verify(token)),
      verifyAnyone: async (token) => toAnyone(await verify(token)),
    };
  }
  if (secrets === undefined) throw new Error('A token verifier needs a secret or a key set');
  const verify = createSecretsVerifier(secrets, clock, expected);
  return {
    verifyUser: (token) => toUserPrincipal(verify(token)),
    verifyAnyone: (token) => toAnyone(verify(token)),
  };
}

const toAnyone = (token: VerifiedToken): AnyonePrincipal =>
  (token.payload as { type?: unknown } | null)?.type === 'visitor' ? toVisitorPrincipal(token) : toUserPrincipal(token);

function createSecretsVerifier(
  secrets: TokenSecrets,
  clock: Clock,
  expected: ExpectedClaims,
): (token: unknown) => VerifiedToken {
  const { issuer, audience, clockTolerance } = toOptions(expected);
  const verify = (token: string, { id, key }: TokenSecret): VerifiedToken => {
    const { header, payload } = jwt.verify(token, key, {
      algorithms: ['HS256'],
      clockTimestamp: clock.now() / 1000,
      clockTolerance,
      complete: true,
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    });
    // RFC 7515, 4.1.11: unknown critical headers must be rejected. The library does not check them.
    if ('crit' in header) throw invalidToken('unsupported critical header');
    return { payload, secretId: id };
  };
  return function verifyBySecrets(token) {
    ensureTokenShape(token);
    const list = secrets.current();
    for (const [index, secret] of list.entries()) {
      try {
        return verify(token, secret);
      } catch (error) {
        // The signature is checked before the claims: only another secret can help.
        if (index < list.length - 1 && isOfSignature(error)) continue;
        throw toInvalidToken(error);
      }
    }
    throw invalidToken('no secret');
  };
}

const isOfSignature = (error: unknown): boolean =>
  error instanceof jwt.JsonWebTokenError && error.message === 'invalid signature';

function createKeySetVerifier(
  jwks: KeySet,
  clock: Clock,
  expected: ExpectedClaims,
): (token: unknown) => Promise<VerifiedToken> {
  const { issuer, audience, clockTolerance } = toOptions(expected);
  const verify = (token: string): Promise<VerifiedToken> =>
    verifyByMatchingKey(token, jwks.findKey, {
      algorithms: KEY_SET_ALGORITHMS,
      currentDate: new Date(clock.now()),
      clockTolerance,
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    });
  return async function verifyByKeySet(token) {
    ensureTokenShape(token);
    try {
      return await verify(token).catch(async (error: unknown) => {
        if (!isOfKey(error) || !(await jwks.renew())) throw error;
        return verify(token);
      });
    } catch (error) {
      throw toInvalidToken(error);
    }
  };
}

/** A newer key of the issuer may help: issuers rotate keys also without ids, and under the same id. */
const isOfKey = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;

/** Tries all keys that match: ids are optional, and need not be unique (RFC 7517, 4.5). */
async function verifyByMatchingKey(
  token: string,
  findKey: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<VerifiedToken> {
  const toVerified = ({ payload }: { payload: unknown }): VerifiedToken => ({ payload, secretId: NO_SECRET });
  try {
    return toVerified(await jwtVerify(token, findKey, options));
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tried = 0;
    for await (const key of error) {
      try {
        return toVerified(await jwtVerify(token, key, options));
      } catch (failure) {
        tried += 1;
        // The signature is checked before the claims: only another key can help.
        if (!(failure instanceof errors.JWSSignatureVerificationFailed) || tried === KEYS_TRIED_MAX) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** Options of both libraries. They treat an empty list as one that matches nothing. */
function toOptions({ issuers, audiences, clockToleranceMs }: ExpectedClaims) {
  return { issuer: toList(issuers), audience: toList(audiences), clockTolerance: clockToleranceMs / 1000 };
}

function toList([first, ...rest]: readonly string[]): [string, ...string[]] | undefined {
  return first === undefined ? undefined : [first, ...rest];
}

function ensureTokenShape(token: unknown): asserts token is string {
  if (typeof token !== 'string') throw invalidToken('no token');
  if (token.length > MAX_TOKEN_LENGTH) throw invalidToken('token too long');
}

function toInvalidToken(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (isOfClaims(error)) return invalidClaims(error.message);
  // The messages of these two families are constant. Others (a JSON error) quote the input.
  if (error instanceof jwt.JsonWebTokenError || error instanceof errors.JOSEError) return invalidToken(error.message);
  return invalidToken(error instanceof Error ? `malformed (${error.name})` : 'malformed');
}

/** Both libraries check `iss` and `aud` after the signature. */
function isOfClaims(error: unknown): error is Error {
  if (error instanceof errors.JWTClaimValidationFailed) return ['iss', 'aud'].includes(error.claim);
  return error instanceof jwt.JsonWebTokenError && /^jwt (?:issuer|audience) invalid/.test(error.message);
}

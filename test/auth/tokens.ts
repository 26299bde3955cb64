import jwt from 'jsonwebtoken';
import { expect } from 'vitest';
import { createTokenSecrets } from '../../src/auth/token-secrets.js';
import { type ErrorCode, GatewayError } from '../../src/errors.js';
import type { Clock } from '../../src/platform/time/clock.js';

/** The shared secret of these tests. */
export const SECRET = 'the shared secret of these tests';

const SECRETS = [SECRET];
/** The secrets of a verifier of these tests. */
export const secrets = createTokenSecrets(() => SECRETS);

/** Claims of a complete user token. */
export const userClaims = {
  uid: '64abc123def',
  account_id: 'acme',
  workspace_id: 'main',
  scope: 'conversation  contacts',
  assignment: { teams: ['sales'] },
};

/** Claims of a complete visitor token. */
export const visitorClaims = {
  type: 'visitor',
  visitor_id: 'visitor-1',
  account_id: 'acme',
  conversation_ids: ['c1', 'c2'],
};

/** Signs with the shared secret, exactly these claims. */
export const sign = (claims: object, secret = SECRET, algorithm: jwt.Algorithm = 'HS256'): string =>
  jwt.sign(claims, secret, { algorithm, noTimestamp: true });

/** Puts a token together without any library's checks. */
export const assemble = (header: object, payload: unknown, signature = ''): string =>
  `${encode(header)}.${encode(payload)}.${signature}`;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The clock's time as JWT claims spell it. */
export const secondsAt = (clock: Clock, offsetSeconds = 0): number => Math.floor(clock.now() / 1000) + offsetSeconds;

/** Expects `run` to throw or reject with a GatewayError of this code. @returns why, as the log would tell it */
export async function expectRefusal(run: () => unknown, code: ErrorCode = 'INVALID_TOKEN'): Promise<string> {
  const error = await Promise.resolve()
    .then(run)
    .then(
      (value) => value,
      (reason: unknown) => reason,
    );
  expect(error).toBeInstanceOf(GatewayError);
  const refusal = error as GatewayError;
  expect(refusal.code).toBe(code);
  return refusal.cause instanceof Error ? refusal.cause.message : '';
}

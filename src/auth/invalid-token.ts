import { GatewayError } from '../errors.js';

/**
 * An `INVALID_TOKEN`. The caller learns the code alone; `reason` becomes the cause, for the log.
 * A library's error is never the cause itself: some carry the claims or a piece of the token.
 */
export const invalidToken = (reason: string): GatewayError =>
  new GatewayError('INVALID_TOKEN', {}, { cause: new Error(reason) });

/**
 * A token that is signed as it should be, and says what it should not: a matter between the issuer and the settings, which
 * only the log can explain.
 */
export class ClaimsProblem extends Error {
  override readonly name = 'ClaimsProblem';
}

/** The `INVALID_TOKEN` of such a token. @param reason names claims, never their values */
export const invalidClaims = (reason: string): GatewayError =>
  new GatewayError('INVALID_TOKEN', {}, { cause: new ClaimsProblem(reason) });

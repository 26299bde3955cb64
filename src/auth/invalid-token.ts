import { GatewayError } from '../errors.js';

/**
 * An `INVALID_TOKEN` error. Callers get the code only; `reason` becomes the cause, for the log. Library errors are
 * never the cause: some contain claims or parts of the token.
 */
export const invalidToken = (reason: string): GatewayError =>
  new GatewayError('INVALID_TOKEN', {}, { cause: new Error(reason) });

/** A correctly signed token with wrong claims. Issuer and settings disagree, so the reason is logged. */
export class ClaimsProblem extends Error {
  override readonly name = 'ClaimsProblem';
}

/** The `INVALID_TOKEN` error of such a token. @param reason names claims, never their values */
export const invalidClaims = (reason: string): GatewayError =>
  new GatewayError('INVALID_TOKEN', {}, { cause: new ClaimsProblem(reason) });

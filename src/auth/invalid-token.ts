import { GatewayError } from '../errors.js';

/**
 * An `INVALID_TOKEN`. The caller learns the code alone; `reason` becomes the cause, for the log.
 * A library's error is never the cause itself: some carry the claims or a piece of the token.
 */
export const invalidToken = (reason: string): GatewayError =>
  new GatewayError('INVALID_TOKEN', {}, { cause: new Error(reason) });

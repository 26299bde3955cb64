import { catalogue, type ErrorCode, type ErrorStatus } from '#shared/contracts/errors.js';

export { catalogue, type ErrorCode };

/** One thing that is wrong with an input: where, and what. */
export interface ErrorDetail {
  /** Dotted path into the input, `''` for the input itself. */
  path: string;
  message: string;
}

/** What an error tells the caller besides its code. Never holds internal text, a token or a payload. */
export interface ErrorInfo {
  details?: ErrorDetail[];
  retryAfterMs?: number;
  [key: string]: unknown;
}

/** The only error that reaches a caller as it is; everything else becomes `INTERNAL_ERROR` and is logged. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly info: ErrorInfo;

  constructor(code: ErrorCode, info: ErrorInfo = {}, options?: ErrorOptions) {
    super(code, options);
    this.code = code;
    this.info = info;
  }

  /** HTTP status, which is also the `errno` on the wire. */
  get status(): ErrorStatus {
    return catalogue[this.code].status;
  }
}

/** A `VALIDATION_ERROR` about one place of the input. */
export const invalid = (path: string, message: string): GatewayError =>
  new GatewayError('VALIDATION_ERROR', { details: [{ path, message }] });

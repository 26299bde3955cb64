import { catalogue, type ErrorCode, type ErrorStatus } from '#shared/contracts/errors.js';

export { catalogue, type ErrorCode };

/** One problem of an input: its path and message. */
export interface ErrorDetail {
  /** Dotted path into the input, `''` for the input itself. */
  path: string;
  message: string;
}

/** Details of an error for the caller. Must not contain internal text, tokens or payloads. */
export interface ErrorInfo {
  details?: ErrorDetail[];
  retryAfterMs?: number;
  [key: string]: unknown;
}

/** The only error that is sent to callers. Any other error becomes `INTERNAL_ERROR` and is logged. */
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

/** A `VALIDATION_ERROR` for one field of the input. */
export const invalid = (path: string, message: string): GatewayError =>
  new GatewayError('VALIDATION_ERROR', { details: [{ path, message }] });

/** Whether a text is a code of the catalogue. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(catalogue, code);

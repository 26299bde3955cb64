/**
 * Every error the gateway tells a caller, in one table: the code is the `message` of the answer, `status` its `errno`.
 * `retryable` says whether the same call can succeed later without a change. A test compares the table with the README.
 */
export const catalogue = {
  VALIDATION_ERROR: { status: 400, retryable: false },
  INVALID_TOKEN: { status: 401, retryable: false },
  INVALID_API_KEY: { status: 401, retryable: false },
  NOT_ENOUGH_SCOPE: { status: 403, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  NOT_FOUND: { status: 404, retryable: false },
  CONFLICT: { status: 409, retryable: false },
  ALREADY_ASSIGNED: { status: 409, retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false },
  FILE_TOO_LARGE: { status: 413, retryable: false },
  RATE_LIMITED: { status: 429, retryable: true },
  INTERNAL_ERROR: { status: 500, retryable: true },
  UNAVAILABLE: { status: 503, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

/** A code of the {@link catalogue}. */
export type ErrorCode = keyof typeof catalogue;

/** One thing that is wrong with an input: where, and what. */
export interface ErrorDetail {
  /** Dotted path into the input, `''` for the input itself. */
  path: string;
  message: string;
}

/** What an error tells the caller besides its code. Never holds internal text, a token or a payload. */
export interface ErrorInfo {
  details?: readonly ErrorDetail[];
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
  get status(): number {
    return catalogue[this.code].status;
  }
}

/** A `VALIDATION_ERROR` about one place of the input. */
export const invalid = (path: string, message: string): GatewayError =>
  new GatewayError('VALIDATION_ERROR', { details: [{ path, message }] });

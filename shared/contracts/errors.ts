/**
 * Every error code of the gateway. `status` is the HTTP status and the `errno` of events. `retryable`: the same call can
 * succeed later without a change. A test compares the table with its page.
 */
export const catalogue = {
  VALIDATION_ERROR: { status: 400, retryable: false },
  INVALID_TOKEN: { status: 401, retryable: false },
  INVALID_API_KEY: { status: 401, retryable: false },
  NOT_ENOUGH_SCOPE: { status: 403, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  NOT_FOUND: { status: 404, retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false },
  CONFLICT: { status: 409, retryable: false },
  ALREADY_ASSIGNED: { status: 409, retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false },
  FILE_TOO_LARGE: { status: 413, retryable: false },
  QUOTA_EXCEEDED: { status: 413, retryable: false },
  RATE_LIMITED: { status: 429, retryable: true },
  INTERNAL_ERROR: { status: 500, retryable: true },
  UNAVAILABLE: { status: 503, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

/** A code of the {@link catalogue}. */
export type ErrorCode = keyof typeof catalogue;

/** A status of the {@link catalogue}. */
export type ErrorStatus = (typeof catalogue)[ErrorCode]['status'];

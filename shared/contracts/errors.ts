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

/** What to do about each error. A test compares the sentences with their page. */
export const remedies: Readonly<Record<ErrorCode, string>> = {
  VALIDATION_ERROR: 'correct what `details` names',
  INVALID_TOKEN: 'get a new token: it is missing, expired, revoked, of another user, or not signed by the right key',
  INVALID_API_KEY: 'use one of `EMIT_API_KEYS`',
  NOT_ENOUGH_SCOPE: 'get a token with a scope that the namespace, event or route asks for',
  FORBIDDEN: 'do not repeat it: the caller may see it, but not do this; or the user is blocked',
  NOT_FOUND: 'check the name or id: there is no such route, namespace, event or thing, or none that the caller may see',
  METHOD_NOT_ALLOWED: 'use one of the methods in the header `Allow`',
  CONFLICT: 'load the present state: something else already exists or is in progress',
  ALREADY_ASSIGNED: 'nothing: another agent has taken the conversation',
  PAYLOAD_TOO_LARGE: 'send less, or raise `BODY_LIMIT`',
  FILE_TOO_LARGE: 'send a smaller file, or raise `MAX_FILE_SIZE`',
  QUOTA_EXCEEDED:
    'delete messages with files of the user, or raise `FILE_QUOTA`; or revoke with `keep_seconds`: 100,000 revocations are stored',
  RATE_LIMITED: 'wait for `retryAfterMs`',
  INTERNAL_ERROR: 'look into the log of the gateway, by `requestId` where there is one',
  UNAVAILABLE: 'try again: a service that the gateway depends on is away, or the gateway is too busy',
};

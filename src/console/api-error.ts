import { type ErrorCode, remedies } from '#shared/contracts/errors.js';

/** A code of the catalogue, or `NO_ANSWER`: nothing came that the gateway would send. */
export type FailureCode = ErrorCode | 'NO_ANSWER';

/** What else an error says. */
export interface FailureFacts {
  /** What is wrong with the input, and where. */
  readonly details: readonly { readonly path: string; readonly message: string }[];
  readonly retryAfterMs: number | undefined;
  /** The log of the gateway has a line with it. */
  readonly requestId: string | undefined;
}

/** A call that failed: what happened, and what to do about it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** 0 when there was no answer. */
  readonly status: number;
  readonly code: FailureCode;
  readonly facts: FailureFacts;

  constructor(status: number, code: FailureCode, facts: FailureFacts = NOTHING) {
    super(code === 'NO_ANSWER' ? 'The gateway does not answer' : sentences[code]);
    this.status = status;
    this.code = code;
    this.facts = facts;
  }

  /** What to do: a sentence. */
  get remedy(): string {
    const { retryAfterMs } = this.facts;
    if (this.code === 'NO_ANSWER') return 'Check that a node runs, and your connection to it.';
    if (this.code === 'INVALID_API_KEY') return 'Enter a key of CONSOLE_KEYS or an API key.';
    if (retryAfterMs !== undefined) return `Try again in ${Math.max(1, Math.ceil(retryAfterMs / 1000))} s.`;
    const text = remedies[this.code].replaceAll('`', '');
    return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  }
}

/** Reads the body of a failed call in either of the two formats of the gateway. */
export function toApiError(status: number, body: unknown): ApiError {
  if (!isRecord(body)) return new ApiError(status, 'NO_ANSWER');
  const code = [body['code'], body['message']].find(isErrorCode);
  if (code === undefined) return new ApiError(status, 'NO_ANSWER');
  const { details, retryAfterMs, requestId } = body;
  return new ApiError(status, code, {
    details: Array.isArray(details) ? details.filter(isDetail) : [],
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
    requestId: typeof requestId === 'string' ? requestId : undefined,
  });
}

/** What is thrown is shown; what is no `ApiError` is a fault of the page. */
export const toFailure = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const NOTHING: FailureFacts = { details: [], retryAfterMs: undefined, requestId: undefined };

const sentences: Readonly<Record<ErrorCode, string>> = {
  VALIDATION_ERROR: 'The input is not valid',
  INVALID_TOKEN: 'The token is not valid',
  INVALID_API_KEY: 'The key is not valid',
  NOT_ENOUGH_SCOPE: 'The token lacks a scope',
  FORBIDDEN: 'This session may not do that',
  NOT_FOUND: 'There is no such thing',
  METHOD_NOT_ALLOWED: 'The route does not take this method',
  CONFLICT: 'Something else is in the way',
  ALREADY_ASSIGNED: 'Another agent has taken the conversation',
  PAYLOAD_TOO_LARGE: 'The body is too large',
  FILE_TOO_LARGE: 'The file is too large',
  QUOTA_EXCEEDED: 'The quota is used up',
  RATE_LIMITED: 'Too many calls',
  INTERNAL_ERROR: 'The gateway failed',
  UNAVAILABLE: 'The gateway cannot answer now',
};

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const isErrorCode = (value: unknown): value is ErrorCode => typeof value === 'string' && Object.hasOwn(remedies, value);

const isDetail = (value: unknown): value is FailureFacts['details'][number] =>
  isRecord(value) && typeof value['path'] === 'string' && typeof value['message'] === 'string';

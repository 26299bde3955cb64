import type { catalogue, ErrorCode } from '../contracts/errors.js';

/** What only a client knows. */
type ClientCode =
  /** No answer within the time limit: the call may have been done. */
  | 'TIMEOUT'
  /** The connection was lost before the answer: the call may have been done. */
  | 'CONNECTION_LOST'
  /** There was no connection within the time limit: the call was not sent. */
  | 'OFFLINE'
  /** The gateway was not reached. */
  | 'UNREACHABLE'
  /** `token()` failed. */
  | 'TOKEN_UNAVAILABLE'
  /** A backend has ended the connection. */
  | 'DISCONNECTED'
  /** The client was closed by its application. */
  | 'CLOSED'
  /** A handler of the application has thrown. */
  | 'HANDLER_FAILED'
  /** A durable message waits, because the application has no handler for its event. */
  | 'NO_HANDLER'
  /** The answer has no known form. */
  | 'BAD_ANSWER';

/** A code of the gateway, or of the client itself. */
export type GatewayErrorCode = ErrorCode | ClientCode;

/** What is wrong with a field. */
export interface GatewayErrorDetail {
  /** Dotted path into the input; `''` for the input itself. */
  readonly path: string;
  readonly message: string;
}

type Retryable = { [C in ErrorCode]: (typeof catalogue)[C]['retryable'] extends true ? C : never }[ErrorCode];

/** Derived from the catalogue by the compiler, which is not loaded: a code that is missing or wrong does not compile. */
const retryableCodes: Record<Retryable, true> = { RATE_LIMITED: true, INTERNAL_ERROR: true, UNAVAILABLE: true };

const ofClient: ReadonlySet<string> = new Set<ClientCode>([
  'TIMEOUT',
  'CONNECTION_LOST',
  'OFFLINE',
  'UNREACHABLE',
  'TOKEN_UNAVAILABLE',
]);

interface Options {
  readonly details?: readonly GatewayErrorDetail[] | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** The only error that the clients reject with. */
export class GatewayClientError extends Error {
  override readonly name = 'GatewayClientError';
  readonly code: GatewayErrorCode;
  /** The same call can succeed later without a change. After `TIMEOUT` and `CONNECTION_LOST` it may be done twice. */
  readonly retryable: boolean;
  /** What is wrong with the input, field by field. */
  readonly details: readonly GatewayErrorDetail[];
  /** When the same call can succeed, in milliseconds from now; `undefined`: not said. */
  readonly retryAfterMs: number | undefined;

  constructor(code: GatewayErrorCode, message: string, { details = [], retryAfterMs, cause }: Options = {}) {
    const fields = details.map(({ path, message: problem }) => (path === '' ? problem : `${path} ${problem}`));
    const text = [message, ...fields].filter((part) => part !== code && part !== '');
    super([code, text.join('; ')].filter((part) => part !== '').join(': '), cause === undefined ? {} : { cause });
    this.code = code;
    this.retryable = code in retryableCodes || ofClient.has(code);
    this.details = details;
    this.retryAfterMs = retryAfterMs;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The error of a failed call in any of the reply formats: of events, of REST, and of the chats. */
export function toClientError(failure: unknown): GatewayClientError {
  const body = isObject(failure) ? failure : {};
  const code = textOf(body['code']) || textOf(body['message']);
  if (code === '') return new GatewayClientError('BAD_ANSWER', 'the answer is not one of the gateway');
  const { details, retryAfterMs } = isObject(body['additional_info']) ? body['additional_info'] : body;
  return new GatewayClientError(code as ErrorCode, textOf(body['error']) || textOf(body['message']), {
    details: Array.isArray(details) ? (details as GatewayErrorDetail[]) : [],
    ...(typeof retryAfterMs === 'number' && { retryAfterMs }),
  });
}

/** The error of a refused connection; `undefined` when the gateway has not answered. */
export function toRefusal(error: Error & { data?: unknown }): GatewayClientError {
  const data = isObject(error.data) ? error.data : {};
  const { retry_after: retryAfter, retry_after_ms: retryAfterMs } = data;
  return new GatewayClientError((textOf(data['message']) || error.message) as ErrorCode, error.message, {
    ...(typeof retryAfter === 'number' && { retryAfterMs: retryAfter * 1000 }),
    ...(typeof retryAfterMs === 'number' && { retryAfterMs }),
  });
}

/** Any thrown value as an error of the client. */
export const toError = (code: GatewayErrorCode, thrown: unknown): GatewayClientError =>
  thrown instanceof GatewayClientError
    ? thrown
    : new GatewayClientError(code, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });

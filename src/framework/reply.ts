import type { z } from 'zod';
import type { generalReplies, requestFailure } from '#shared/contracts/reply-schemas.js';
import { type ErrorCode, type ErrorInfo, GatewayError } from '../errors.js';
import { isDatabaseAway, isTransactionConflict } from '../platform/mongo/errors.js';
import type { ReplyFormat } from './events.js';

/** The acknowledgement of a successful event, or the body of a successful REST call. */
export interface Success {
  success: true;
  message: 'SUCCESS';
  data?: unknown;
}

/** The reply to a failed event. Without an acknowledgement it is sent as `event_error`, with the event's name. */
type EventFailure = z.output<typeof generalReplies.failure> & { event?: string };

/** The body of a failed REST call. */
export type RequestFailure = z.output<typeof requestFailure>;

/** The data of a refused connection, besides its message. */
type Refused = Pick<z.output<typeof generalReplies.refusal>, 'data'>;

/** Wraps the return value of a handler. */
export const toSuccess = (data: unknown): Success =>
  data === undefined ? { success: true, message: 'SUCCESS' } : { success: true, message: 'SUCCESS', data };

/** The reply to a failed event. */
const toEventFailure = (error: GatewayError, event?: string): EventFailure => ({
  success: false,
  ...(event === undefined ? {} : { event }),
  message: error.code,
  additional_info: { errno: error.status, ...error.info },
});

/** The default format. Without an acknowledgement, failures are sent as `event_error`. */
export const generalReplyFormat: ReplyFormat = {
  toSuccess: (data) => toSuccess(data),
  toFailure: (error) => toEventFailure(error),
  toErrorEvent: (error, { event, isAcknowledged }) =>
    isAcknowledged ? undefined : { event: 'event_error', payload: toEventFailure(error, event) },
};

/** The body of a failed REST call. */
export const toRequestFailure = (error: GatewayError): RequestFailure => ({
  success: false,
  errno: error.status,
  message: error.code,
  ...error.info,
});

/**
 * The body of a refused connection: `message` is the code, `data` is `{ errno, message, retry_after?, retry_after_ms? }`. Many
 * clients are refused at once when the node is busy, so that time has milliseconds, to spread them.
 */
export const toRefusalBody = ({ code, status, info }: GatewayError): z.output<typeof generalReplies.refusal> => ({
  message: code,
  data: { errno: status, message: code, ...toRetryTime(code, info) },
});

function toRetryTime(code: ErrorCode, { retryAfterMs }: ErrorInfo): { retry_after?: number; retry_after_ms?: number } {
  if (retryAfterMs === undefined) return {};
  const seconds = { retry_after: Math.ceil(retryAfterMs / 1000) };
  return code === 'UNAVAILABLE' ? { ...seconds, retry_after_ms: retryAfterMs } : seconds;
}

/** The refusal as an error for Socket.IO. */
export const toConnectError = (error: GatewayError): Error & Refused =>
  Object.assign(new Error(error.code), { data: toRefusalBody(error).data });

/**
 * Converts any error to one for callers. Unknown errors become `INTERNAL_ERROR`, or `UNAVAILABLE` when the database is
 * away or a transaction kept conflicting. The log gets the original.
 */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const mayPass = isDatabaseAway(error) || isTransactionConflict(error);
  return new GatewayError(mayPass ? 'UNAVAILABLE' : 'INTERNAL_ERROR', {}, { cause: error });
}

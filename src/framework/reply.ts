import type { z } from 'zod';
import type { generalWording, requestFailure } from '#shared/contracts/wording.js';
import { GatewayError } from '../errors.js';
import { isDatabaseAway, isTransactionConflict } from '../platform/mongo/errors.js';
import type { Dialect } from './integration.js';

/** The answer to an event, or the body of a REST call, that succeeded. */
export interface Success {
  success: true;
  message: 'SUCCESS';
  data?: unknown;
}

/** The answer to an event that failed. Without an acknowledgement it is sent as `event_error`, with the event's name. */
export type EventFailure = z.output<typeof generalWording.failure> & { event?: string };

/** The body of a REST call that failed. */
export type RequestFailure = z.output<typeof requestFailure>;

/** What a refused connection is told beside its message. */
type Refused = Pick<z.output<typeof generalWording.refusal>, 'data'>;

/** What a handler returned, as the caller sees it. */
export const toSuccess = (data: unknown): Success =>
  data === undefined ? { success: true, message: 'SUCCESS' } : { success: true, message: 'SUCCESS', data };

/** An error as the caller of an event sees it. */
const toEventFailure = (error: GatewayError, event?: string): EventFailure => ({
  success: false,
  ...(event === undefined ? {} : { event }),
  message: error.code,
  additional_info: { errno: error.status, ...error.info },
});

/** The wording of the general socket: without an acknowledgement the failure is sent as `event_error`. */
export const generalDialect: Dialect = {
  toSuccess: (data) => toSuccess(data),
  toFailure: (error) => toEventFailure(error),
  toErrorEvent: (error, { event, isAcknowledged }) =>
    isAcknowledged ? undefined : { event: 'event_error', payload: toEventFailure(error, event) },
};

/** An error as the caller of a REST route sees it. */
export const toRequestFailure = (error: GatewayError): RequestFailure => ({
  success: false,
  errno: error.status,
  message: error.code,
  ...error.info,
});

/** What a refused connection is told: `message` is the code, `data` is `{ errno, message, retry_after? }`. */
export const toRefusalBody = ({ code, status, info }: GatewayError): z.output<typeof generalWording.refusal> => ({
  message: code,
  data: {
    errno: status,
    message: code,
    ...(info.retryAfterMs === undefined ? {} : { retry_after: Math.ceil(info.retryAfterMs / 1000) }),
  },
});

/** The same as the error that Socket.IO takes. */
export const toConnectError = (error: GatewayError): Error & Refused =>
  Object.assign(new Error(error.code), { data: toRefusalBody(error).data });

/**
 * What is not ours to tell becomes `INTERNAL_ERROR`, or `UNAVAILABLE` while the database is away or other writers were first
 * again and again; the log gets the original.
 */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const mayPass = isDatabaseAway(error) || isTransactionConflict(error);
  return new GatewayError(mayPass ? 'UNAVAILABLE' : 'INTERNAL_ERROR', {}, { cause: error });
}

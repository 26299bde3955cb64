import type express from 'express';
import type { ErrorRequestHandler } from 'express';
import type { Route, TextAnswer } from '#shared/contracts/contract.js';
import { GatewayError, invalid } from '../../errors.js';
import { toGatewayError, toRequestFailure } from '../../framework/reply.js';
import type { MountedRoute } from '../../framework/routes.js';
import type { Logger } from '../../platform/logging/logger.js';
import { type ReportKeyRefusal, reasonOfRefusal } from './key-refusals.js';
import { requestIdOf } from './request-id.js';

/** What `response.json` does, without the settings of the application, which are the same for all of our answers. */
export function sendJson(response: express.Response, body: unknown): void {
  const text = JSON.stringify(body);
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}

/** For routes whose contract declares text, and for callers who are turned away. */
export function sendText(response: express.Response, { status, text }: TextAnswer): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}

/** Where failures are reported. */
export interface Answering {
  readonly logger: Logger;
  readonly reportKeyRefusal: ReportKeyRefusal;
}

interface FailedRequest {
  request: express.Request;
  response: express.Response;
  answering: Answering;
  toFailure?: (error: GatewayError) => unknown;
  /** Failures that are an answer, by status. */
  failures?: Route['failures'];
}

/** Answers with the status of the error. Faults of the gateway are logged; a response that has begun is cut. */
export function answerFailure(thrown: unknown, failed: FailedRequest): void {
  const { request, response, answering, toFailure = toRequestFailure, failures = {} } = failed;
  const { logger, reportKeyRefusal } = answering;
  const requestId = requestIdOf(response);
  const error = fromHttpError(thrown);
  const isFault = error.status >= 500 && failures[error.status] === undefined;
  if (isFault) logger.error({ err: error.cause ?? error, path: request.route?.path, requestId }, 'a request failed');
  if (error.code === 'INVALID_API_KEY')
    reportKeyRefusal(request, { reason: reasonOfRefusal(request, error), requestId });
  if (response.headersSent) return void response.destroy();
  response.statusCode = error.status;
  const { retryAfterMs } = error.info;
  if (retryAfterMs !== undefined) response.setHeader('Retry-After', Math.ceil(retryAfterMs / 1000));
  const failure = toFailure(error);
  // A caller quotes it when reporting the failure. Callers that send ids get them back in any case.
  const isShown = isFault || request.headers['x-request-id'] === requestId;
  sendJson(response, isShown ? { ...(failure as object), requestId } : failure);
}

/** For what fails outside of a route of an integration. */
export const toErrorHandler =
  (answering: Answering, toFailure: MountedRoute['toFailure'] = toRequestFailure): ErrorRequestHandler =>
  (thrown, request, response, next) => {
    if (response.headersSent) return next(thrown);
    answerFailure(thrown, { request, response, answering, toFailure });
  };

/** Errors of Express and its body parser carry an HTTP status. */
function fromHttpError(thrown: unknown): GatewayError {
  const status = thrown instanceof GatewayError ? undefined : (thrown as { status?: unknown } | null)?.status;
  if (status === 413) return new GatewayError('PAYLOAD_TOO_LARGE');
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return invalid('', status === 415 ? 'the encoding of the body is not supported' : 'the request cannot be parsed');
  }
  return toGatewayError(thrown);
}

import type { z } from 'zod';
import { siteHandshake } from '../push-sites.js';
import { chatReplies, chatRequestFailure, generalReplies, requestFailure, siteReplies } from '../reply-schemas.js';
import { userHandshake } from '../session.js';
import { departmentQuery } from '../support.js';
import { DEVICE, TOKEN } from './values.js';

const details = [{ path: 'conversation_id', message: 'must be an id' }];

const pair = <S extends z.ZodType>(schema: S, example: z.input<S>): [z.ZodType, unknown] => [schema, example];

/** Examples of what belongs to no single event or route: handshakes, refusals and failures. */
export const generalExamples: ReadonlyMap<z.ZodType, unknown> = new Map([
  pair(userHandshake.auth, { token: TOKEN, deviceId: DEVICE }),
  pair(siteHandshake.auth, { token: 'c2Vzc2lvbi0xMjM0NQ', deviceId: DEVICE }),
  pair(departmentQuery, { departmentId: '67ced4459fc55b3a2d82c3db' }),
  pair(generalReplies.failure, {
    success: false,
    message: 'VALIDATION_ERROR',
    additional_info: { errno: 400, details },
  }),
  pair(chatReplies.failure, {
    success: false,
    error: 'You are doing this too often',
    code: 'RATE_LIMITED',
    limit: 50,
    windowMs: 60_000,
    retryAfterMs: 12_400,
  }),
  pair(generalReplies.refusal, { message: 'INVALID_TOKEN', data: { errno: 401, message: 'INVALID_TOKEN' } }),
  pair(chatReplies.refusal, {
    message: 'Authentication failed',
    data: { errno: 401, message: 'INVALID_TOKEN' },
  }),
  pair(siteReplies.refusal, {
    message: 'Authentication failed',
    data: { errno: 401, message: 'INVALID_TOKEN' },
  }),
  pair(requestFailure, {
    success: false,
    errno: 400,
    message: 'VALIDATION_ERROR',
    details: [{ path: 'event', message: 'must not start with _' }],
  }),
  pair(chatRequestFailure, {
    success: false,
    message: 'There is no such conversation',
    code: 'NOT_FOUND',
  }),
]);

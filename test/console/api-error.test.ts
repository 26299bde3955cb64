import { expect, test } from 'vitest';
import { remedies } from '#shared/contracts/errors.js';
import { ApiError, toApiError } from '../../src/console/api-error.js';

test('reads the general format and that of the chats', () => {
  expect(toApiError(404, { success: false, errno: 404, message: 'NOT_FOUND' }).code).toBe('NOT_FOUND');
  expect(toApiError(404, { success: false, message: 'No such chat', code: 'NOT_FOUND' }).code).toBe('NOT_FOUND');
});

test('every code has a message and says what to do', () => {
  for (const code of Object.keys(remedies) as (keyof typeof remedies)[]) {
    const error = new ApiError(400, code);
    expect(
      [error.message, error.remedy].every((text) => /^[A-Z]/.test(text)),
      code,
    ).toBe(true);
    expect(error.remedy, code).toMatch(/[^.]\.$/);
  }
});

test('says when a call can succeed, and what is wrong with the input', () => {
  const details = [{ path: 'query.limit', message: 'must be a number' }, { path: 1 }];
  const error = toApiError(429, { message: 'RATE_LIMITED', retryAfterMs: 2100, details, requestId: 'abc' });
  expect(error.remedy).toBe('Try again in 3 s.');
  expect(error.facts).toEqual({ details: details.slice(0, 1), retryAfterMs: 2100, requestId: 'abc' });
});

test.each([undefined, null, 'Bad gateway', {}, { message: 'toString' }])(
  'what no gateway sends is no answer: %j',
  (body) => {
    expect(toApiError(502, body).code).toBe('NO_ANSWER');
  },
);

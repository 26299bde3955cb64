import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { toGatewayError } from '../../src/framework/reply.js';

test('a transaction that failed after write conflicts is reported as retryable', () => {
  const conflict = new mongo.MongoServerError({ message: 'WriteConflict', code: 112, codeName: 'WriteConflict' });
  expect(toGatewayError(conflict)).toMatchObject({ code: 'UNAVAILABLE', cause: conflict });
  expect(toGatewayError(new Error('a fault of ours')).code).toBe('INTERNAL_ERROR');
});

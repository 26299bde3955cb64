import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { expectBoundedReads } from './console/reads.js';

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment?.close());

test('a user with 1,000 sockets and 100,000 messages is read, cleared and forgotten within bounds', async () => {
  await expectBoundedReads(environment, { sockets: 1000, entries: 100_000, redisMax: 500 });
  expect(await environment.models.DeliveryEntry.estimatedDocumentCount()).toBe(100_000);
});

import { expect, test } from 'vitest';
import { createOrderEnvironment, runHistory } from './order-run.js';

test.each([11, 12, 13])('every device receives the stored messages, in stored order (seed %i)', async (seed) => {
  const environment = await createOrderEnvironment(50);
  await runHistory(environment, { recipients: 8, messages: 100, seed });
  await environment.close();
  expect(environment.a.port).not.toBe(environment.b.port);
});

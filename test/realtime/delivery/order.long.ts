import { expect, test } from 'vitest';
import { createOrderEnvironment, runHistory } from './order-run.js';

test.each([11, 12, 13])('every device receives the stored messages, in stored order (seed %i)', async (seed) => {
  const stage = await createOrderEnvironment(50);
  await runHistory(stage, { recipients: 8, messages: 100, seed });
  await stage.close();
  expect(stage.a.port).not.toBe(stage.b.port);
});

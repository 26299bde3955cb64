import { expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment } from '../../../support/environment.js';
import { runHistory } from './history.js';

test.each([3, 4, 5, 6])('what is pushed, stored and counted is the same throughout history %i', async (seed) => {
  const clock = createTestClock();
  const environment = await createTestEnvironment({ nodes: 2, overrides: { clock } });
  await runHistory({ environment, clock }, { seed, acts: 60 });
  await environment.close();
  expect(environment.node(0).port).not.toBe(environment.node(1).port);
});

import { afterAll, beforeAll, test } from 'vitest';
import type { TestEnvironment } from '../../../support/environment.js';
import { expectOneOrder } from './history-run.js';
import { createTwoClocks } from './two-clocks.js';

const ROUNDS = 8;

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTwoClocks();
});
afterAll(() => environment.close());

test('many random histories leave every reader with what is stored, once and in one order', async () => {
  const first = Math.floor(Math.random() * 2 ** 31);
  for (let round = 0; round < ROUNDS; round += 1) {
    // Some slower than the time for which a message waits for those before it.
    await expectOneOrder(environment, {
      seed: first + round,
      speakers: 5,
      messages: 15,
      longestMs: round % 3 === 0 ? 800 : 60,
    });
  }
});

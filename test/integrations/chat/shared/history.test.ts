import { afterAll, beforeAll, test } from 'vitest';
import type { TestEnvironment } from '../../../support/environment.js';
import { expectOneOrder } from './history-run.js';
import { createTwoClocks } from './two-clocks.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTwoClocks();
});
afterAll(() => environment.close());

test('readers that reconnect at random receive the stored messages once and in one order', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  await expectOneOrder(environment, { seed, speakers: 3, messages: 6, longestMs: 40 });
});

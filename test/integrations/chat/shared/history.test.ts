import { afterAll, beforeAll, test } from 'vitest';
import { expectOneOrder } from './history-run.js';
import { openTwoNodes, type TwoNodes } from './two-nodes.js';

let stage: TwoNodes;

beforeAll(async () => {
  stage = await openTwoNodes();
});
afterAll(() => stage.close());

test('readers that reconnect at random receive the stored messages once and in one order', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  await expectOneOrder(stage, { seed, speakers: 3, messages: 10, longestMs: 40 });
});

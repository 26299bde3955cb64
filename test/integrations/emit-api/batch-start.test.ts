import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createBatchStart } from '../../../src/integrations/emit-api/batch-start.js';

/** @param sockets that each item reaches */
function setUp(sockets: number) {
  let reached = 0;
  const begun: number[] = [];
  const groups: number[] = [];
  const startBatch = createBatchStart({
    together(work) {
      const before = begun.length;
      const result = work();
      groups.push(begun.length - before);
      return result;
    },
    countReached: () => reached,
  });
  const begin = async (item: number): Promise<number> => {
    begun.push(item);
    reached += sockets;
    return 2 * item;
  };
  return { begun, groups, send: (items: readonly number[]) => startBatch(items, begin) };
}

const items = Array.from({ length: 1000 }, (_, index) => index);

test('a batch to few sockets is sent together, at once', async () => {
  const { begun, groups, send } = setUp(3);
  const sent = send(items);
  expect([begun, groups]).toEqual([items, [1000]]);
  expect(await sent).toEqual(items.map((item) => 2 * item));
});

test('a batch to many sockets lets others have their turns, and keeps its order', async () => {
  const { begun, groups, send } = setUp(500);
  const sent = send(items);
  expect(begun).toHaveLength(40);
  await turn();
  await turn();
  expect(begun.length).toBeLessThan(300);
  expect(await sent).toEqual(items.map((item) => 2 * item));
  expect(begun).toEqual(items);
  expect(groups).toEqual(Array.from({ length: 25 }, () => 40));
});

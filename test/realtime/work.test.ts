import { expect, test } from 'vitest';
import { createWork } from '../../src/realtime/work.js';

/** Work of a user with some sockets. @returns the points that its calls cost */
function createCounted(sockets: number) {
  const costs: number[] = [];
  const limiter = {
    consume: async (_use: unknown, points = 1) => void costs.push(points),
    refund: async () => undefined,
  };
  const countSockets = (room: string): number => (room === 'user:ann' ? sockets : 0);
  return { costs, work: createWork({ limiter, limit: { points: 300, windowMs: 10_000 }, countSockets }) };
}

test('an event costs one point, and more for many characters', async () => {
  const { costs, work } = createCounted(1);
  for (const characters of [undefined, 100_000, 1_000_000]) await work.begin('user:ann', { characters });
  expect(costs).toEqual([1, 1, 10]);
});

test('an event costs more for many sockets of its caller', async () => {
  const { costs, work } = createCounted(250);
  await work.begin('user:ann', {});
  await work.begin('user:bob', {});
  expect(costs).toEqual([3, 1]);
});

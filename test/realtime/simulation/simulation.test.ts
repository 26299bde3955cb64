import { expect, test } from 'vitest';
import { simulate } from './simulation.js';

const first = Number(process.env['SIMULATION_SEED'] ?? 1);

async function run(seed: number, nodes: number) {
  const { violations, ...result } = await simulate({ seed, nodes, users: 5, rounds: 1 });
  expect(violations.slice(0, 10), `repeat it with SIMULATION_SEED=${seed}`).toEqual([]);
  return result;
}

test('10 nodes keep their promises through random faults', async () => {
  expect((await run(first, 10)).counts['nodes']).toBe(10);
});

test('the same seed gives the same history', async () => {
  expect(await run(first, 4)).toEqual(await run(first, 4));
});

import { expect, test } from 'vitest';
import { simulate } from './simulation.js';

const first = Number(process.env['SIMULATION_SEED'] ?? 1);

async function run(seed: number, nodes: number) {
  const { violations, ...result } = await simulate({ seed, nodes, users: 5, rounds: 1 });
  expect(violations.slice(0, 10), `repeat it with SIMULATION_SEED=${seed}`).toEqual([]);
  return result;
}

/* `simulation.long.ts` runs 10 and 100 nodes. */
test('4 nodes keep their promises through random faults, and the same seed gives the same history', async () => {
  const history = await run(first, 4);
  expect(history.counts['nodes']).toBe(4);
  expect(await run(first, 4)).toEqual(history);
});

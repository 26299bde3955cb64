import { expect, test } from 'vitest';
import { type SimulationOptions, simulate } from './simulation.js';

const fixed = process.env['SIMULATION_SEED'];
const seedsFrom = (first: number, count: number): number[] =>
  fixed === undefined ? Array.from({ length: count }, (_, n) => first + n) : [Number(fixed)];

async function run(options: SimulationOptions): Promise<void> {
  const { violations } = await simulate(options);
  expect(violations.slice(0, 10), `repeat it with SIMULATION_SEED=${options.seed}`).toEqual([]);
}

test.each(seedsFrom(1_000, 1))('100 nodes keep their promises through random faults (seed %i)', (seed) =>
  run({ seed, nodes: 100, users: 5, rounds: 1 }),
);

test.each(seedsFrom(2_000, 10))('10 nodes keep their promises through random faults, for long (seed %i)', (seed) =>
  run({ seed, nodes: 10, users: 5, rounds: 2 }),
);

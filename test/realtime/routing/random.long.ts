import { test } from 'vitest';
import { runRandomly } from './random-run.js';

const SEEDS = Array.from({ length: 12 }, (_, n) => 100 + n);

test.each(SEEDS)('sockets receive what a broadcast to everything would give them, for long (seed %i)', (seed) =>
  runRandomly({ seed, nodes: 2 + (seed % 3), steps: 5_000, kills: seed % 2 === 0 }),
);

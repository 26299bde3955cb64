import { test } from 'vitest';
import { runRandomly } from './random-run.js';

const seed = Number(process.env['ROUTING_SEED'] ?? 1);

test.each([
  { seed, nodes: 2, steps: 300, kills: false },
  { seed: seed + 1, nodes: 4, steps: 400, kills: false },
  { seed: seed + 2, nodes: 3, steps: 300, kills: true },
])(
  'sockets receive what a broadcast to everything would give them ($nodes nodes, seed $seed, kills: $kills)',
  runRandomly,
);

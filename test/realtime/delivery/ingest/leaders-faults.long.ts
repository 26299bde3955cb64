import { expect, test } from 'vitest';
import { runLeaders } from './leaders-run.js';

const seeds = Array.from({ length: 40 }, (_, n) => 100 + n);

test.each([3, 4, 5, 8])(
  '%i nodes lose nothing, store nothing twice and keep the order while leaders fail',
  async (nodes) => {
    for (const seed of seeds) {
      const { violations } = await runLeaders({ seed, nodes, runMs: 60_000 });
      expect(violations.slice(0, 5), `seed ${seed}`).toEqual([]);
    }
  },
);

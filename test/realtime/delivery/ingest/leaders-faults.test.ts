import { expect, test } from 'vitest';
import { runLeaders } from './leaders-run.js';

/* `leaders-faults.long.ts` has more seeds and nodes. */
test('nodes that store for the same users lose nothing, store nothing twice and keep the order while leaders fail', async () => {
  const { violations, counts } = await runLeaders({ seed: 1, nodes: 4, runMs: 20_000 });
  expect(violations.slice(0, 5)).toEqual([]);
  expect(counts.acknowledged).toBeGreaterThan(200);
  for (const count of [counts.forwarded, counts.silent, counts.repeated]) expect(count).toBeGreaterThan(0);
});

import { describe, expect, test } from 'vitest';
import { fuzzMerges, fuzzPlanner } from './planner-fuzz.js';

/* A sample of `planner.long.ts`. */
describe('the planner', () => {
  test.each([1, 2])('finds the same documents as a full scan in 1,000 random queries (seed %i)', (seed) => {
    const { plans, sortedByIndex } = fuzzPlanner(seed, 1000);
    expect(plans['index']).toBeGreaterThan(100);
    expect(plans['union']).toBeGreaterThan(0);
    expect(sortedByIndex).toBeGreaterThan(10);
  });

  test('merges ordered reads in 1,500 random queries', () => {
    const { merged, mergedBranches } = fuzzMerges(1, 1500);
    expect(merged).toBeGreaterThan(20);
    expect(mergedBranches).toBeGreaterThan(20);
  });
});

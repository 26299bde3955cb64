import { describe, expect, test } from 'vitest';
import { fuzzMerges, fuzzPlanner } from './planner-fuzz.js';

describe('the planner', () => {
  test.each([1, 2, 3])('finds the same documents as a full scan in 2,000 random queries (seed %i)', (seed) => {
    const { plans, sortedByIndex } = fuzzPlanner(seed, 2000);
    expect(plans['index']).toBeGreaterThan(100);
    expect(plans['union']).toBeGreaterThan(0);
    expect(sortedByIndex).toBeGreaterThan(10);
  });

  test.each([1, 2])('merges ordered reads in 1,500 random queries (seed %i)', (seed) => {
    const { merged, mergedBranches } = fuzzMerges(seed, 1500);
    expect(merged).toBeGreaterThan(20);
    expect(mergedBranches).toBeGreaterThan(20);
  });
});

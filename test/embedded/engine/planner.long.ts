import { describe, expect, test } from 'vitest';
import { fuzzMerges, fuzzPlanner } from './planner-fuzz.js';

describe('the planner', () => {
  test.each(Array.from({ length: 12 }, (_, position) => 100 + position))(
    'finds the same documents as a full scan in 10,000 random queries (seed %i)',
    (seed) => {
      expect(fuzzPlanner(seed, 10_000).queries).toBe(10_000);
    },
  );

  test.each([11, 12, 13])('merges ordered reads in 10,000 random queries (seed %i)', (seed) => {
    expect(fuzzMerges(seed, 10_000).merged).toBeGreaterThan(100);
  });
});

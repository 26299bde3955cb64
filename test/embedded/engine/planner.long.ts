import { describe, expect, test } from 'vitest';
import { fuzzPlanner } from './planner-fuzz.js';

describe('the planner', () => {
  test.each(Array.from({ length: 12 }, (_, position) => 100 + position))(
    'finds the same documents as a full scan in 10,000 random queries (seed %i)',
    (seed) => {
      expect(fuzzPlanner(seed, 10_000).queries).toBe(10_000);
    },
  );
});

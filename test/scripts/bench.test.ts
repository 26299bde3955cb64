import { expect, test } from 'vitest';
import { contestantNames, takingPart } from '../../scripts/bench/contestants.js';

test('another checkout takes part in a comparison whichever servers were chosen', () => {
  expect(takingPart(['gateway'], '/other')).toEqual(['gateway', 'against']);
  expect(takingPart([], '/other')).toEqual(contestantNames);
  expect(takingPart([], undefined)).not.toContain('against');
  expect(takingPart(['against'], undefined)).toEqual([]);
});

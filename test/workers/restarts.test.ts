import { expect, test } from 'vitest';
import { createRestarts, STABLE_MS } from '../../src/workers/restarts.js';

const quick = { servedMs: 0, hasStableOther: false };

test('the delay doubles up to 30 s while workers end soon after their start, and begins again after one that worked', () => {
  const { delayAfter } = createRestarts();
  const delays = Array.from({ length: 12 }, () => delayAfter({ servedMs: STABLE_MS - 1, hasStableOther: true }));
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
  expect(delayAfter({ servedMs: STABLE_MS, hasStableOther: true })).toBe(100);
  expect(delayAfter(quick)).toBe(100);
});

test('gives up at the fifth end in a row when no worker works', () => {
  const { delayAfter } = createRestarts();
  expect(Array.from({ length: 5 }, () => delayAfter(quick))).toEqual([100, 200, 400, 800, undefined]);
});

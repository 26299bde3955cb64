import { describe, expect, test } from 'vitest';
import {
  type History,
  latestOf,
  linesNamed,
  linesWithPrefix,
  mergeHistory,
  REST,
  stepsToAsk,
  sumOf,
  toColours,
  trimHistory,
} from '../../src/console/series.js';

const START_MS = Date.parse('2026-05-01T10:00:00.000Z');

/** A history that begins so many steps after the start. */
const historyAt = (step: number, series: History['series']): History => ({
  stepSeconds: 10,
  from: new Date(START_MS + step * 10_000).toISOString(),
  series,
});

describe('mergeHistory', () => {
  test('moves on by the steps that have passed, and takes the newer sample of a step', () => {
    const merged = mergeHistory(historyAt(0, { a: [1, 2, 3, 4] }), historyAt(3, { a: [40, 5, 6] }));
    expect(merged).toEqual(historyAt(2, { a: [3, 40, 5, 6] }));
  });

  test('is what one answer over all steps would have been, however much later', () => {
    const valueAt = (step: number): number => step * 7 + 1;
    const answer = (step: number, length: number): History =>
      historyAt(step, { a: Array.from({ length }, (_, index) => valueAt(step + index)) });
    for (let passed = 0; passed <= 8; passed++) {
      // Asked at the end of a step first, and at the beginning of one later.
      const steps = Math.min(6, stepsToAsk(answer(0, 6), (passed - 1) * 10_000 + 1));
      expect(mergeHistory(answer(0, 6), answer(passed + 6 - steps, steps)), `${passed} steps`).toEqual(
        passed <= 6 ? answer(passed, 6) : undefined,
      );
    }
  });

  test('keeps a sample that the newer answer does not have', () => {
    const merged = mergeHistory(historyAt(0, { a: [1, 2, 3] }), historyAt(1, { a: [null, null, 4] }));
    expect(merged?.series).toEqual({ a: [2, 3, 4] });
  });

  test('has series of either side, and drops those without a sample', () => {
    const merged = mergeHistory(
      historyAt(0, { old: [1, null, null], both: [1, 1, 1] }),
      historyAt(2, { both: [2, 2], new: [3, 3] }),
    );
    expect(merged?.series).toEqual({ both: [1, 2, 2], new: [null, 3, 3] });
  });

  test('stays as it is when the newer answer has no sample at all', () => {
    const old = historyAt(0, { a: [1, 2, 3] });
    expect(mergeHistory(old, historyAt(2, {}))).toEqual(old);
  });

  test('does not fit after a gap, a clock that went back, another step, or nothing', () => {
    const old = historyAt(0, { a: [1, 2] });
    const others = [
      historyAt(3, { a: [9] }),
      historyAt(-1, { a: [9] }),
      { ...historyAt(0, { a: [9] }), stepSeconds: 5 },
    ];
    for (const recent of others) expect(mergeHistory(old, recent)).toBeUndefined();
    expect(mergeHistory(historyAt(0, {}), historyAt(0, { a: [1] }))).toBeUndefined();
  });
});

test('stepsToAsk asks again for steps that may not have been complete, also when the clock went back', () => {
  const history = historyAt(0, { a: [1] });
  expect([-60_000, 0, 10_000, 10_001].map((passedMs) => stepsToAsk(history, passedMs))).toEqual([3, 3, 4, 5]);
});

describe('trimHistory', () => {
  test('drops the steps before the first sample, but not below the least length', () => {
    const history = historyAt(0, { a: [null, null, null, 4, 5], b: [null, null, 3, null, null] });
    expect(trimHistory(history, 1)).toEqual(historyAt(2, { a: [null, 4, 5], b: [3, null, null] }));
    expect(trimHistory(history, 4)).toEqual(historyAt(1, { a: [null, null, 4, 5], b: [null, 3, null, null] }));
    expect(trimHistory(history, 9)).toEqual(history);
  });
});

describe('linesWithPrefix', () => {
  test('names lines without the prefix, in order, and leaves out what was never above 0', () => {
    const series = { 'errors:B': [0, 1], 'errors:A': [2, null], 'errors:C': [0, 0], other: [1, 1] };
    expect(linesWithPrefix(series, 'errors:', 3)).toEqual([
      { name: 'A', values: [2, null] },
      { name: 'B', values: [0, 1] },
    ]);
  });

  test('sums the smallest when there are more than the limit', () => {
    const series = Object.fromEntries([9, 1, 7, 2].map((value) => [`x:${value}`, [value, null]]));
    expect(linesWithPrefix(series, 'x:', 3)).toEqual([
      { name: '7', values: [7, null] },
      { name: '9', values: [9, null] },
      { name: REST, values: [3, null] },
    ]);
  });
});

test('linesNamed leaves out what has no sample', () => {
  expect(linesNamed({ a: [null], b: [0] }, { a: 'first', b: 'second', c: 'third' })).toEqual([
    { name: 'second', values: [0] },
  ]);
});

test('sumOf is null only where none has a sample', () => {
  expect(sumOf([[1, null, null], [2, 3, null], [4]])).toEqual([7, 3, null]);
  expect(sumOf([])).toEqual([]);
});

test('latestOf is the last sample, and none when it is old', () => {
  expect(latestOf([1, 2])).toBe(2);
  expect(latestOf([1, 0, null])).toBe(0);
  expect(latestOf([1, null, null])).toBeNull();
});

describe('toColours', () => {
  test('lines keep their colours when others come and go', () => {
    const first = toColours(new Map(), ['a', 'b', 'c'], 8);
    const second = toColours(first, ['b', 'c', 'd'], 8);
    expect([...first.entries()]).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
    expect([second.get('b'), second.get('c'), second.get('d')]).toEqual([2, 3, 1]);
  });

  test('the sum of the others has the last colour, which no other line takes before', () => {
    const colours = toColours(new Map(), ['a', 'b', REST], 3);
    expect([...colours.values()]).toEqual([1, 2, 3]);
  });
});

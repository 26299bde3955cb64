import { expect, test } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatMs,
  formatNumber,
  formatShort,
  formatTime,
  isolate,
  UNKNOWN,
} from '../../src/console/format.js';

test.each([
  [0, '0'],
  [0.054, '0.05'],
  [0.996, '1'],
  [3.14, '3.1'],
  [99.94, '99.9'],
  [99.96, '100'],
  [12_345.6, '12,346'],
  [-2.25, '-2.3'],
])('formatNumber: %d is %s', (value, text) => expect(formatNumber(value)).toBe(text));

test.each([
  [9_999, '9,999'],
  [10_000, '10k'],
  [12_345, '12.3k'],
  [-12_345, '-12.3k'],
  [12_345_678, '12.3M'],
  [0.2, '0.2'],
])('formatShort: %d is %s', (value, text) => expect(formatShort(value)).toBe(text));

test.each([
  [0, '0 B'],
  [1023, '1,023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [1_048_575, '1 MiB'],
  [5 * 1024 ** 5, '5,120 TiB'],
])('formatBytes: %d is %s', (value, text) => expect(formatBytes(value)).toBe(text));

test.each([
  [0.42, '0.42 ms'],
  [999.4, '999 ms'],
  [999.5, '1 s'],
  [12_345, '12.3 s'],
])('formatMs: %d is %s', (value, text) => expect(formatMs(value)).toBe(text));

test.each([
  [-5, '0 s'],
  [42_000, '42 s'],
  [59_999, '1 min'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [90_061_000, '1 d 1 h'],
  [86_400_000 + 59_000, '1 d'],
])('formatDuration: %d is %s', (value, text) => expect(formatDuration(value)).toBe(text));

test('a number that is not known is not shown as 0', () => {
  for (const format of [formatNumber, formatShort, formatBytes, formatMs]) {
    expect([null, undefined, Number.NaN].map(format)).toEqual([UNKNOWN, UNKNOWN, UNKNOWN]);
  }
});

test('formatTime has the date of another day', () => {
  const now = new Date(2026, 4, 2, 12, 0, 0);
  expect(formatTime(new Date(2026, 4, 2, 9, 5, 7), now)).toBe('09:05:07');
  expect(formatTime(new Date(2026, 4, 1, 23, 59, 59), now)).toBe('2026-05-01 23:59:59');
  expect(formatTime(new Date(Number.NaN), now)).toBe(UNKNOWN);
});

test('a name with marks of direction cannot leave its isolation', () => {
  expect(isolate('\u05d0b')).toBe('\u2068\u05d0b\u2069');
  expect(isolate('a\u2069\u202eb')).toBe('\u2068a\ufffd\ufffdb\u2069');
});

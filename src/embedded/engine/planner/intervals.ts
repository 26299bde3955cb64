import { flipKey, toKeyString } from '../../bson/key-string.js';

/**
 * An interval of the keys of one field, given by prefixes. Including a prefix includes every key that starts with it:
 * a whole key (no key is a prefix of another), the rank of a type, or the empty string, which stands for all keys.
 */
export interface Interval {
  readonly low: string;
  readonly isLowIncluded: boolean;
  readonly high: string;
  readonly isHighIncluded: boolean;
  /** Whether the interval is a single whole key. */
  readonly isPoint: boolean;
}

/** The key of null and of missing fields. */
export const NULL_KEY = toKeyString(null);
/** The interval of all keys that start with a prefix. */
export const prefixed = (prefix: string): Interval => ({
  low: prefix,
  isLowIncluded: true,
  high: prefix,
  isHighIncluded: true,
  isPoint: false,
});

/** The interval of a single key. */
export const pointOf = (key: string): Interval => ({
  low: key,
  isLowIncluded: true,
  high: key,
  isHighIncluded: true,
  isPoint: true,
});

/** Whether intervals contain the key of null, which missing fields have, too. */
export const includesNull = (intervals: readonly Interval[]): boolean =>
  intervals.some((interval) => startOf(interval) <= NULL_KEY && NULL_KEY < endOf(interval));

/** A lower bound of the keys in the interval, inclusive. */
export const startOf = ({ low, isLowIncluded }: Interval): string => (isLowIncluded ? low : behind(low));

/** An upper bound of the keys in the interval, exclusive. */
export const endOf = ({ high, isHighIncluded }: Interval): string => (isHighIncluded ? behind(high) : high);

/** Greater than every key, flipped or not. */
export const BEHIND_EVERYTHING = '\xff';

/** The least string greater than all keys that start with the prefix: its last byte incremented. */
function behind(prefix: string): string {
  let last = prefix.length - 1;
  while (last >= 0 && prefix.charCodeAt(last) === 0xff) last -= 1;
  return last < 0 ? BEHIND_EVERYTHING : prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

/** The interval in a field whose keys are flipped. */
export const flipInterval = ({ low, isLowIncluded, high, isHighIncluded, isPoint }: Interval): Interval => ({
  isPoint,
  low: flipKey(high),
  isLowIncluded: isHighIncluded,
  high: flipKey(low),
  isHighIncluded: isLowIncluded,
});

/** Sorts intervals and merges overlapping ones. */
export function mergeIntervals(intervals: readonly Interval[]): readonly Interval[] {
  if (intervals.length < 2) return intervals;
  const sorted = [...intervals].sort((left, right) => compare(startOf(left), startOf(right)));
  const merged: Interval[] = [];
  for (const interval of sorted) {
    const last = merged.at(-1);
    if (last && startOf(interval) < endOf(last)) {
      if (endOf(interval) > endOf(last)) {
        merged[merged.length - 1] = {
          ...last,
          high: interval.high,
          isHighIncluded: interval.isHighIncluded,
          isPoint: false,
        };
      }
    } else {
      merged.push(interval);
    }
  }
  return merged;
}

/** The intersection of two lists of intervals, which are sorted and do not overlap. */
export function intersectIntervals(left: readonly Interval[], right: readonly Interval[]): readonly Interval[] {
  const common: Interval[] = [];
  for (let i = 0, j = 0; i < left.length && j < right.length; ) {
    const a = left[i] as Interval;
    const b = right[j] as Interval;
    const from = startOf(a) >= startOf(b) ? a : b;
    const to = endOf(a) <= endOf(b) ? a : b;
    if (startOf(from) < endOf(to)) {
      const { low, isLowIncluded } = from;
      const { high, isHighIncluded } = to;
      common.push({ low, isLowIncluded, high, isHighIncluded, isPoint: a.isPoint || b.isPoint });
    }
    if (to === a) i += 1;
    else j += 1;
  }
  return common;
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

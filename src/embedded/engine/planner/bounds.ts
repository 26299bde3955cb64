import { BSONRegExp } from 'bson';
import type { Collation } from '../../bson/collation.js';
import { flipKey, toKeyString } from '../../bson/key-string.js';
import { rankOf, rankOfType } from '../../bson/order.js';
import { isDocument } from '../../bson/values.js';
import type { FieldPredicate } from '../../query/filters/predicate.js';
import { typesOf } from '../../query/filters/scalar-operators.js';

/**
 * A stretch of one field's keys, given by prefixes: including a prefix means including every key that starts with it.
 * That holds for whole keys (none is a prefix of another), for a type's mark, and for the empty string: everything.
 */
export interface Interval {
  readonly low: string;
  readonly isLowIncluded: boolean;
  readonly high: string;
  readonly isHighIncluded: boolean;
  /** Whether this is one whole key. */
  readonly isPoint: boolean;
}

const NULL_KEY = toKeyString(null);
/** The keys that start with a prefix which is no whole key. */
const prefixed = (prefix: string): Interval => ({
  low: prefix,
  isLowIncluded: true,
  high: prefix,
  isHighIncluded: true,
  isPoint: false,
});

const EVERYTHING = prefixed('');

/** Bounds that leave nothing out. */
export const EVERYTHING_BOUNDS: readonly Interval[] = [EVERYTHING];

const pointOf = (key: string): Interval => ({
  low: key,
  isLowIncluded: true,
  high: key,
  isHighIncluded: true,
  isPoint: true,
});

/** Whether the null key, under which missing values are, lies inside. */
export const includesNull = (intervals: readonly Interval[]): boolean =>
  intervals.some((interval) => startOf(interval) <= NULL_KEY && NULL_KEY < endOf(interval));

/** The first key inside, for comparison. */
export const startOf = ({ low, isLowIncluded }: Interval): string => (isLowIncluded ? low : behind(low));

/** The first key behind. */
export const endOf = ({ high, isHighIncluded }: Interval): string => (isHighIncluded ? behind(high) : high);

/** Above the rank every key begins with, flipped or not. */
const BEHIND_EVERYTHING = '\xff';

/** What lies right behind all keys that start with the prefix: the prefix with one more in its last byte. */
function behind(prefix: string): string {
  let last = prefix.length - 1;
  while (last >= 0 && prefix.charCodeAt(last) === 0xff) last -= 1;
  return last < 0 ? BEHIND_EVERYTHING : prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

/** The interval as it lies in a field that is stored in descending order. */
export const flipInterval = ({ low, isLowIncluded, high, isHighIncluded, isPoint }: Interval): Interval => ({
  isPoint,
  low: flipKey(high),
  isLowIncluded: isHighIncluded,
  high: flipKey(low),
  isHighIncluded: isLowIncluded,
});

/** What an index of simple strings cannot compare for a query with a collation, and the other way round. */
function dependsOnCollation(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'string';
  return isDocument(value) || Array.isArray(value) || rankOf(value) === 15;
}

/** How an index and a query compare strings. */
export interface BoundsOptions {
  readonly collation: Collation | undefined;
  /** Whether query and index compare strings alike. */
  readonly isSameCollation: boolean;
}

/**
 * Where, in an index on the path, every document that satisfies the predicate has at least one key. It may hold more:
 * the filter is applied to what is found.
 * @returns undefined when nothing can be said
 */
export function boundsOf({ op, value }: FieldPredicate, options: BoundsOptions): readonly Interval[] | undefined {
  if (!options.isSameCollation && dependsOnCollation(value) && op !== '$in') return undefined;
  switch (op) {
    case '$eq':
      return equalityBounds(value, options);
    case '$all':
      // Each of the values is in the array; the first one leads to it, as in MongoDB.
      return Array.isArray(value) && value.length > 0 && !isSpecial(value[0])
        ? equalityBounds(value[0], options)
        : undefined;
    case '$in':
      return inBounds(value, options);
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return rangeBounds(op, value, options);
    case '$regex':
      return value instanceof BSONRegExp ? regexBounds(value, options) : undefined;
    case '$type':
      return typeBounds(value);
    case '$exists':
      return value === false ? [pointOf(NULL_KEY)] : undefined;
    default:
      return undefined;
  }
}

/** A member of `$all` that is no value to equal. */
const isSpecial = (member: unknown): boolean =>
  member instanceof BSONRegExp || (isDocument(member) && member['$elemMatch'] !== undefined);

function equalityBounds(value: unknown, { collation }: BoundsOptions): readonly Interval[] | undefined {
  // An array is equal to a whole array, whose elements are indexed one by one.
  if (Array.isArray(value) || value === undefined) return undefined;
  return [pointOf(toKeyString(value, collation))];
}

function inBounds(values: unknown, options: BoundsOptions): readonly Interval[] | undefined {
  if (!Array.isArray(values)) return undefined;
  const intervals: Interval[] = [];
  for (const value of values) {
    if (!options.isSameCollation && dependsOnCollation(value)) return undefined;
    const bounds = value instanceof BSONRegExp ? regexBounds(value, options) : equalityBounds(value, options);
    if (!bounds) return undefined;
    intervals.push(...bounds);
  }
  return mergeIntervals(intervals);
}

/** Types whose values are only compared with values of the same type, and that a range can be laid over. */
const RANGE_RANKS: ReadonlySet<number> = new Set([10, 15, 20, 30, 35, 40, 45, 47]);

function rangeBounds(
  op: '$gt' | '$gte' | '$lt' | '$lte',
  value: unknown,
  { collation }: BoundsOptions,
): readonly Interval[] | undefined {
  if (value === null) return op === '$gte' || op === '$lte' ? [pointOf(NULL_KEY)] : undefined;
  const rank = rankOf(value);
  if (!RANGE_RANKS.has(rank)) return undefined;
  const type = String.fromCharCode(rank);
  const key = toKeyString(value, collation);
  const isIncluded = op === '$gte' || op === '$lte';
  return op === '$gt' || op === '$gte'
    ? [{ ...prefixed(type), low: key, isLowIncluded: isIncluded }]
    : [{ ...prefixed(type), high: key, isHighIncluded: isIncluded }];
}

/** Elements of arrays are indexed one by one, so where the arrays themselves are cannot be said. */
function typeBounds(value: unknown): readonly Interval[] | undefined {
  const types = [value].flat().flatMap(typesOf);
  if (types.some((type) => ['array', 'missing', 'undefined'].includes(type))) return undefined;
  return mergeIntervals(types.map((type) => prefixed(String.fromCharCode(rankOfType(type)))));
}

const STRING_MARK = String.fromCharCode(15);
/** Text of a pattern that stands for itself. */
const LITERAL_PREFIX = /^(?:\^|\\A)([\w \-@:;,/=!"'#%&<>~`]+)/;

function regexBounds(value: BSONRegExp, { collation }: BoundsOptions): readonly Interval[] {
  // A stored regular expression matches itself.
  const itself = pointOf(toKeyString(value));
  const prefix = collation === undefined ? literalPrefixOf(value) : '';
  return mergeIntervals([prefixed(STRING_MARK + prefix), itself]);
}

function literalPrefixOf({ pattern, options }: BSONRegExp): string {
  if (/[imx]/.test(options) || pattern.includes('|')) return '';
  const match = LITERAL_PREFIX.exec(pattern);
  if (!match?.[1]) return '';
  const isRepeated = /^[?*+{]/.test(pattern.slice(match[0].length));
  return isRepeated ? match[1].slice(0, -1) : match[1];
}

/** Sorts intervals and joins those that touch. */
function mergeIntervals(intervals: readonly Interval[]): readonly Interval[] {
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

/** The keys in both lists; each list is sorted and without overlaps. */
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

import { BSONRegExp } from 'bson';
import type { Collation } from '../../bson/collation.js';
import { toKeyString } from '../../bson/key-string.js';
import { isCollatable, rankOf, rankOfType } from '../../bson/order.js';
import { isDocument } from '../../bson/values.js';
import type { FieldPredicate } from '../../query/filters/operator.js';
import { typesOf } from '../../query/filters/scalar-operators.js';
import { type Interval, mergeIntervals, NULL_KEY, pointOf, prefixed } from './intervals.js';

/** The collations of the index and the query. */
export interface BoundsOptions {
  readonly collation: Collation | undefined;
  /** Whether query and index have the same collation. */
  readonly isSameCollation: boolean;
}

/**
 * Intervals of an index on the path in which every document that satisfies the predicate has at least one key. They can
 * contain other documents, because the filter is applied to what is found.
 * @returns undefined when the predicate gives no bounds
 */
export function boundsOf({ op, value }: FieldPredicate, options: BoundsOptions): readonly Interval[] | undefined {
  if (!options.isSameCollation && isCollatable(value) && op !== '$in') return undefined;
  switch (op) {
    case '$eq':
      return equalityBounds(value, options);
    case '$all':
      // Every value is in the array. Like MongoDB, use the first one.
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

/** Whether a member of `$all` is not a value to equal. */
const isSpecial = (member: unknown): boolean =>
  member instanceof BSONRegExp || (isDocument(member) && member['$elemMatch'] !== undefined);

function equalityBounds(value: unknown, { collation }: BoundsOptions): readonly Interval[] | undefined {
  if (value === undefined) return undefined;
  // An array has an entry for its first element, or `undefined` if it is empty. It can be an element itself, too.
  if (Array.isArray(value)) return mergeIntervals([value[0], value].map((one) => pointOf(toKeyString(one, collation))));
  return [pointOf(toKeyString(value, collation))];
}

function inBounds(values: unknown, options: BoundsOptions): readonly Interval[] | undefined {
  if (!Array.isArray(values)) return undefined;
  const intervals: Interval[] = [];
  for (const value of values) {
    if (!options.isSameCollation && isCollatable(value)) return undefined;
    const bounds = value instanceof BSONRegExp ? regexBounds(value, options) : equalityBounds(value, options);
    if (!bounds) return undefined;
    intervals.push(...bounds);
  }
  return mergeIntervals(intervals);
}

/** The ranks of types for which range operators compare only values of the same type. */
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

/** Bounds of `$type`. An index contains the elements of arrays, so there are no bounds for the type array. */
function typeBounds(value: unknown): readonly Interval[] | undefined {
  const types = [value].flat().flatMap(typesOf);
  if (types.some((type) => ['array', 'missing', 'undefined'].includes(type))) return undefined;
  return mergeIntervals(types.map((type) => prefixed(String.fromCharCode(rankOfType(type)))));
}

const STRING_MARK = String.fromCharCode(15);
/** The literal prefix of an anchored pattern. */
const LITERAL_PREFIX = /^(?:\^|\\A)([\w \-@:;,/=!"'#%&<>~`]+)/;

function regexBounds(value: BSONRegExp, { collation }: BoundsOptions): readonly Interval[] {
  // A stored regular expression equals itself.
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

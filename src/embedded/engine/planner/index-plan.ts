import { isSameCollation } from '../../bson/collation.js';
import type { Matcher } from '../../query/filters/filter.js';
import type { FieldPredicate } from '../../query/filters/predicate.js';
import type { SortField } from '../../query/sort.js';
import type { CollectionIndex } from '../indexes/collection-index.js';
import { isImplied } from '../indexes/partial-filter.js';
import type { KeyRange } from '../tree/b-plus-tree.js';
import {
  type BoundsOptions,
  boundsOf,
  EVERYTHING_BOUNDS,
  endOf,
  flipInterval,
  type Interval,
  includesNull,
  intersectIntervals,
  startOf,
} from './bounds.js';

/** How an index is read. */
export interface IndexPlan {
  readonly kind: 'index';
  readonly index: CollectionIndex;
  /** Per field that is bounded. */
  readonly bounds: readonly (readonly Interval[])[];
  readonly ranges: readonly KeyRange[];
  readonly isReversed: boolean;
  /** Whether documents come in the order asked for. */
  readonly isSorted: boolean;
  /** Whether one document may be met more than once. */
  readonly mayRepeat: boolean;
}

/** What is looked for, and in which order. */
export interface PlanRequest {
  readonly matcher: Matcher;
  readonly sort?: readonly SortField[] | undefined;
  /** How many documents are wanted at most (limit and skip together). */
  readonly limit?: number | undefined;
  readonly hint?: CollectionIndex | 'natural' | 'naturalReversed' | undefined;
}

/** More ranges than this are not multiplied out: the fields behind stay with the filter. */
const MAX_RANGES = 4000;

/** Entries lie in ascending order of the first field: without a sort, a descending index is read from its end. */
const isReadReversed = (index: CollectionIndex, order: ReturnType<typeof orderOf>): boolean =>
  order === undefined ? index.definition.fields[0]?.direction === -1 : order === 'reversed';

/** An index read from end to end: for a hint, or for its order. */
export function wholeIndex(index: CollectionIndex, request: PlanRequest): IndexPlan {
  const order = sortOrder(index, [], request);
  return {
    kind: 'index',
    index,
    bounds: [],
    ranges: EVERYTHING_BOUNDS.map(toRange),
    isReversed: isReadReversed(index, order),
    isSorted: !request.sort || order !== undefined,
    mayRepeat: index.isMultikey,
  };
}

/** How an index serves a request; undefined when it does not. */
export function planIndex(index: CollectionIndex, request: PlanRequest): IndexPlan | undefined {
  const { matcher, sort } = request;
  const { partialFilter, isSparse, fields, collation } = index.definition;
  if (!sort && !matcher.predicates.some(({ path }) => path === fields[0]?.path)) return undefined;
  if (partialFilter && !isImplied(partialFilter, matcher, collation)) return undefined;
  const bounds = fieldBounds(index, matcher);
  if (isSparse && !bounds.some((intervals) => !includesNull(intervals))) return undefined;
  const order = sort ? sortOrder(index, bounds, request) : undefined;
  // Without bounds or order MongoDB reads the collection, even where a partial index holds just what is wanted.
  if (bounds.length === 0 && order === undefined) return undefined;
  const ranges = toRanges(index, bounds);
  return {
    kind: 'index',
    index,
    bounds,
    ranges,
    isReversed: isReadReversed(index, order),
    isSorted: !sort || order !== undefined,
    mayRepeat: index.isMultikey,
  };
}

const sortOrder = (
  index: CollectionIndex,
  bounds: readonly (readonly Interval[])[],
  { sort, matcher }: PlanRequest,
): 'forward' | 'reversed' | undefined =>
  sort && isSameCollation(matcher.collation, index.definition.collation) ? orderOf(index, bounds, sort) : undefined;

/** The bounds of the index's leading fields, as far as the filter bounds them without a gap. */
function fieldBounds(index: CollectionIndex, { predicates, collation }: Matcher): readonly (readonly Interval[])[] {
  const { fields, collation: indexCollation } = index.definition;
  const options = { collation: indexCollation, isSameCollation: isSameCollation(collation, indexCollation) };
  const bounds: (readonly Interval[])[] = [];
  let hasBoundedArray = false;
  let rangeCount = 1;
  for (let position = 0; position < fields.length; position += 1) {
    const isMultikey = index.isMultikeyAt(position);
    // Two bounds may be met by different elements of an array, that is, by different entries of a document.
    if (isMultikey && hasBoundedArray) break;
    const intervals = intervalsOf(predicates, fields[position]?.path ?? '', { options, isMultikey });
    if (!intervals) break;
    rangeCount *= Math.max(1, intervals.length);
    if (rangeCount > MAX_RANGES && position > 0) break;
    bounds.push(intervals);
    hasBoundedArray ||= isMultikey;
    // Behind a real range the next field's bounds no longer narrow anything.
    if (!intervals.every(({ isPoint }) => isPoint)) break;
  }
  return bounds;
}

function intervalsOf(
  predicates: readonly FieldPredicate[],
  path: string,
  { options, isMultikey }: { options: BoundsOptions; isMultikey: boolean },
): readonly Interval[] | undefined {
  let intervals: readonly Interval[] | undefined;
  for (const predicate of predicates) {
    if (predicate.path !== path) continue;
    const found = boundsOf(predicate, options);
    if (!found) continue;
    if (!intervals) intervals = found;
    else if (!isMultikey) intervals = intersectIntervals(intervals, found);
    else if (
      found.every(({ isPoint }) => isPoint) &&
      found.length < intervals.length + 1 &&
      !intervals.every(({ isPoint }) => isPoint)
    )
      intervals = found;
  }
  return intervals;
}

function toRanges(index: CollectionIndex, bounds: readonly (readonly Interval[])[]): readonly KeyRange[] {
  const [only] = bounds;
  if (only && bounds.length === 1) return only.map(toRange);
  let prefixes: string[] = [''];
  for (const [field, intervals] of bounds.entries()) {
    const ordered = index.isFlipped[field] ? intervals.map(flipInterval).reverse() : intervals;
    if (field === bounds.length - 1) {
      return prefixes.flatMap((prefix) =>
        ordered.map((interval) => ({ low: prefix + startOf(interval), high: prefix + endOf(interval) })),
      );
    }
    prefixes = prefixes.flatMap((prefix) => ordered.map(({ low }) => prefix + low));
  }
  return EVERYTHING_BOUNDS.map(toRange);
}

const toRange = (interval: Interval): KeyRange => ({ low: startOf(interval), high: endOf(interval) });

/**
 * Whether reading the ranges one after another gives the order asked for. An array is sorted by its smallest or largest
 * element, which no entry tells of; but behind an array that is fixed to one value, a document has one entry, in order.
 */
function orderOf(
  index: CollectionIndex,
  bounds: readonly (readonly Interval[])[],
  sort: readonly SortField[],
): 'forward' | 'reversed' | undefined {
  const { fields } = index.definition;
  const arrays = new Set(fields.flatMap(({ path }, position) => (index.isMultikeyAt(position) ? path : [])));
  const fixed = fixedFields(index, bounds);
  const leading = fields[0]?.direction ?? 1;
  let position = 0;
  let isReversed: boolean | undefined;
  for (const { path, direction } of sort) {
    if (arrays.has(path)) return undefined;
    // A field with one value only is in any order; otherwise it must be the index's next.
    if (fixed.has(path)) continue;
    while (position < fields.length && fixed.has(fields[position]?.path ?? '')) position += 1;
    const field = fields[position];
    if (field?.path !== path) return undefined;
    const isAgainst = field.direction * leading !== direction;
    // The tree ascends in its first field, whatever direction that was declared with.
    if (isReversed !== undefined && isReversed !== isAgainst) return undefined;
    isReversed = isAgainst;
    position += 1;
  }
  // An array that is not fixed has entries of one document in several places, of which the first counts.
  const isRead = (field: number): boolean => field < position || bounds.length > field;
  if (fields.some(({ path }, field) => arrays.has(path) && !fixed.has(path) && isRead(field))) return undefined;
  return isReversed ? 'reversed' : 'forward';
}

function fixedFields(index: CollectionIndex, bounds: readonly (readonly Interval[])[]): ReadonlySet<string> {
  const fixed = new Set<string>();
  for (const [position, intervals] of bounds.entries()) {
    const [only] = intervals;
    // Several points in front are read one after another: what follows is in order within each only.
    if (intervals.length !== 1 || !only || !only.isPoint) break;
    fixed.add(index.definition.fields[position]?.path ?? '');
  }
  return fixed;
}

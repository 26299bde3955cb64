import { isSameCollation } from '../../bson/collation.js';
import type { Matcher } from '../../query/filters/filter.js';
import type { FieldPredicate } from '../../query/filters/operator.js';
import type { SortField } from '../../query/sort.js';
import type { CollectionIndex } from '../indexes/collection-index.js';
import { isImplied } from '../indexes/partial-filter.js';
import type { KeyRange } from '../tree/b-plus-tree.js';
import { type BoundsOptions, boundsOf } from './bounds.js';
import {
  BEHIND_EVERYTHING,
  endOf,
  flipInterval,
  type Interval,
  includesNull,
  intersectIntervals,
  startOf,
} from './intervals.js';

/** A plan that reads ranges of an index. */
export interface IndexPlan {
  readonly kind: 'index';
  readonly index: CollectionIndex;
  /** The bounds of the leading fields. */
  readonly bounds: readonly (readonly Interval[])[];
  readonly ranges: readonly KeyRange[];
  readonly isReversed: boolean;
  /** Whether documents come in the requested order. */
  readonly isSorted: boolean;
  /** Whether that order takes a merge of the ranges, because only each of them is in order. */
  readonly isMerged: boolean;
  /** Whether a document can occur more than once. */
  readonly mayRepeat: boolean;
}

/** A hint: an index, or a scan in natural order. */
export type IndexHint = CollectionIndex | 'natural' | 'naturalReversed';

/** What the planner plans: a filter, an order and a limit. */
export interface PlanRequest {
  readonly matcher: Matcher;
  readonly sort?: readonly SortField[] | undefined;
  /** The most documents to read, which is the sum of limit and skip. */
  readonly limit?: number | undefined;
  readonly hint?: IndexHint | undefined;
}

/** The most combinations of intervals. Fields beyond that do not narrow the ranges; the filter checks them. */
const MAX_RANGES = 4000;

/** The most ranges that are merged. MongoDB: `internalQueryMaxScansToExplode`. */
const MAX_MERGED_RANGES = 200;

/** How an index provides the requested order. */
interface Order {
  readonly isReversed: boolean;
  readonly isMerged: boolean;
}

type Bounds = IndexPlan['bounds'];

function toPlan(
  index: CollectionIndex,
  bounds: Bounds,
  { sort, order }: { sort: unknown; order: Order | undefined },
): IndexPlan {
  return {
    kind: 'index',
    index,
    bounds,
    ranges: toRanges(index, bounds),
    // The tree is ascending in the first field, so without a sort a descending index is read backwards.
    isReversed: order?.isReversed ?? index.definition.fields[0]?.direction === -1,
    isSorted: !sort || order !== undefined,
    isMerged: order?.isMerged === true,
    mayRepeat: index.isMultikey,
  };
}

/** A plan that reads a whole index, for a hint. */
export const wholeIndex = (index: CollectionIndex, request: PlanRequest): IndexPlan =>
  toPlan(index, [], { sort: request.sort, order: sortOrder(index, [], request) });

/** The plan that serves a request by an index; undefined when the index cannot serve it. */
export function planIndex(index: CollectionIndex, request: PlanRequest): IndexPlan | undefined {
  const { matcher, sort } = request;
  const { partialFilter, isSparse, fields, collation } = index.definition;
  if (!sort && !matcher.predicates.some(({ path }) => path === fields[0]?.path)) return undefined;
  if (partialFilter && !isImplied(partialFilter, matcher, collation)) return undefined;
  const bounds = fieldBounds(index, matcher);
  if (isSparse && !bounds.some((intervals) => !includesNull(intervals))) return undefined;
  const order = sortOrder(index, bounds, request);
  // Like MongoDB: without bounds and order, a partial index is not used even if it contains exactly the result.
  if (bounds.length === 0 && order === undefined) return undefined;
  return toPlan(index, bounds, { sort, order });
}

function sortOrder(index: CollectionIndex, bounds: Bounds, { sort, matcher }: PlanRequest): Order | undefined {
  if (!sort || !isSameCollation(matcher.collation, index.definition.collation)) return undefined;
  return orderOf(index, bounds, sort) ?? mergedOrderOf(index, bounds, sort);
}

/** The bounds of the leading fields of the index that the filter bounds without a gap. */
function fieldBounds(index: CollectionIndex, { predicates, collation }: Matcher): Bounds {
  const { fields, collation: indexCollation } = index.definition;
  const options = { collation: indexCollation, isSameCollation: isSameCollation(collation, indexCollation) };
  const bounds: (readonly Interval[])[] = [];
  let hasBoundedArray = false;
  let rangeCount = 1;
  for (let position = 0; position < fields.length; position += 1) {
    const isMultikey = index.isMultikeyAt(position);
    // Different elements of an array, that is, different entries of a document, can satisfy two bounds.
    if (isMultikey && hasBoundedArray) break;
    const intervals = intervalsOf(predicates, fields[position]?.path ?? '', { options, isMultikey });
    if (!intervals) break;
    rangeCount *= Math.max(1, intervals.length);
    if (rangeCount > MAX_RANGES && position > 0) break;
    bounds.push(intervals);
    hasBoundedArray ||= isMultikey;
    // After a range, bounds of the next field do not narrow the read.
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

function toRanges(index: CollectionIndex, bounds: Bounds): readonly KeyRange[] {
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
  return [{ low: '', high: BEHIND_EVERYTHING }];
}

/**
 * The order of reading the ranges one after another, if it is the requested one. An array sorts by its least or greatest
 * element, which an entry does not reveal. After an array field that is bounded to one value, each document has one
 * entry, so the order is right.
 */
function orderOf(index: CollectionIndex, bounds: Bounds, sort: readonly SortField[]): Order | undefined {
  const { fields } = index.definition;
  const fixed = fixedFields(index, bounds);
  const leading = fields[0]?.direction ?? 1;
  let position = 0;
  let isReversed: boolean | undefined;
  for (const { path, direction } of sort) {
    if (isArrayAt(index, path)) return undefined;
    // A field bounded to one value satisfies any order. Another field must be the next field of the index.
    if (fixed.has(path)) continue;
    while (position < fields.length && fixed.has(fields[position]?.path ?? '')) position += 1;
    const field = fields[position];
    if (field?.path !== path) return undefined;
    const isAgainst = field.direction * leading !== direction;
    // The tree is ascending in its first field, whatever its declared direction.
    if (isReversed !== undefined && isReversed !== isAgainst) return undefined;
    isReversed = isAgainst;
    position += 1;
  }
  if (isSpread(index, fixed, Math.max(position, bounds.length))) return undefined;
  return { isReversed: isReversed === true, isMerged: false };
}

/**
 * The order of merging the ranges, if it is the requested one: like MongoDB's `explodeForSort`, the leading fields are
 * bounded to some values each, and the fields behind them begin with those of the sort.
 */
function mergedOrderOf(index: CollectionIndex, bounds: Bounds, sort: readonly SortField[]): Order | undefined {
  const { fields } = index.definition;
  const count = bounds.findIndex((intervals) => !intervals.every(({ isPoint }) => isPoint));
  const pointFields = count === -1 ? bounds.length : count;
  const scans = bounds.slice(0, pointFields).reduce((product, intervals) => product * intervals.length, 1);
  if (pointFields === 0 || scans > MAX_MERGED_RANGES) return undefined;
  const leading = fields[0]?.direction ?? 1;
  let isReversed: boolean | undefined;
  for (const [position, { path, direction }] of sort.entries()) {
    const field = fields[pointFields + position];
    if (field?.path !== path || isArrayAt(index, path)) return undefined;
    const isAgainst = field.direction * leading !== direction;
    if (isReversed !== undefined && isReversed !== isAgainst) return undefined;
    isReversed = isAgainst;
  }
  const fixed = new Set(fields.slice(0, pointFields).map(({ path }) => path));
  if (isSpread(index, fixed, Math.max(pointFields + sort.length, bounds.length))) return undefined;
  return { isReversed: isReversed === true, isMerged: true };
}

const isArrayAt = (index: CollectionIndex, path: string): boolean =>
  index.definition.fields.some((field, position) => field.path === path && index.isMultikeyAt(position));

/** Whether a document can have entries in several places of a range, by an array in the first `count` fields. */
const isSpread = (index: CollectionIndex, fixed: ReadonlySet<string>, count: number): boolean =>
  index.definition.fields.slice(0, count).some(({ path }) => !fixed.has(path) && isArrayAt(index, path));

function fixedFields(index: CollectionIndex, bounds: Bounds): ReadonlySet<string> {
  const fixed = new Set<string>();
  for (const [position, intervals] of bounds.entries()) {
    const [only] = intervals;
    // Several points are read one after another, so the following fields are in order only within each.
    if (intervals.length !== 1 || !only || !only.isPoint) break;
    fixed.add(index.definition.fields[position]?.path ?? '');
  }
  return fixed;
}

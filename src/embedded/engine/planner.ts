import { isDeepStrictEqual } from 'node:util';
import type { Collation } from '../bson/collation.js';
import type { FieldPredicate, Matcher } from '../query/match.js';
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
import type { Collection } from './collection.js';
import type { CollectionIndex } from './collection-index.js';
import type { KeyRange } from './ordered-index.js';
import { isImplied } from './partial-index.js';

/** A field and direction a result is to be ordered by. */
export interface SortField {
  readonly path: string;
  readonly direction: 1 | -1;
}

/** How the documents a filter may match are found. The filter is applied to each of them in any case. */
export type Plan =
  | { readonly kind: 'scan'; readonly isReversed: boolean; readonly isSorted: boolean }
  | { readonly kind: 'key'; readonly key: string; readonly isSorted: true }
  | IndexPlan
  | { readonly kind: 'union'; readonly plans: readonly Plan[]; readonly isSorted: false };

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

export interface PlanRequest {
  readonly matcher: Matcher;
  readonly sort?: readonly SortField[] | undefined;
  /** How many documents are wanted at most (limit and skip together). */
  readonly limit?: number | undefined;
  readonly hint?: CollectionIndex | 'natural' | 'naturalReversed' | undefined;
}

/** More ranges than this are not multiplied out: the fields behind stay with the filter. */
const MAX_RANGES = 4000;
/** A plan's cost is estimated from at most this many of its ranges. */
const MAX_COUNTED_RANGES = 16;

/** Chooses how to find what a request asks for: the least expected number of documents to look at. */
export const planRead = (collection: Collection, request: PlanRequest): Plan => {
  const { hint, matcher } = request;
  if (hint === 'natural' || hint === 'naturalReversed') {
    return { kind: 'scan', isReversed: hint === 'naturalReversed', isSorted: !request.sort };
  }
  if (hint) return planIndex(collection, hint, request) ?? wholeIndex(hint, request);
  const key = idKeyOf(collection, matcher);
  if (key !== undefined) return { kind: 'key', key, isSorted: true };
  return cheapest(collection, request);
};

/** Equality on `_id` finds at most one document, by hash. */
const idKeyOf = (collection: Collection, { predicates, collation }: Matcher): string | undefined => {
  for (const { path, op, value } of predicates) {
    if (path !== '_id' || op !== '$eq' || Array.isArray(value) || value === undefined) continue;
    if (!isSameCollation(collation, collection.collation) && typeof value !== 'number' && !isUncollated(value))
      return undefined;
    return collection.keyOf(value);
  }
  return undefined;
};

const isUncollated = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && '_bsontype' in value && value._bsontype === 'ObjectId';

interface Candidate {
  readonly plan: Plan;
  /** How many documents it is expected to look at. */
  readonly cost: number;
}

const cheapest = (collection: Collection, request: PlanRequest): Plan => {
  const { sort, matcher } = request;
  const total = collection.records.size;
  const plans: IndexPlan[] = [];
  for (const index of collection.indexes.values()) {
    if (index.definition.isHidden) continue;
    const plan = planIndex(collection, index, request);
    if (plan && findsOne(plan)) return plan;
    if (plan) plans.push(plan);
  }
  const scan: Plan = { kind: 'scan', isReversed: false, isSorted: !sort };
  if (plans.length === 0) return unionPlan(collection, matcher, { total, below: total })?.plan ?? scan;
  if (plans.length === 1 && plans[0] && plans[0].bounds.length > 0 && matcher.disjunctions.length === 0)
    return plans[0];
  const counted = plans.map((plan) => ({ plan, count: plan.bounds.length === 0 ? total : countOf(plan) }));
  const fewest = counted.reduce((least, { count }) => Math.min(least, count), total);
  let best: Candidate = { plan: scan, cost: sort ? total + sortCost(fewest) : total };
  for (const { plan, count } of counted) {
    const cost = costOf(plan, count, { request, total, fewest });
    // At equal cost the index: it may also give the order, and a scan reads the collection's other documents.
    if (cost < best.cost || (cost === best.cost && best.plan.kind === 'scan' && plan.bounds.length > 0)) {
      best = { plan, cost };
    }
  }
  const union = unionPlan(collection, matcher, { total, below: best.cost });
  return union ? union.plan : best.plan;
};

/** Whether a plan leads to one document at most: nothing can be cheaper. */
const findsOne = ({ index, bounds, ranges, isSorted }: IndexPlan): boolean =>
  isSorted &&
  ranges.length === 1 &&
  index.definition.isUnique &&
  bounds.length === index.definition.fields.length &&
  bounds.every(([only]) => only?.isPoint === true);

const sortCost = (count: number): number => (count > 1 ? count * Math.log2(count) * 0.2 : 0);

const costOf = (
  { isSorted, bounds }: IndexPlan,
  count: number,
  { request, total, fewest }: { request: PlanRequest; total: number; fewest: number },
): number => {
  if (!request.sort) return bounds.length === 0 ? total + 1 : count;
  if (!isSorted) return count + sortCost(count);
  if (request.limit === undefined) return count;
  // Matches are taken to lie evenly in the order: so far it must be read to meet as many as are wanted.
  return Math.min(count, (request.limit * count) / Math.max(1, Math.min(fewest, count)));
};

const countOf = ({ index, ranges }: IndexPlan): number => {
  const counted = Math.min(ranges.length, MAX_COUNTED_RANGES);
  let count = 0;
  for (let position = 0; position < counted; position += 1) count += index.count(ranges[position] as KeyRange);
  return counted < ranges.length ? (count * ranges.length) / counted : count;
};

/** Entries lie in ascending order of the first field: without a sort, a descending index is read from its end. */
const isReadReversed = (index: CollectionIndex, order: ReturnType<typeof orderOf>): boolean =>
  order === undefined ? index.definition.fields[0]?.direction === -1 : order === 'reversed';

/** An index read from end to end: for a hint, or for its order. */
const wholeIndex = (index: CollectionIndex, { sort }: PlanRequest): IndexPlan => {
  const order = sort ? orderOf(index, [], sort) : undefined;
  return {
    kind: 'index',
    index,
    bounds: [],
    ranges: [{ low: '', high: '\uffff\uffff\uffff\uffff' }],
    isReversed: isReadReversed(index, order),
    isSorted: !sort || order !== undefined,
    mayRepeat: index.isMultikey,
  };
};

const planIndex = (collection: Collection, index: CollectionIndex, request: PlanRequest): IndexPlan | undefined => {
  const { matcher, sort } = request;
  const { partialFilter, isSparse, fields } = index.definition;
  if (!sort && !partialFilter && !matcher.predicates.some(({ path }) => path === fields[0]?.path)) return undefined;
  if (partialFilter && !isImplied(partialFilter, matcher)) return undefined;
  const bounds = fieldBounds(index, matcher);
  if (isSparse && !bounds.some((intervals) => !includesNull(intervals))) return undefined;
  const order = sort ? sortOrder(index, bounds, request) : undefined;
  const isUseful = bounds.length > 0 || order !== undefined || (partialFilter !== undefined && !sort);
  if (!isUseful) return undefined;
  const ranges = toRanges(index, bounds);
  return {
    kind: 'index',
    index,
    bounds,
    ranges,
    isReversed: isReadReversed(index, order),
    isSorted: !sort || order !== undefined,
    mayRepeat: index.isMultikey && collection.records.size > 0,
  };
};

const sortOrder = (
  index: CollectionIndex,
  bounds: readonly (readonly Interval[])[],
  { sort, matcher }: PlanRequest,
): 'forward' | 'reversed' | undefined =>
  sort && isSameCollation(matcher.collation, index.definition.collation) ? orderOf(index, bounds, sort) : undefined;

/** The bounds of the index's leading fields, as far as the filter bounds them without a gap. */
const fieldBounds = (index: CollectionIndex, { predicates, collation }: Matcher): readonly (readonly Interval[])[] => {
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
};

const intervalsOf = (
  predicates: readonly FieldPredicate[],
  path: string,
  { options, isMultikey }: { options: BoundsOptions; isMultikey: boolean },
): readonly Interval[] | undefined => {
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
};

const toRanges = (index: CollectionIndex, bounds: readonly (readonly Interval[])[]): readonly KeyRange[] => {
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
};

const toRange = (interval: Interval): KeyRange => ({ low: startOf(interval), high: endOf(interval) });

/** Whether reading the ranges one after another gives the order asked for. */
const orderOf = (
  index: CollectionIndex,
  bounds: readonly (readonly Interval[])[],
  sort: readonly SortField[],
): 'forward' | 'reversed' | undefined => {
  if (index.isMultikey) return undefined;
  const { fields } = index.definition;
  const fixed = fixedFields(index, bounds);
  const leading = fields[0]?.direction ?? 1;
  let position = 0;
  let isReversed: boolean | undefined;
  for (const { path, direction } of sort) {
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
  return isReversed ? 'reversed' : 'forward';
};

const fixedFields = (index: CollectionIndex, bounds: readonly (readonly Interval[])[]): ReadonlySet<string> => {
  const fixed = new Set<string>();
  for (const [position, intervals] of bounds.entries()) {
    const [only] = intervals;
    // Several points in front are read one after another: what follows is in order within each only.
    if (intervals.length !== 1 || !only || !only.isPoint) break;
    fixed.add(index.definition.fields[position]?.path ?? '');
  }
  return fixed;
};

/** An `$or` each of whose branches has an index is the union of what they find. */
const unionPlan = (
  collection: Collection,
  { disjunctions }: Matcher,
  { total, below }: { total: number; below: number },
): Candidate | undefined => {
  let best: Candidate | undefined;
  for (const branches of disjunctions) {
    const plans: Plan[] = [];
    let cost = 0;
    for (const matcher of branches) {
      const plan = planRead(collection, { matcher });
      plans.push(plan);
      cost += expectedCost(plan, total);
    }
    if (cost < (best?.cost ?? below)) best = { plan: { kind: 'union', plans, isSorted: false }, cost };
  }
  return best;
};

const expectedCost = (plan: Plan, total: number): number => {
  switch (plan.kind) {
    case 'key':
      return 1;
    case 'scan':
      return total + 1;
    case 'index':
      return plan.bounds.length === 0 ? plan.index.size : countOf(plan);
    default:
      return plan.plans.reduce((sum, branch) => sum + expectedCost(branch, total), 0);
  }
};

/** Whether two collations compare strings alike. */
export const isSameCollation = (left: Collation | undefined, right: Collation | undefined): boolean =>
  left === right || isDeepStrictEqual(left, right);

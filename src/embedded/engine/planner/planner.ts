import { type Collation, isSameCollation } from '../../bson/collation.js';
import type { Matcher } from '../../query/filters/filter.js';
import type { CollectionIndex } from '../indexes/collection-index.js';
import type { KeyRange } from '../tree/b-plus-tree.js';
import { type IndexPlan, type PlanRequest, planIndex, wholeIndex } from './index-plan.js';

/** What the planner knows about a collection. */
export interface PlannedCollection {
  readonly records: { readonly size: number };
  readonly indexes: ReadonlyMap<string, CollectionIndex>;
  readonly collation: Collation | undefined;
  /** The key string of an `_id`. */
  keyOf(id: unknown): string;
}

/** How to find the candidates for a filter. The filter is applied to every candidate. */
export type Plan =
  | { readonly kind: 'scan'; readonly isReversed: boolean; readonly isSorted: boolean }
  | { readonly kind: 'key'; readonly key: string; readonly isSorted: true }
  | IndexPlan
  | { readonly kind: 'union'; readonly plans: readonly Plan[]; readonly isSorted: false }
  /** The branches of an `$or`, each of them in the requested order. */
  | { readonly kind: 'merge'; readonly plans: readonly IndexPlan[]; readonly isSorted: true };

/** The most ranges of a plan that are counted for its estimated cost. */
const MAX_COUNTED_RANGES = 16;

/** Chooses the plan with the least estimated number of documents to examine. */
export function planRead(collection: PlannedCollection, request: PlanRequest): Plan {
  const { hint, matcher } = request;
  if (hint === 'natural' || hint === 'naturalReversed') {
    return { kind: 'scan', isReversed: hint === 'naturalReversed', isSorted: !request.sort };
  }
  if (hint) return planIndex(hint, request) ?? wholeIndex(hint, request);
  const key = idKeyOf(collection, matcher);
  if (key !== undefined) return { kind: 'key', key, isSorted: true };
  return cheapest(collection, request);
}

/** The key for an equality on `_id`, which finds at most one document in the map of records. */
function idKeyOf(collection: PlannedCollection, { predicates, collation }: Matcher): string | undefined {
  for (const { path, op, value } of predicates) {
    if (path !== '_id' || op !== '$eq' || Array.isArray(value) || value === undefined) continue;
    if (!isSameCollation(collation, collection.collation) && typeof value !== 'number' && !isUncollated(value))
      return undefined;
    return collection.keyOf(value);
  }
  return undefined;
}

const isUncollated = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && '_bsontype' in value && value._bsontype === 'ObjectId';

interface Candidate {
  readonly plan: Plan;
  /** The estimated number of documents to examine. */
  readonly cost: number;
}

function cheapest(collection: PlannedCollection, request: PlanRequest): Plan {
  const { sort, matcher } = request;
  const total = collection.records.size;
  const plans: IndexPlan[] = [];
  for (const index of collection.indexes.values()) {
    if (index.definition.isHidden) continue;
    const plan = planIndex(index, request);
    if (plan && findsOne(plan)) return plan;
    if (plan) plans.push(plan);
  }
  const scan: Plan = { kind: 'scan', isReversed: false, isSorted: !sort };
  if (plans.length === 0) return unionPlan(collection, request, { total, below: total })?.plan ?? scan;
  if (plans.length === 1 && plans[0] && plans[0].bounds.length > 0 && matcher.disjunctions.length === 0)
    return plans[0];
  const counted = plans.map((plan) => ({ plan, count: plan.bounds.length === 0 ? total : countOf(plan) }));
  const fewest = counted.reduce((least, { count }) => Math.min(least, count), total);
  let best: Candidate = { plan: scan, cost: sort ? total + sortCost(fewest) : total };
  for (const { plan, count } of counted) {
    const cost = costOf(plan, count, { request, total, fewest });
    if (cost < best.cost || (cost === best.cost && isPreferred(plan, best.plan))) best = { plan, cost };
  }
  const union = unionPlan(collection, request, { total, below: best.cost });
  return union ? union.plan : best.plan;
}

/**
 * Whether to prefer a plan at equal cost. To a scan, because an index can provide the order and a scan examines unrelated
 * documents; to an index that bounds fewer fields.
 */
function isPreferred(plan: IndexPlan, other: Plan): boolean {
  if (other.kind === 'scan') return plan.bounds.length > 0;
  return other.kind === 'index' && plan.isSorted === other.isSorted && plan.bounds.length > other.bounds.length;
}

/** Whether a plan finds at most one document, so that no plan is cheaper. */
const findsOne = ({ index, bounds, ranges, isSorted }: IndexPlan): boolean =>
  isSorted &&
  ranges.length === 1 &&
  index.definition.isUnique &&
  bounds.length === index.definition.fields.length &&
  bounds.every(([only]) => only?.isPoint === true);

const sortCost = (count: number): number => (count > 1 ? count * Math.log2(count) * 0.2 : 0);

function costOf(
  { isSorted, bounds }: IndexPlan,
  count: number,
  { request, total, fewest }: { request: PlanRequest; total: number; fewest: number },
): number {
  if (!request.sort) return bounds.length === 0 ? total + 1 : count;
  if (!isSorted) return count + sortCost(count);
  if (request.limit === undefined) return count;
  // Assumes that matches are evenly distributed in the order.
  return Math.min(count, (request.limit * count) / Math.max(1, Math.min(fewest, count)));
}

function countOf({ index, ranges }: IndexPlan): number {
  const counted = Math.min(ranges.length, MAX_COUNTED_RANGES);
  let count = 0;
  for (let position = 0; position < counted; position += 1) count += index.count(ranges[position] as KeyRange);
  return counted < ranges.length ? (count * ranges.length) / counted : count;
}

/** The cheapest union of plans for the branches of an `$or`, if it costs less than `below`. */
function unionPlan(
  collection: PlannedCollection,
  request: PlanRequest,
  { total, below }: { total: number; below: number },
): Candidate | undefined {
  let best: Candidate | undefined;
  for (const branches of request.matcher.disjunctions) {
    const union = mergePlan(collection, branches, request) ?? plainUnion(collection, branches, total);
    if (union.cost < (best?.cost ?? below)) best = union;
  }
  return best;
}

function plainUnion(collection: PlannedCollection, branches: readonly Matcher[], total: number): Candidate {
  const plans = branches.map((matcher) => planRead(collection, { matcher }));
  const cost = plans.reduce((sum, plan) => sum + expectedCost(plan, total), 0);
  return { plan: { kind: 'union', plans, isSorted: false }, cost };
}

/** Like MongoDB, merges the branches of an `$or` when an index provides the order of each. */
function mergePlan(
  collection: PlannedCollection,
  branches: readonly Matcher[],
  { sort, limit }: PlanRequest,
): Candidate | undefined {
  if (!sort) return undefined;
  const plans: IndexPlan[] = [];
  let count = 0;
  for (const matcher of branches) {
    const found = orderedBranch(collection, { matcher, sort });
    if (!found) return undefined;
    plans.push(found.plan);
    count += found.count;
  }
  const cost = limit === undefined ? count : Math.min(count, limit + plans.length);
  return { plan: { kind: 'merge', plans, isSorted: true }, cost };
}

/** The cheapest plan of an `$or` branch that is in the requested order. */
function orderedBranch(
  collection: PlannedCollection,
  request: PlanRequest,
): { plan: IndexPlan; count: number } | undefined {
  let best: { plan: IndexPlan; count: number } | undefined;
  for (const index of collection.indexes.values()) {
    const plan = index.definition.isHidden ? undefined : planIndex(index, request);
    if (plan === undefined || !isMergeable(plan)) continue;
    const count = countOf(plan);
    if (best === undefined || count < best.count) best = { plan, count };
  }
  return best;
}

/** MongoDB merges scans in the direction of their index, and reverses them only behind fields bounded to values. */
const isMergeable = ({ index, bounds, isSorted, isReversed }: IndexPlan): boolean =>
  isSorted &&
  bounds.length > 0 &&
  (bounds[0]?.every(({ isPoint }) => isPoint) === true ||
    isReversed === (index.definition.fields[0]?.direction === -1));

function expectedCost(plan: Plan, total: number): number {
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
}

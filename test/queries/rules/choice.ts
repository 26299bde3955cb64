import type { Conjunction, Fields, Predicate } from './filter.js';
import type { IndexSpec } from './index-spec.js';
import { isSubset } from './partial.js';

/** What is asked of a collection. */
export interface Question {
  readonly filter: Conjunction;
  readonly sort: readonly (readonly [path: string, direction: 1 | -1])[];
  readonly hint: string | undefined;
  /** As in {@link IndexSpec}. */
  readonly collation: string | undefined;
}

/** How MongoDB answers it. */
export interface Choice {
  /** Index names; none is a scan of the collection. */
  readonly indexes: readonly string[];
  /** Leading fields that are bounded, with what bounds them. */
  readonly bounds: string;
  /** `none`: not asked for; `merge`: several ordered reads are merged; `memory`: everything found is sorted. */
  readonly order: 'none' | 'index' | 'merge' | 'memory';
  /** Finds one document at most. */
  readonly isOne: boolean;
}

type Bound = 'point' | 'points' | 'range';

/** MongoDB makes at most this many ordered reads of one index to avoid a sort (`internalQueryMaxScansToExplode`). */
const MERGED_MAX = 200;

/**
 * The index that serves a question best by MongoDB's rules. Where several could serve it, MongoDB tries them and keeps the
 * one that finds results soonest; here the ranking is: one document at most, then the order, then the most bounded fields, then
 * the smaller index.
 */
export function choose(question: Question, indexes: readonly IndexSpec[]): Choice {
  const { filter, hint } = question;
  // An index serves no texts in another collation. That it would serve other values is left out.
  const alike = indexes.filter((index) => index.collation === question.collation);
  const usable = hint === undefined ? alike : alike.filter(({ name }) => name === hint);
  if (hint !== undefined && usable.length === 0) throw new Error(`there is no index ${hint}`);
  const choices = usable.flatMap((index) => use(index, question) ?? []);
  const unions =
    hint === undefined ? filter.disjunctions.flatMap((branches) => unite(branches, question, indexes) ?? []) : [];
  const [best] = [...choices, ...unions].sort((left, right) => rank(right) - rank(left));
  return best?.choice ?? { indexes: [], bounds: '', order: question.sort.length > 0 ? 'memory' : 'none', isOne: false };
}

interface Candidate {
  readonly choice: Choice;
  readonly bounded: number;
  readonly isPartial: boolean;
}

const rank = ({ choice: { isOne, order }, bounded, isPartial }: Candidate): number =>
  (isOne ? 1000 : 0) + (order === 'memory' ? 0 : 100) + bounded + (isPartial ? 0.5 : 0);

function use(index: IndexSpec, { filter, sort }: Question): Candidate | undefined {
  if (index.partialFilter !== undefined && !isSubset(filter, index.partialFilter)) return undefined;
  if (index.isSparse && !index.keys.some(([path]) => excludesMissing(filter, path))) return undefined;
  const bounds = boundsOf(index, filter);
  const order = orderOf(index, bounds, { filter, sort });
  // MongoDB considers an index for its first field, or for the order.
  if (bounds.length === 0 && order !== 'index') return undefined;
  const isOne = index.isUnique && bounds.length === index.keys.length && bounds.every((bound) => bound === 'point');
  const fields = bounds.map((bound, position) => `${index.keys[position]?.[0]} ${bound}`);
  return {
    choice: {
      indexes: [index.name],
      bounds: fields.join(', '),
      order: isOne && sort.length > 0 ? 'index' : order,
      isOne,
    },
    bounded: bounds.length,
    isPartial: index.partialFilter !== undefined,
  };
}

const excludesMissing = ({ predicates }: Conjunction, path: string): boolean =>
  predicates.some((predicate) => {
    const bound = predicate.path === path ? boundOf(predicate) : undefined;
    if (bound === undefined) return false;
    return predicate.op === '$in' ? !(predicate.value as unknown[]).includes(null) : predicate.value !== null;
  });

/** What bounds the leading fields of the index, as far as they are bounded without a gap. */
function boundsOf(index: IndexSpec, { predicates }: Conjunction): Bound[] {
  const bounds: Bound[] = [];
  let arrayGroup: number | 'none' | undefined;
  for (const [path] of index.keys) {
    const found = predicates.filter((predicate) => predicate.path === path && boundOf(predicate) !== undefined);
    if (found.length === 0) break;
    // Two fields of one array are bounded together only inside an `$elemMatch`.
    if (index.arrays.has(path)) {
      const group = found[0]?.group ?? 'none';
      if (arrayGroup !== undefined && (group === 'none' || group !== arrayGroup)) break;
      arrayGroup = group;
    }
    const kinds = new Set(found.map(boundOf));
    const bound: Bound = kinds.has('point') ? 'point' : kinds.has('points') ? 'points' : 'range';
    bounds.push(bound);
    if (bound === 'range') break;
  }
  return bounds;
}

function boundOf({ op, value }: Predicate): Bound | undefined {
  switch (op) {
    case '$eq':
      return Array.isArray(value) ? undefined : 'point';
    case '$in':
      // However many there are in this call.
      return 'points';
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return 'range';
    case '$type':
      // The elements of an array are in an index, the array is not.
      return [value].flat().includes('array') ? undefined : 'range';
    case '$regex':
      return value instanceof RegExp && value.flags === '' && /^\^\w/.test(value.source) ? 'range' : undefined;
    default:
      return undefined;
  }
}

function orderOf(
  index: IndexSpec,
  bounds: readonly Bound[],
  { filter, sort }: Pick<Question, 'filter' | 'sort'>,
): Choice['order'] {
  if (sort.length === 0) return 'none';
  const fixed = new Set<string>();
  let isMerged = false;
  let scans = 1;
  for (const [position, bound] of bounds.entries()) {
    const path = index.keys[position]?.[0] ?? '';
    if (bound === 'range') break;
    if (bound === 'points') {
      // Without this field in front of the order, each of its values is read by itself.
      if (sort.some(([sorted]) => sorted === path)) break;
      isMerged = true;
      scans *= Math.max(
        ...filter.predicates.map(({ path: of, op, value }) =>
          of === path && op === '$in' ? (value as unknown[]).length : 1,
        ),
      );
    }
    fixed.add(path);
  }
  if (scans > MERGED_MAX) return 'memory';
  let position = 0;
  let isReversed: boolean | undefined;
  for (const [path, direction] of sort) {
    if (index.arrays.has(path)) return 'memory';
    if (fixed.has(path)) continue;
    while (position < index.keys.length && fixed.has(index.keys[position]?.[0] ?? '')) position += 1;
    const key = index.keys[position];
    if (key?.[0] !== path) return 'memory';
    const isAgainst = key[1] !== direction;
    if (isReversed !== undefined && isReversed !== isAgainst) return 'memory';
    isReversed = isAgainst;
    position += 1;
  }
  return isMerged ? 'merge' : 'index';
}

/** A disjunction is served by indexes when each of its branches is, together with what holds for all of them. */
function unite(
  branches: readonly Conjunction[],
  { filter, sort, collation }: Question,
  indexes: readonly IndexSpec[],
): Candidate | undefined {
  const choices = branches.map((branch) => {
    const predicates = [...filter.predicates, ...branch.predicates];
    return choose(
      { filter: { predicates, disjunctions: branch.disjunctions }, sort, hint: undefined, collation },
      indexes,
    );
  });
  if (choices.some((choice) => choice.indexes.length === 0)) return undefined;
  const isOrdered = choices.every(({ order }) => order !== 'memory');
  return {
    choice: {
      indexes: [...new Set(choices.flatMap((choice) => choice.indexes))],
      bounds: [...new Set(choices.map(({ bounds }) => bounds))].join(' | '),
      order: sort.length === 0 ? 'none' : isOrdered ? 'merge' : 'memory',
      isOne: false,
    },
    bounded: Math.min(...choices.map(({ bounds }) => bounds.split(', ').length)),
    isPartial: false,
  };
}

/** A sort as a list. */
export const toSort = (sort: unknown): Question['sort'] => {
  const entries = sort instanceof Map ? [...sort] : Object.entries((sort ?? {}) as Fields);
  return entries.map(([path, direction]) => [String(path), Number(direction) < 0 ? -1 : 1]);
};

import { isDeepStrictEqual } from 'node:util';
import { MaxKey, MinKey } from 'bson';
import { type Collation, isSameCollation } from '../../bson/collation.js';
import { describe } from '../../bson/describe.js';
import { toNumber } from '../../bson/numbers.js';
import { compareValues, isCollatable, rankOf } from '../../bson/order.js';
import { toPath } from '../../bson/path.js';
import { type Document, isDocument, isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { Matcher } from '../../query/filters/filter.js';
import type { FieldPredicate } from '../../query/filters/operator.js';
import { isRegExp } from '../../query/regular-expression.js';
import { isTruthy } from '../../query/truthiness.js';

/**
 * Whether every document that the query matches is certainly in a partial index with this filter. This concludes exactly
 * what `expression::isSubsetOf` of MongoDB concludes. For example, a value implies no type, so a query can use an index
 * with `$type` in its filter only if it repeats that condition.
 * @param collation - the collation of the index, by which its filter compares strings
 */
export function isImplied(filter: Document, query: Matcher, collation: Collation | undefined): boolean {
  const collations: Collations = { ofIndex: collation, isSame: isSameCollation(collation, query.collation) };
  return toRequirements(filter).every((required) => isSubset(query, required, collations));
}

interface Collations {
  readonly ofIndex: Collation | undefined;
  /** Whether the query has the collation of the index. */
  readonly isSame: boolean;
}

/** A condition of a filter: on a field, or the branches of an `$or`. */
type Requirement = FieldPredicate | { readonly branches: readonly (readonly Requirement[])[] };

/** The conditions of a filter, all of which must hold. */
const toRequirements = (filter: Document): Requirement[] =>
  Object.entries(filter).flatMap(([key, condition]): Requirement[] => {
    if (key === '$and') return (condition as Document[]).flatMap(toRequirements);
    if (key === '$or') return [{ branches: (condition as Document[]).map(toRequirements) }];
    return requirementsOf(key, condition);
  });

/** Whether the query implies a condition. For an `$or` it must imply one of the branches. */
function isSubset(query: Matcher, required: Requirement, collations: Collations): boolean {
  if ('branches' in required) {
    return required.branches.some((branch) => branch.every((part) => isSubset(query, part, collations)));
  }
  return (
    query.predicates.some((given) => implies(given, required, collations)) ||
    query.disjunctions.some((branches) => branches.every((branch) => isSubset(branch, required, collations)))
  );
}

const FILTER_OPERATORS: ReadonlySet<string> = new Set(['$eq', '$exists', '$gt', '$gte', '$in', '$lt', '$lte', '$type']);

/**
 * Checks that MongoDB allows the filter for a partial index.
 * @throws DatabaseError CannotCreateIndex
 */
export function ensurePartialFilter(filter: Document): void {
  for (const [key, condition] of Object.entries(filter)) {
    const branches = (key === '$and' || key === '$or') && Array.isArray(condition) ? condition : undefined;
    if (branches) for (const branch of branches) ensurePartialFilter(branch as Document);
    else if (key.startsWith('$') || isRegExp(condition)) failOnFilter(filter);
    else ensureIndexable(key, condition);
  }
}

function ensureIndexable(key: string, condition: unknown): void {
  for (const { op, value } of requirementsOf(key, condition)) {
    if (!FILTER_OPERATORS.has(op) || (op === '$exists' && !isTruthy(value))) failOnFilter({ [key]: condition });
  }
}

const failOnFilter = (filter: Document): never =>
  fail('CannotCreateIndex', `Expression not supported in partial index: ${describe(filter)}`);

/** The top-level fields that determine whether a document matches; undefined when unknown. */
export function determiningFields(filter: Document): readonly string[] | undefined {
  const fields: string[] = [];
  for (const [path, condition] of Object.entries(filter)) {
    const parts = path === '$and' || path === '$or' ? condition : undefined;
    if (!Array.isArray(parts)) {
      if (path.startsWith('$')) return undefined;
      fields.push(toPath(path)[0] ?? '');
      continue;
    }
    for (const part of parts) {
      const decided = determiningFields(part as Document);
      if (!decided) return undefined;
      fields.push(...decided);
    }
  }
  return fields;
}

function requirementsOf(path: string, condition: unknown): FieldPredicate[] {
  const isOperators = isDocument(condition) && Object.keys(condition)[0]?.startsWith('$');
  if (!isOperators) return [{ path, op: '$eq', value: condition }];
  return Object.entries(condition as Document).map(([op, value]) => ({ path, op, value }));
}

const INCLUSIVE: ReadonlySet<string> = new Set(['$eq', '$gte', '$lte']);
const COMPARISONS: ReadonlySet<string> = new Set([...INCLUSIVE, '$gt', '$lt']);

function implies(given: FieldPredicate, required: FieldPredicate, collations: Collations): boolean {
  if (given.path !== required.path) return false;
  if (given.op === required.op && isDeepStrictEqual(given.value, required.value)) {
    return collations.isSame || !isCollatable(required.value);
  }
  const { op, value } = required;
  if (op === '$exists') return isPresent(given);
  if (op === '$in') {
    const members = membersOf(value);
    return (
      members?.some((member) => impliesComparison(given, { ...required, op: '$eq', value: member }, collations)) ??
      false
    );
  }
  return COMPARISONS.has(op) && impliesComparison(given, required, collations);
}

/** The values of `$in`; undefined when it contains regular expressions. */
const membersOf = (values: unknown): readonly unknown[] | undefined =>
  Array.isArray(values) && !values.some(isRegExp) ? values : undefined;

function impliesComparison(given: FieldPredicate, required: FieldPredicate, collations: Collations): boolean {
  if (given.op === '$in') {
    const { path } = given;
    const members = membersOf(given.value);
    return members?.every((value) => impliesComparison({ path, op: '$eq', value }, required, collations)) ?? false;
  }
  if (!COMPARISONS.has(given.op) || rankOf(given.value) !== rankOf(required.value)) return false;
  if (isNaNValue(given.value) || isNaNValue(required.value)) {
    return [given, required].every(({ op, value }) => isNaNValue(value) && INCLUSIVE.has(op));
  }
  if (!collations.isSame && isCollatable(given.value)) return false;
  const order = compareValues(given.value, required.value, collations.ofIndex);
  if (given.op === required.op && order === 0) return true;
  const direction = required.op.startsWith('$gt') ? 1 : -1;
  const isOneSided = given.op === '$eq' || given.op.slice(0, 3) === required.op.slice(0, 3);
  if (required.op === '$eq' || !isOneSided) return false;
  return INCLUSIVE.has(required.op) ? order * direction >= 0 : order * direction > 0;
}

const isNaNValue = (value: unknown): boolean => isNumeric(value) && Number.isNaN(toNumber(value));

const PRESENT: ReadonlySet<string> = new Set(['$elemMatch', '$exists', '$mod', '$regex', '$size', '$type']);

/** The ranks of null, MinKey and MaxKey: comparisons with them match missing values, too. */
const MATCHING_MISSING: ReadonlySet<number> = new Set([undefined, null, new MinKey(), new MaxKey()].map(rankOf));

/** Whether the condition implies that the field exists. */
function isPresent({ op, value }: FieldPredicate): boolean {
  if (op === '$exists') return isTruthy(value);
  if (PRESENT.has(op)) return true;
  if (COMPARISONS.has(op)) return !MATCHING_MISSING.has(rankOf(value));
  if (op === '$in') return Array.isArray(value) && !value.includes(null);
  // Negations of null imply existence.
  if (op === '$ne') return value === null;
  if (op === '$nin') return Array.isArray(value) && value.includes(null);
  return op === '$not' && isDocument(value) && value['$eq'] === null && Object.keys(value).length === 1;
}

import { isDeepStrictEqual } from 'node:util';
import { type Conjunction, type Fields, type Predicate, parseFilter } from './filter.js';

/**
 * Whether MongoDB concludes that all documents of a query are in a partial index (`expression::isSubsetOf`). Written for the
 * conditions that this project's indexes use; what it does not know is not proven.
 */
export function isSubset(query: Conjunction, partialFilter: Fields): boolean {
  const required = parseFilter(partialFilter);
  return (
    required.predicates.every(
      (one) =>
        isSubsetOfOne(query, one) || query.disjunctions.some((given) => given.every((it) => isSubsetOfOne(it, one))),
    ) &&
    required.disjunctions.every(
      (branches) =>
        isSubsetOfSome(query, branches) ||
        query.disjunctions.some((given) => given.every((one) => isSubsetOfSome(one, branches))),
    )
  );
}

const isSubsetOfOne = ({ predicates }: Conjunction, required: Predicate): boolean =>
  predicates.some((given) => given.path === required.path && proves(given, required));

const isSubsetOfSome = (query: Conjunction, branches: readonly Conjunction[]): boolean =>
  branches.some(({ predicates }) => predicates.every((required) => isSubsetOfOne(query, required)));

function proves(given: Predicate, required: Predicate): boolean {
  if (given.group !== undefined) return false;
  if (given.op === required.op && isDeepStrictEqual(given.value, required.value)) return true;
  if (given.op === '$in') {
    const values = given.value as unknown[];
    return values.every((value) => proves({ ...given, op: '$eq', value }, required));
  }
  switch (required.op) {
    case '$exists':
      return given.op === '$eq' ? given.value != null : given.op === '$type' || /^\$[gl]te?$/.test(given.op);
    case '$gt':
      return isOrdered(given, required, ['$eq', '$gt', '$gte']) && (given.value as number) > (required.value as number);
    case '$gte':
      return (
        isOrdered(given, required, ['$eq', '$gt', '$gte']) && (given.value as number) >= (required.value as number)
      );
    default:
      // Above all `$type`, which nothing proves but itself.
      return false;
  }
}

const isOrdered = (given: Predicate, required: Predicate, operators: readonly string[]): boolean =>
  operators.includes(given.op) && given.value != null && kindOf(given.value) === kindOf(required.value);

const kindOf = (value: unknown): string => (value instanceof Date ? 'date' : typeof value);

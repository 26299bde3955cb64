import type { Collation } from '../../../bson/collation.js';
import { toKeyString } from '../../../bson/key-string.js';
import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { isTruthy } from '../../truthiness.js';
import { ANY_NUMBER, defineOperator, isNullish, type OperatorEntry } from './define.js';

function toSet(name: string, value: unknown, collation: Collation | undefined): Map<string, unknown> {
  if (!Array.isArray(value))
    return fail('Location17040', `All operands of ${name} must be arrays. One argument is of type: ${typeOf(value)}`);
  const set = new Map<string, unknown>();
  for (const element of value) {
    const key = toKeyString(element, collation);
    if (!set.has(key)) set.set(key, element);
  }
  return set;
}

const define = (
  name: string,
  combine: (sets: Map<string, unknown>[]) => unknown,
  { arity, isNullable }: { arity: Parameters<typeof defineOperator>[1]; isNullable: boolean },
): OperatorEntry =>
  defineOperator(name, arity, (values, { collation }) => {
    if (isNullable && values.some(isNullish)) return null;
    return combine(values.map((value) => toSet(name, value, collation)));
  });

const NULLABLE = { arity: ANY_NUMBER, isNullable: true };

const bySortedKey = (set: Map<string, unknown>): unknown[] =>
  [...set.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);

function flags(name: string, value: unknown): boolean[] {
  if (!Array.isArray(value))
    return fail('Location17040', `${name}'s argument must be an array, but is ${typeOf(value)}`);
  return value.map(isTruthy);
}

/** Set operators on arrays, which ignore order and duplicates. */
export const setOperators: readonly OperatorEntry[] = [
  define('$setUnion', (sets) => bySortedKey(new Map(sets.flatMap((set) => [...set]))), NULLABLE),
  define(
    '$setIntersection',
    ([first, ...others]) =>
      first === undefined
        ? []
        : bySortedKey(new Map([...first].filter(([key]) => others.every((set) => set.has(key))))),
    NULLABLE,
  ),
  define(
    '$setDifference',
    ([left, right]) => [...(left ?? [])].filter(([key]) => right?.has(key) !== true).map(([, value]) => value),
    { arity: 2, isNullable: true },
  ),
  define(
    '$setEquals',
    ([first, ...others]) =>
      others.every((set) => set.size === first?.size && [...set.keys()].every((key) => first.has(key))),
    {
      arity: { min: 2, max: Number.POSITIVE_INFINITY },
      isNullable: false,
    },
  ),
  define('$setIsSubset', ([left, right]) => [...(left?.keys() ?? [])].every((key) => right?.has(key)), {
    arity: 2,
    isNullable: false,
  }),
  defineOperator('$allElementsTrue', 1, ([value]) => flags('$allElementsTrue', value).every(Boolean)),
  defineOperator('$anyElementTrue', 1, ([value]) => flags('$anyElementTrue', value).some(Boolean)),
];

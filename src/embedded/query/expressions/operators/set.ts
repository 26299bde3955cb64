import type { Collation } from '../../../bson/collation.js';
import { toKeyString } from '../../../bson/key-string.js';
import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { isTruthy } from '../../truthiness.js';
import { ANY_NUMBER, defineOperator, isNullish, type OperatorEntry } from './define.js';

const toSet = (values: readonly unknown[], collation: Collation | undefined): Map<string, unknown> => {
  const set = new Map<string, unknown>();
  for (const element of values) {
    const key = toKeyString(element, collation);
    if (!set.has(key)) set.set(key, element);
  }
  return set;
};

interface SetOperator {
  readonly arity: Parameters<typeof defineOperator>[1];
  /** Whether the result is null when an operand is null. */
  readonly isNullable: boolean;
  /** The codes for operands that are no arrays. The last one is that of all further operands. */
  readonly codes: readonly number[];
}

const define = (
  name: string,
  { arity, isNullable, codes }: SetOperator,
  combine: (sets: Map<string, unknown>[]) => unknown,
): OperatorEntry =>
  defineOperator(name, arity, (values, { collation }) => {
    // An operator that two null operands make null looks at both before it checks a type.
    if (isNullable && codes.length > 1 && values.some(isNullish)) return null;
    const sets: Map<string, unknown>[] = [];
    for (const [index, value] of values.entries()) {
      if (isNullable && isNullish(value)) return null;
      if (!Array.isArray(value)) {
        const code = codes[Math.min(index, codes.length - 1)] ?? 0;
        return fail(
          `Location${code}`,
          `All operands of ${name} must be arrays. One argument is of type: ${typeOf(value)}`,
        );
      }
      sets.push(toSet(value, collation));
    }
    return combine(sets);
  });

const bySortedKey = (set: Map<string, unknown>): unknown[] =>
  [...set.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);

function flags(name: string, code: number, value: unknown): boolean[] {
  if (!Array.isArray(value))
    return fail(`Location${code}`, `${name}'s argument must be an array, but is ${typeOf(value)}`);
  return value.map(isTruthy);
}

/** Set operators on arrays, which ignore order and duplicates. */
export const setOperators: readonly OperatorEntry[] = [
  define('$setUnion', { arity: ANY_NUMBER, isNullable: true, codes: [17043] }, (sets) =>
    bySortedKey(new Map(sets.toReversed().flatMap((set) => [...set]))),
  ),
  define(
    '$setIntersection',
    { arity: ANY_NUMBER, isNullable: true, codes: [17047] },
    ([first = new Map(), ...others]) =>
      bySortedKey(new Map([...first].filter(([key]) => others.every((set) => set.has(key))))),
  ),
  define('$setDifference', { arity: 2, isNullable: true, codes: [17048, 17049] }, ([left = new Map(), right]) =>
    [...left].filter(([key]) => right?.has(key) !== true).map(([, value]) => value),
  ),
  define(
    '$setEquals',
    { arity: { min: 2, max: Number.POSITIVE_INFINITY }, isNullable: false, codes: [17044] },
    ([first, ...others]) =>
      others.every((set) => set.size === first?.size && [...set.keys()].every((key) => first.has(key))),
  ),
  define('$setIsSubset', { arity: 2, isNullable: false, codes: [17046, 17042] }, ([left = new Map(), right]) =>
    [...left.keys()].every((key) => right?.has(key)),
  ),
  defineOperator('$allElementsTrue', 1, ([value]) => flags('$allElementsTrue', 17040, value).every(Boolean)),
  defineOperator('$anyElementTrue', 1, ([value]) => flags('$anyElementTrue', 17041, value).some(Boolean)),
];

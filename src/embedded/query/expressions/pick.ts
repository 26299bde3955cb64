import type { Collation } from '../../bson/collation.js';
import { toNumber } from '../../bson/numbers.js';
import { compareValues } from '../../bson/order.js';
import { isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** Picks a number of values. */
export type Pick = (values: readonly unknown[], count: number, collation: Collation | undefined) => unknown[];

const sorted = (values: readonly unknown[], collation: Collation | undefined): unknown[] =>
  values.filter((value) => value !== null && value !== undefined).sort((a, b) => compareValues(a, b, collation));

/** `$firstN`, `$lastN`, `$minN` and `$maxN`, which are accumulators and operators on arrays. */
export const PICKS: readonly (readonly [string, Pick])[] = [
  ['$firstN', (values, count) => values.slice(0, count)],
  ['$lastN', (values, count) => values.slice(-count)],
  ['$minN', (values, count, collation) => sorted(values, collation).slice(0, count)],
  ['$maxN', (values, count, collation) => sorted(values, collation).reverse().slice(0, count)],
];

/** The `n` of an operator that picks values. @throws DatabaseError when it is no positive integer */
export function countOf(n: unknown): number {
  if (!isNumeric(n)) return fail('Location5787902', "Value for 'n' must be of integral type");
  const count = toNumber(n);
  if (!Number.isInteger(count)) {
    return fail('Location5787903', `Value for 'n' must be of integral type, but found ${count}`);
  }
  return count > 0 ? count : fail('Location5787908', `'n' must be greater than 0, found ${count}`);
}

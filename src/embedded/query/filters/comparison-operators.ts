import { MaxKey, MinKey, ObjectId } from 'bson';
import type { Collation } from '../../bson/collation.js';
import { toKeyString } from '../../bson/key-string.js';
import { compareValues, isEqual, rankOf } from '../../bson/order.js';

/** A predicate on one value; `undefined` is a missing value. */
export type ValueTest = (value: unknown) => boolean;

/** Compiles `$eq`. Null equals a missing value, too. */
export function compileEquality(operand: unknown, collation?: Collation): ValueTest {
  if (operand === null || operand === undefined) return (value) => value === null || value === undefined;
  if (typeof operand === 'boolean') return (value) => value === operand;
  if (operand instanceof ObjectId) return (value) => value instanceof ObjectId && value.equals(operand);
  if (typeof operand === 'number' ? !Number.isNaN(operand) : typeof operand === 'string' && collation === undefined) {
    // Besides the identical value only an object can be equal: a Long, a Double, a symbol.
    return (value) => value === operand || (typeof value === 'object' && value !== null && isEqual(value, operand));
  }
  return (value) => isEqual(value, operand, collation);
}

/** With fewer values, comparing one by one is as fast as building a key. */
const HASH_FROM = 4;

/** Compiles the values of `$in`. The caller handles its regular expressions. */
export function compileMembership(operands: readonly unknown[], collation?: Collation): ValueTest {
  if (operands.length < HASH_FROM) {
    const tests = operands.map((operand) => compileEquality(operand, collation));
    return (value) => tests.some((test) => test(value));
  }
  const hasNull = operands.some((operand) => operand === null || operand === undefined);
  const keys = new Set(operands.map((operand) => toKeyString(operand, collation)));
  const texts =
    collation === undefined ? new Set(operands.filter((operand) => typeof operand === 'string')) : undefined;
  return function isMember(value) {
    if (value === undefined) return hasNull;
    if (texts !== undefined && typeof value === 'string' && texts.has(value)) return true;
    return keys.has(toKeyString(value, collation));
  };
}

/** The operators that compare with a bound. */
export type RangeOperator = '$gt' | '$gte' | '$lt' | '$lte';

const HOLDS: Readonly<Record<RangeOperator, (order: number) => boolean>> = {
  $gt: (order) => order > 0,
  $gte: (order) => order >= 0,
  $lt: (order) => order < 0,
  $lte: (order) => order <= 0,
};

/** Compiles a range operator. It compares values of the operand's type only; MinKey and MaxKey compare with all types. */
export function compileRange(operator: RangeOperator, operand: unknown, collation?: Collation): ValueTest {
  const holds = HOLDS[operator];
  const isInclusive = operator === '$gte' || operator === '$lte';
  if (operand === null || operand === undefined) {
    return (value) => isInclusive && (value === null || value === undefined);
  }
  if (operand instanceof MinKey || operand instanceof MaxKey) {
    // A missing value lies between them, like null.
    return (value) => holds(compareValues(value ?? null, operand));
  }
  if (isNaNValue(operand)) return (value) => isInclusive && isNaNValue(value);
  if (typeof operand === 'number') return compileNumberRange(operator, operand);
  const rank = rankOf(operand);
  return (value) => rankOf(value) === rank && !isNaNValue(value) && holds(compareValues(value, operand, collation));
}

function compileNumberRange(operator: RangeOperator, operand: number): ValueTest {
  const holds = HOLDS[operator];
  const others: ValueTest = (value) =>
    typeof value === 'object' && rankOf(value) === 10 && !isNaNValue(value) && holds(compareValues(value, operand));
  switch (operator) {
    case '$gt':
      return (value) => (typeof value === 'number' ? value > operand : others(value));
    case '$gte':
      return (value) => (typeof value === 'number' ? value >= operand : others(value));
    case '$lt':
      return (value) => (typeof value === 'number' ? value < operand : others(value));
    default:
      return (value) => (typeof value === 'number' ? value <= operand : others(value));
  }
}

function isNaNValue(value: unknown): boolean {
  if (typeof value === 'number') return Number.isNaN(value);
  return typeof value === 'object' && value !== null && rankOf(value) === 10 && compareValues(value, Number.NaN) === 0;
}

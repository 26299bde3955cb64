import { Long } from 'bson';
import { numericTypeOf, toBigInt } from '../../../bson/numbers.js';
import { isNumeric, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { ANY_NUMBER, defineOperator, isNullish, type OperatorEntry } from './define.js';

const define = (name: string, start: bigint, combine: (left: bigint, right: bigint) => bigint): OperatorEntry =>
  defineOperator(name, ANY_NUMBER, (values) => {
    let bits = start;
    let hasLong = false;
    for (const value of values) {
      if (isNullish(value)) return null;
      bits = combine(bits, integerOf(name, value));
      hasLong ||= value instanceof Long;
    }
    return hasLong ? Long.fromBigInt(bits) : Number(bits);
  });

function integerOf(name: string, value: unknown): bigint {
  const type = isNumeric(value) ? numericTypeOf(value) : undefined;
  if (!isNumeric(value) || (type !== 'int' && type !== 'long')) {
    return fail('TypeMismatch', `${name} only supports int and long operands, not ${typeOf(value)}`);
  }
  return toBigInt(value);
}

/** Bitwise operators on integers. */
export const bitwiseOperators: readonly OperatorEntry[] = [
  define('$bitAnd', -1n, (left, right) => left & right),
  define('$bitOr', 0n, (left, right) => left | right),
  define('$bitXor', 0n, (left, right) => left ^ right),
  defineOperator('$bitNot', 1, ([value]) => {
    if (isNullish(value)) return null;
    if (!isNumeric(value)) return fail('Location28765', `$bitNot only supports numeric types, not ${typeOf(value)}`);
    const bits = ~integerOf('$bitNot', value);
    return value instanceof Long ? Long.fromBigInt(bits) : Number(bits);
  }),
];

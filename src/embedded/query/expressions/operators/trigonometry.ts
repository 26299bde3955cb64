import { Decimal128 } from 'bson';
import { decimalOf } from '../../../bson/decimals.js';
import { toNumber } from '../../../bson/numbers.js';
import { isNumeric, toDouble, typeOf } from '../../../bson/values.js';
import { type CodeName, fail } from '../../../errors.js';
import { defineOperator, isNullish, type OperatorEntry } from './define.js';

const numberOf = (name: string, value: unknown, code: CodeName = 'Location28765'): number =>
  isNumeric(value) ? toNumber(value) : fail(code, `${name} only supports numeric types, not ${typeOf(value)}`);

const resultOf = (value: number, operands: readonly unknown[]): unknown =>
  operands.some((operand) => operand instanceof Decimal128) ? decimalOf(value) : toDouble(value);

interface Bounds {
  readonly min: number;
  readonly max: number;
}

const EVERYWHERE: Bounds = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
const UNIT: Bounds = { min: -1, max: 1 };
const FINITE: Bounds = { min: -Number.MAX_VALUE, max: Number.MAX_VALUE };

const define = (name: string, apply: (value: number) => number, { min, max }: Bounds): OperatorEntry =>
  defineOperator(name, 1, ([value]) => {
    if (isNullish(value)) return null;
    const number = numberOf(name, value);
    if (number < min || number > max) {
      const range = min === FINITE.min ? '(-inf,inf)' : `[${min},${max === Number.POSITIVE_INFINITY ? 'inf' : max}]`;
      return fail('Location50989', `cannot apply ${name} to ${number}, value must be in ${range}`);
    }
    return resultOf(apply(number), [value]);
  });

/** Trigonometric operators, in radians. */
export const trigonometryOperators: readonly OperatorEntry[] = [
  define('$sin', Math.sin, FINITE),
  define('$cos', Math.cos, FINITE),
  define('$tan', Math.tan, FINITE),
  define('$asin', Math.asin, UNIT),
  define('$acos', Math.acos, UNIT),
  define('$atan', Math.atan, EVERYWHERE),
  define('$sinh', Math.sinh, EVERYWHERE),
  define('$cosh', Math.cosh, EVERYWHERE),
  define('$tanh', Math.tanh, EVERYWHERE),
  define('$asinh', Math.asinh, EVERYWHERE),
  define('$acosh', Math.acosh, { min: 1, max: Number.POSITIVE_INFINITY }),
  define('$atanh', Math.atanh, UNIT),
  define('$degreesToRadians', (value) => value * (Math.PI / 180), EVERYWHERE),
  define('$radiansToDegrees', (value) => value * (180 / Math.PI), EVERYWHERE),
  defineOperator('$atan2', 2, (values) => {
    const [y, x] = values;
    if (isNullish(y)) return null;
    const opposite = numberOf('$atan2', y, 'Location51044');
    return isNullish(x) ? null : resultOf(Math.atan2(opposite, numberOf('$atan2', x, 'Location51045')), values);
  }),
];

import { Decimal128, Long } from 'bson';
import {
  decimalOf,
  divideDecimals,
  type Rounding,
  remainderOfDecimals,
  roundDecimal,
  roundToPlace,
} from '../../../bson/decimals.js';
import {
  calculate,
  exactOfDouble,
  formatExact,
  type Numeric,
  numericTypeOf,
  toBigInt,
  toNumber,
} from '../../../bson/numbers.js';
import { isInt32, isNumeric, toDouble, typeOf } from '../../../bson/values.js';
import { type CodeName, fail } from '../../../errors.js';
import { ANY_NUMBER, defineOperator, isNullish, type OperatorEntry } from './define.js';

const ensureNumber = (name: string, value: unknown, code: CodeName = 'TypeMismatch'): Numeric =>
  isNumeric(value) ? value : fail(code, `${name} only supports numeric types, not ${typeOf(value)}`);

/** In expressions, a 64-bit integer that overflows becomes a double. */
function withOverflow(operation: 'add' | 'subtract' | 'multiply', left: Numeric, right: Numeric): Numeric {
  const result = calculate(operation, left, right);
  if (result !== undefined) return result;
  const [a, b] = [toNumber(left), toNumber(right)];
  return toDouble(operation === 'add' ? a + b : operation === 'subtract' ? a - b : a * b);
}

/** `$add`: numbers, or one date and numbers of milliseconds. */
function add(values: readonly unknown[]): unknown {
  let sum: Numeric = 0;
  let date: Date | undefined;
  for (const value of values) {
    if (isNullish(value)) return null;
    if (value instanceof Date) {
      if (date !== undefined) return fail('Location16612', 'only one date allowed in an $add expression');
      date = value;
    } else if (isNumeric(value)) {
      sum = withOverflow('add', sum, value);
    } else {
      return fail('TypeMismatch', `$add only supports numeric or date types, not ${typeOf(value)}`);
    }
  }
  return date === undefined ? sum : moved(date, toNumber(sum));
}

/** A date moved by milliseconds, which are rounded half away from zero. */
function moved(date: Date, milliseconds: number): Date {
  const by = Math.sign(milliseconds) * Math.round(Math.abs(milliseconds));
  const result = new Date(date.getTime() + by);
  return Number.isNaN(result.getTime()) ? fail('Overflow', 'date overflow') : result;
}

function subtract(left: unknown, right: unknown): unknown {
  if (isNullish(left) || isNullish(right)) return null;
  if (left instanceof Date) {
    if (right instanceof Date) return Long.fromNumber(left.getTime() - right.getTime());
    return isNumeric(right)
      ? moved(left, -toNumber(right))
      : fail('TypeMismatch', `can't $subtract ${typeOf(right)} from date`);
  }
  if (!isNumeric(left) || !isNumeric(right)) {
    return fail('TypeMismatch', `can't $subtract ${typeOf(right)} from ${typeOf(left)}`);
  }
  return withOverflow('subtract', left, right);
}

function multiply(values: readonly unknown[]): unknown {
  let product: Numeric = 1;
  for (const value of values) {
    if (isNullish(value)) return null;
    product = withOverflow('multiply', product, ensureNumber('$multiply', value));
  }
  return product;
}

function divide(left: unknown, right: unknown): unknown {
  if (isNullish(left) || isNullish(right)) return null;
  if (!isNumeric(left) || !isNumeric(right)) {
    return fail('TypeMismatch', `$divide only supports numeric types, not ${typeOf(left)} and ${typeOf(right)}`);
  }
  if (toNumber(right) === 0) return fail('BadValue', "can't $divide by zero");
  if (left instanceof Decimal128 || right instanceof Decimal128) return divideDecimals(left, right);
  return toDouble(toNumber(left) / toNumber(right));
}

function modulo(left: unknown, right: unknown): unknown {
  if (isNullish(left) || isNullish(right)) return null;
  if (!isNumeric(left) || !isNumeric(right)) {
    return fail('Location16611', `$mod only supports numeric types, not ${typeOf(left)} and ${typeOf(right)}`);
  }
  const types = [numericTypeOf(left), numericTypeOf(right)];
  const isDecimal = types.includes('decimal');
  if (toNumber(right) === 0) return fail(isDecimal ? 'Location5733415' : 'Location16610', "can't $mod by zero");
  if (isDecimal) return remainderOfDecimals(left, right);
  if (types.includes('double')) return toDouble(toNumber(left) % toNumber(right));
  const remainder = toBigInt(left) % toBigInt(right);
  return types.includes('long') ? Long.fromBigInt(remainder) : Number(remainder);
}

const unary = (name: string, calculate: (value: Numeric) => unknown): OperatorEntry =>
  defineOperator(name, 1, ([value]) =>
    isNullish(value) ? null : calculate(ensureNumber(name, value, 'Location28765')),
  );

/** An operator whose result is a double, or a decimal for a decimal. */
const irrational = (name: string, apply: (value: number) => number): OperatorEntry =>
  unary(name, (value) => {
    const result = apply(toNumber(value));
    return value instanceof Decimal128 ? decimalOf(result) : toDouble(result);
  });

const toWhole = (name: '$ceil' | '$floor', rounding: Rounding, apply: (value: number) => number): OperatorEntry =>
  unary(name, (value) => {
    if (value instanceof Decimal128) return roundDecimal(value, 0, rounding);
    return numericTypeOf(value) === 'double' ? toDouble(apply(toNumber(value))) : value;
  });

const LONG_MIN = -(2n ** 63n);

function absolute(value: Numeric): Numeric {
  if (value instanceof Long) {
    const integer = value.toBigInt();
    if (integer === LONG_MIN) return fail('Location28680', "can't take $abs of long long min");
    return integer < 0n ? Long.fromBigInt(-integer) : value;
  }
  if (value instanceof Decimal128) return Decimal128.fromString(value.toString().replace(/^-/, ''));
  const result = Math.abs(toNumber(value));
  if (numericTypeOf(value) === 'double') return toDouble(result);
  return isInt32(result) ? result : Long.fromNumber(result);
}

const logarithm = (name: string, apply: (value: number) => number, code: number): OperatorEntry =>
  irrational(name, (value) =>
    value <= 0
      ? fail(`Location${code}`, `${name}'s argument must be a positive number, but is ${value}`)
      : apply(value),
  );

function logarithmOf(value: unknown, base: unknown): unknown {
  if (isNullish(value) || isNullish(base)) return null;
  if (!isNumeric(value)) return fail('Location28756', `$log's argument must be numeric, not ${typeOf(value)}`);
  if (!isNumeric(base)) return fail('Location28757', `$log's base must be numeric, not ${typeOf(base)}`);
  const [number, root] = [toNumber(value), toNumber(base)];
  if (number <= 0) return fail('Location28758', `$log's argument must be a positive number, but is ${number}`);
  if (root <= 0 || root === 1)
    return fail('Location28759', `$log's base must be a positive number not equal to 1, but is ${root}`);
  const result = Math.log(number) / Math.log(root);
  return value instanceof Decimal128 || base instanceof Decimal128 ? decimalOf(result) : toDouble(result);
}

/** No integer but -1, 0 and 1 has a 64-bit power with a larger exponent. */
const MAX_INTEGER_EXPONENT = 63n;

function power(base: unknown, exponent: unknown): unknown {
  if (isNullish(base) || isNullish(exponent)) return null;
  if (!isNumeric(base)) return fail('Location28762', `$pow's base must be numeric, not ${typeOf(base)}`);
  if (!isNumeric(exponent)) return fail('Location28763', `$pow's exponent must be numeric, not ${typeOf(exponent)}`);
  const [a, b] = [toNumber(base), toNumber(exponent)];
  if (a === 0 && b < 0) return fail('Location28764', '$pow cannot take a base of 0 and a negative exponent');
  const types = [numericTypeOf(base), numericTypeOf(exponent)];
  if (types.includes('decimal')) return decimalOf(a ** b);
  if (types.includes('double')) return toDouble(a ** b);
  const result = integerPower(toBigInt(base), toBigInt(exponent));
  if (result === undefined || result !== BigInt.asIntN(64, result)) return toDouble(a ** b);
  return !types.includes('long') && result === BigInt.asIntN(32, result) ? Number(result) : Long.fromBigInt(result);
}

function integerPower(base: bigint, exponent: bigint): bigint | undefined {
  if (base === 1n) return 1n;
  if (base === -1n) return exponent % 2n === 0n ? 1n : -1n;
  if (base === 0n) return exponent === 0n ? 1n : 0n;
  return exponent < 0n || exponent > MAX_INTEGER_EXPONENT ? undefined : base ** exponent;
}

/** `$round` (half to even) or `$trunc` (towards zero) at a decimal place. */
function atPlace(name: string, values: readonly unknown[], rounding: 'round' | 'trunc'): unknown {
  const [value, place = values.length > 1 ? null : 0] = values;
  if (isNullish(value)) return null;
  const number = ensureNumber(name, value, 'Location51081');
  if (place === null) return null;
  const digits = placeOf(name, place);
  if (number instanceof Decimal128) return roundDecimal(number, digits, rounding);
  if (numericTypeOf(number) === 'double') return toDouble(roundDouble(toNumber(number), digits, rounding));
  if (digits >= 0) return number;
  const integer = toBigInt(number);
  const exact = { isNegative: integer < 0n, coefficient: integer < 0n ? -integer : integer, exponent: 0 };
  const { isNegative, coefficient, exponent } = roundToPlace(exact, digits, rounding);
  const result = (isNegative ? -coefficient : coefficient) * 10n ** BigInt(exponent);
  if (result !== BigInt.asIntN(64, result)) {
    return fail('Location51080', `invalid conversion from Decimal128 result in ${name}`);
  }
  return !(number instanceof Long) && result === BigInt.asIntN(32, result) ? Number(result) : Long.fromBigInt(result);
}

function placeOf(name: string, place: unknown): number {
  if (!isNumeric(place)) return fail('Location16004', `can't convert from BSON type ${typeOf(place)} to long`);
  const digits = toNumber(place);
  if (!isInt32(digits)) return fail('Location51082', `precision argument to  ${name} must be a integral value`);
  if (digits >= -20 && digits <= 100) return digits;
  return fail('Location51083', `cannot apply ${name} with precision value ${digits} value must be in [-20, 100]`);
}

/** Rounds the exact value of a double, so that 2.675, which is a little less, becomes 2.67. */
function roundDouble(value: number, place: number, rounding: Rounding): number {
  if (!Number.isFinite(value)) return value;
  const exact = { ...exactOfDouble(value), isNegative: value < 0 || Object.is(value, -0) };
  return Number(formatExact(roundToPlace(exact, place, rounding)));
}

/** Arithmetic operators, with MongoDB's type promotion. */
export const arithmeticOperators: readonly OperatorEntry[] = [
  defineOperator('$add', ANY_NUMBER, add),
  defineOperator('$subtract', 2, ([left, right]) => subtract(left, right)),
  defineOperator('$multiply', ANY_NUMBER, multiply),
  defineOperator('$divide', 2, ([left, right]) => divide(left, right)),
  defineOperator('$mod', 2, ([left, right]) => modulo(left, right)),
  defineOperator('$pow', 2, ([base, exponent]) => power(base, exponent)),
  defineOperator('$round', { min: 1, max: 2 }, (values) => atPlace('$round', values, 'round')),
  defineOperator('$trunc', { min: 1, max: 2 }, (values) => atPlace('$trunc', values, 'trunc')),
  unary('$abs', absolute),
  toWhole('$ceil', 'ceil', Math.ceil),
  toWhole('$floor', 'floor', Math.floor),
  irrational('$exp', Math.exp),
  irrational('$sqrt', (value) =>
    value < 0 ? fail('Location28714', "$sqrt's argument must be greater than or equal to 0") : Math.sqrt(value),
  ),
  logarithm('$ln', Math.log, 28766),
  logarithm('$log10', Math.log10, 28761),
  defineOperator('$log', 2, ([value, base]) => logarithmOf(value, base)),
];

import { Decimal128, Double, Long } from 'bson';
import {
  calculate,
  type Numeric,
  numericTypeOf,
  toBigInt,
  toDecimal,
  toDecimal128,
  toExact,
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
  return date === undefined ? sum : new Date(date.getTime() + Math.round(toNumber(sum)));
}

function subtract(left: unknown, right: unknown): unknown {
  if (isNullish(left) || isNullish(right)) return null;
  if (left instanceof Date) {
    if (right instanceof Date) return Long.fromNumber(left.getTime() - right.getTime());
    return new Date(left.getTime() - Math.round(toNumber(ensureNumber('$subtract', right))));
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

/** Digits of a decimal quotient before it is rounded to the 34 digits of a Decimal128. */
const QUOTIENT_DIGITS = 70;

function divideDecimals(left: Numeric, right: Numeric): unknown {
  const [a, b] = [decimalParts(left), decimalParts(right)];
  if (a === undefined || b === undefined) return Decimal128.fromString(String(toNumber(left) / toNumber(right)));
  const scaled = (a.coefficient * 10n ** BigInt(QUOTIENT_DIGITS)) / b.coefficient;
  const digits = scaled.toString().replace(/0+$/, '');
  const dropped = scaled === 0n ? 0 : scaled.toString().length - digits.length;
  return toDecimal128({
    isNegative: a.isNegative !== b.isNegative,
    coefficient: scaled / 10n ** BigInt(dropped),
    exponent: a.exponent - b.exponent - QUOTIENT_DIGITS + dropped,
  });
}

function decimalParts(value: Numeric): { isNegative: boolean; coefficient: bigint; exponent: number } | undefined {
  const text = toDecimal(value).toString();
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  return {
    isNegative: sign === '-',
    coefficient: BigInt(whole + fraction),
    exponent: Number(exponent) - fraction.length,
  };
}

function modulo(left: unknown, right: unknown): unknown {
  if (isNullish(left) || isNullish(right)) return null;
  if (!isNumeric(left) || !isNumeric(right)) {
    return fail('TypeMismatch', `$mod only supports numeric types, not ${typeOf(left)} and ${typeOf(right)}`);
  }
  if (toNumber(right) === 0) return fail('Location16610', "can't $mod by zero");
  const types = [numericTypeOf(left), numericTypeOf(right)];
  if (types.includes('decimal')) return Decimal128.fromString(String(toNumber(left) % toNumber(right)));
  if (types.includes('double')) return toDouble(toNumber(left) % toNumber(right));
  const remainder = toBigInt(left) % toBigInt(right);
  return types.includes('long') ? Long.fromBigInt(remainder) : Number(remainder);
}

/** An operator on one number. With `keepsIntegers` the result for an integer has the type of the integer. */
const unary = (name: string, apply: (value: number) => number, keepsIntegers: boolean): OperatorEntry =>
  defineOperator(name, 1, ([value]) => {
    if (isNullish(value)) return null;
    const number = ensureNumber(name, value, 'Location28765');
    const type = numericTypeOf(number);
    if (keepsIntegers && (type === 'int' || type === 'long') && name !== '$abs') return number;
    const result = apply(toNumber(number));
    if (type === 'decimal') return Decimal128.fromString(String(result));
    if (!keepsIntegers || type === 'double') return toDouble(result);
    return type === 'long' ? Long.fromNumber(result) : isInt32(result) ? result : Long.fromNumber(result);
  });

const positive = (name: string, apply: (value: number) => number, code: number): OperatorEntry =>
  unary(
    name,
    (value) =>
      value <= 0
        ? fail(`Location${code}`, `${name}'s argument must be a positive number, but is ${value}`)
        : apply(value),
    false,
  );

function power(base: unknown, exponent: unknown): unknown {
  if (isNullish(base) || isNullish(exponent)) return null;
  const [a, b] = [ensureNumber('$pow', base, 'Location28762'), ensureNumber('$pow', exponent, 'Location28763')];
  if (toNumber(a) === 0 && toNumber(b) < 0)
    return fail('Location28764', '$pow cannot take a base of 0 and a negative exponent');
  const result = toNumber(a) ** toNumber(b);
  const types = [numericTypeOf(a), numericTypeOf(b)];
  if (types.includes('decimal')) return Decimal128.fromString(String(result));
  if (types.includes('double') || !Number.isSafeInteger(result)) return toDouble(result);
  return !types.includes('long') && isInt32(result) ? result : Long.fromNumber(result);
}

/** `$round` (half to even) or `$trunc` (towards zero) at a decimal place. */
function atPlace(name: string, [value, place]: readonly unknown[], mode: 'round' | 'trunc'): unknown {
  if (isNullish(value) || place === null) return null;
  const number = ensureNumber(name, value, 'Location51081');
  const digits = place === undefined ? 0 : toNumber(ensureNumber(name, place, 'Location51082'));
  if (!Number.isInteger(digits) || digits < -20 || digits > 100) {
    return fail('Location51083', `cannot apply ${name} with precision value ${digits} value must be in [-20, 100]`);
  }
  const type = numericTypeOf(number);
  if ((type === 'int' || type === 'long') && digits >= 0) return number;
  const exact = toExact(number);
  if (typeof exact === 'number' && !Number.isFinite(exact)) return number;
  const rounded = roundText(toPlainText(number), digits, mode);
  if (type === 'decimal') return Decimal128.fromString(rounded);
  const result = Number(rounded);
  if (type === 'double') return toDouble(result);
  return type === 'int' && isInt32(result) ? result : Long.fromNumber(result);
}

/** The decimal text of a number, without an exponent. */
function toPlainText(value: Numeric): string {
  const parts = decimalParts(value instanceof Double ? value.value : value);
  if (parts === undefined) return '0';
  const digits = parts.coefficient.toString().padStart(Math.max(1, 1 - parts.exponent), '0');
  const split = digits.length + Math.min(parts.exponent, 0);
  const whole = digits.slice(0, split) + '0'.repeat(Math.max(parts.exponent, 0));
  return `${parts.isNegative ? '-' : ''}${whole}.${digits.slice(split)}`;
}

function roundText(text: string, place: number, mode: 'round' | 'trunc'): string {
  const isNegative = text.startsWith('-');
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.');
  const scaled = BigInt(whole + fraction);
  const drop = fraction.length - place;
  if (drop <= 0) return text.endsWith('.') ? text.slice(0, -1) : text;
  const unit = 10n ** BigInt(drop);
  let quotient = scaled / unit;
  const twice = (scaled % unit) * 2n;
  if (mode === 'round' && (twice > unit || (twice === unit && quotient % 2n === 1n))) quotient += 1n;
  return `${isNegative ? '-' : ''}${quotient}E${-place}`;
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
  unary('$abs', Math.abs, true),
  unary('$ceil', Math.ceil, true),
  unary('$floor', Math.floor, true),
  unary('$exp', Math.exp, false),
  unary(
    '$sqrt',
    (value) =>
      value < 0 ? fail('Location28714', "$sqrt's argument must be greater than or equal to 0") : Math.sqrt(value),
    false,
  ),
  positive('$ln', Math.log, 28766),
  positive('$log10', Math.log10, 28761),
  defineOperator('$log', 2, ([value, base]) => {
    if (isNullish(value) || isNullish(base)) return null;
    const [number, root] = [
      toNumber(ensureNumber('$log', value, 'Location28756')),
      toNumber(ensureNumber('$log', base, 'Location28757')),
    ];
    if (number <= 0) return fail('Location28758', `$log's argument must be a positive number, but is ${number}`);
    if (root <= 0 || root === 1)
      return fail('Location28759', `$log's base must be a positive number not equal to 1, but is ${root}`);
    return toDouble(Math.log(number) / Math.log(root));
  }),
];

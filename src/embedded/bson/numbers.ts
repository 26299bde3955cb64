import { Decimal128, Double, Int32, Long } from 'bson';
import { isInt32, isNumeric, toDouble } from './values.js';

/** A BSON number in memory. */
export type Numeric = number | Long | Double | Decimal128 | Int32;

/** A finite number as ±coefficient × 10^exponent. */
export interface ExactNumber {
  readonly isNegative: boolean;
  readonly coefficient: bigint;
  readonly exponent: number;
}

/** The number types in the order of arithmetic promotion: a result has the highest type of its operands. */
export type NumericType = 'int' | 'long' | 'double' | 'decimal';

/** The BSON type of a number in memory. */
export function numericTypeOf(value: Numeric): NumericType {
  if (typeof value === 'number') return isInt32(value) ? 'int' : 'double';
  if (value instanceof Double) return 'double';
  if (value instanceof Long) return 'long';
  return value instanceof Int32 ? 'int' : 'decimal';
}

const MASK_64 = (1n << 64n) - 1n;
const MAX_DECIMAL_COEFFICIENT = 10n ** 34n - 1n;
const DECIMAL_BIAS = 6176;
const DECIMAL_MIN_EXPONENT = -6176;
const DECIMAL_MAX_EXPONENT = 6111;

function decimalBits(value: Decimal128): { high: bigint; low: bigint } {
  const { bytes } = value;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return { high: view.getBigUint64(8, true), low: view.getBigUint64(0, true) };
}

/** NaN or an infinity of a Decimal128 as a JS number; `undefined` when it is finite. */
function decimalSpecial(high: bigint): number | undefined {
  const combination = (high >> 58n) & 0x1fn;
  if (combination === 0x1fn) return Number.NaN;
  if (combination === 0x1en) return high >> 63n === 1n ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return undefined;
}

function exactDecimal({ high, low }: { high: bigint; low: bigint }): ExactNumber {
  const isNegative = high >> 63n === 1n;
  // The second form encodes only coefficients of more than 34 digits, which count as zero.
  if (((high >> 61n) & 3n) === 3n) return { isNegative, coefficient: 0n, exponent: 0 };
  const coefficient = ((high & 0x1ffffffffffffn) << 64n) | (low & MASK_64);
  const exponent = Number((high >> 49n) & 0x3fffn) - DECIMAL_BIAS;
  return { isNegative, coefficient: coefficient > MAX_DECIMAL_COEFFICIENT ? 0n : coefficient, exponent };
}

const scratch = new DataView(new ArrayBuffer(8));

/** A finite double as an exact decimal number. */
export function exactOfDouble(value: number): ExactNumber {
  if (Number.isInteger(value)) {
    return { isNegative: value < 0, coefficient: BigInt(Math.abs(value)), exponent: 0 };
  }
  scratch.setFloat64(0, Math.abs(value));
  const bits = scratch.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  const power = (biased === 0 ? 1 : biased) - 1075;
  // m / 2^k is m·5^k / 10^k.
  return { isNegative: value < 0, coefficient: mantissa * 5n ** BigInt(-power), exponent: power };
}

/**
 * A number in its cheapest exact form: a JS number when a double represents it (NaN and infinities included),
 * otherwise an {@link ExactNumber}. Equal numbers of different types have equal forms.
 */
export function toExact(value: Numeric): number | ExactNumber {
  if (typeof value === 'number') return value;
  if (value instanceof Double || value instanceof Int32) return value.value;
  if (value instanceof Long) return exactLong(value);
  const bits = decimalBits(value);
  const special = decimalSpecial(bits.high);
  if (special !== undefined) return special;
  const exact = exactDecimal(bits);
  const approximate = Number(formatExact(exact));
  if (Number.isFinite(approximate) && compareExact(exactOfDouble(approximate), exact) === 0) return approximate;
  return exact;
}

function exactLong(value: Long): number | ExactNumber {
  const approximate = value.toNumber();
  if (Number.isSafeInteger(approximate)) return approximate;
  const integer = value.toBigInt();
  // A long that was rounded to a double reads back as another integer.
  if (BigInt(approximate) === integer) return approximate;
  return { isNegative: integer < 0n, coefficient: integer < 0n ? -integer : integer, exponent: 0 };
}

/** The double nearest to a number of any type. */
export function toNumber(value: Numeric): number {
  if (typeof value === 'number') return value;
  if (value instanceof Double || value instanceof Int32) return value.value;
  return value instanceof Long ? value.toNumber() : Number(value.toString());
}

/** The value as an integer; undefined when it is no number, or none without a fraction. */
export function integerOf(value: unknown): number | undefined {
  const number = isNumeric(value) ? toNumber(value) : Number.NaN;
  return Number.isInteger(number) ? number : undefined;
}

/** A number in exponent notation, which `Number` and `Decimal128` parse. */
export const formatExact = ({ isNegative, coefficient, exponent }: ExactNumber): string =>
  `${isNegative ? '-' : ''}${coefficient}E${exponent}`;

/** Signed comparison of two exact finite numbers. */
export function compareExact(left: ExactNumber, right: ExactNumber): number {
  const exponent = Math.min(left.exponent, right.exponent);
  const a = signed(left) * 10n ** BigInt(left.exponent - exponent);
  const b = signed(right) * 10n ** BigInt(right.exponent - exponent);
  return a < b ? -1 : a > b ? 1 : 0;
}

const signed = ({ isNegative, coefficient }: ExactNumber): bigint => (isNegative ? -coefficient : coefficient);

/** Compares numbers of any type by value. NaN equals itself and sorts below every other number. */
export function compareNumbers(left: Numeric, right: Numeric): number {
  const a = toExact(left);
  const b = toExact(right);
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b);
  if (typeof a === 'number' && !Number.isFinite(a)) return a > 0 ? 1 : -1;
  if (typeof b === 'number' && !Number.isFinite(b)) return b > 0 ? -1 : 1;
  return compareExact(typeof a === 'number' ? exactOfDouble(a) : a, typeof b === 'number' ? exactOfDouble(b) : b);
}

function compareDoubles(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : -1;
  return 1;
}

/** The operations of `$inc`, `$mul` and the arithmetic expressions. */
export type Arithmetic = 'add' | 'subtract' | 'multiply';

const ON_DOUBLES: Record<Arithmetic, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
};

const ON_INTEGERS: Record<Arithmetic, (a: bigint, b: bigint) => bigint> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
};

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

/**
 * Arithmetic with MongoDB's type promotion. Two ints give an int, or a long on overflow. Otherwise the result has the
 * higher type of the operands: long, double, decimal.
 * @returns `undefined` when a 64-bit integer overflows; updates reject that, expressions continue with a double
 */
export function calculate(operation: Arithmetic, left: Numeric, right: Numeric): Numeric | undefined {
  if (typeof left === 'number' && typeof right === 'number' && isInt32(left) && isInt32(right)) {
    const result = ON_DOUBLES[operation](left, right);
    if (Number.isSafeInteger(result)) return isInt32(result + 0) ? result + 0 : Long.fromNumber(result);
  }
  const types = [numericTypeOf(left), numericTypeOf(right)];
  if (types.includes('decimal')) return calculateDecimal(operation, left, right);
  if (types.includes('double')) return toDouble(ON_DOUBLES[operation](toNumber(left), toNumber(right)));
  const result = ON_INTEGERS[operation](toBigInt(left), toBigInt(right));
  if (result > LONG_MAX || result < LONG_MIN) return undefined;
  if (!types.includes('long') && result === BigInt.asIntN(32, result)) return Number(result);
  return Long.fromBigInt(result);
}

/** A number truncated to an integer. */
export const toBigInt = (value: Numeric): bigint =>
  value instanceof Long ? value.toBigInt() : BigInt(Math.trunc(toNumber(value)));

function calculateDecimal(operation: Arithmetic, left: Numeric, right: Numeric): Decimal128 {
  const a = decimalOperand(left);
  const b = decimalOperand(right);
  if (typeof a === 'number' || typeof b === 'number') {
    const result = ON_DOUBLES[operation](toNumber(left), toNumber(right));
    return Decimal128.fromString(Number.isNaN(result) ? 'NaN' : result > 0 ? 'Infinity' : '-Infinity');
  }
  if (operation === 'multiply') {
    return toDecimal128({
      isNegative: a.isNegative !== b.isNegative,
      coefficient: a.coefficient * b.coefficient,
      exponent: a.exponent + b.exponent,
    });
  }
  const exponent = Math.min(a.exponent, b.exponent);
  const result = ON_INTEGERS[operation](
    signed(a) * 10n ** BigInt(a.exponent - exponent),
    signed(b) * 10n ** BigInt(b.exponent - exponent),
  );
  return toDecimal128({ isNegative: result < 0n, coefficient: result < 0n ? -result : result, exponent });
}

/**
 * A number as an operand of decimal arithmetic. Like mongod, a double is rounded to 15 significant digits.
 * @returns a JS number for NaN and infinities
 */
export function decimalOperand(value: Numeric): number | ExactNumber {
  if (value instanceof Decimal128) {
    const bits = decimalBits(value);
    return decimalSpecial(bits.high) ?? exactDecimal(bits);
  }
  if (value instanceof Long) {
    const integer = value.toBigInt();
    return { isNegative: integer < 0n, coefficient: integer < 0n ? -integer : integer, exponent: 0 };
  }
  const number = toNumber(value);
  if (!Number.isFinite(number)) return number;
  if (Number.isInteger(number)) return exactOfDouble(number);
  return decimalOperand(Decimal128.fromString(Number(number.toPrecision(15)).toString()));
}

/** A number of any type as a Decimal128. A double is rounded to 15 significant digits. */
export function toDecimal(value: Numeric): Decimal128 {
  if (value instanceof Decimal128) return value;
  const operand = decimalOperand(value);
  if (typeof operand !== 'number') return toDecimal128(operand);
  return Decimal128.fromString(Number.isNaN(operand) ? 'NaN' : operand > 0 ? 'Infinity' : '-Infinity');
}

/** Rounds to the 34 digits of a Decimal128, half to even. */
export function toDecimal128({ isNegative, coefficient, exponent }: ExactNumber): Decimal128 {
  let rounded = coefficient;
  let power = exponent;
  const excess = Math.max(rounded.toString().length - 34, DECIMAL_MIN_EXPONENT - power, 0);
  if (excess > 0) {
    const divisor = 10n ** BigInt(excess);
    const remainder = rounded % divisor;
    rounded /= divisor;
    const twice = remainder * 2n;
    if (twice > divisor || (twice === divisor && rounded % 2n === 1n)) rounded += 1n;
    power += excess;
    if (rounded > MAX_DECIMAL_COEFFICIENT) return toDecimal128({ isNegative, coefficient: rounded, exponent: power });
  }
  while (power > DECIMAL_MAX_EXPONENT && rounded !== 0n && rounded * 10n <= MAX_DECIMAL_COEFFICIENT) {
    rounded *= 10n;
    power -= 1;
  }
  if (power > DECIMAL_MAX_EXPONENT) {
    return Decimal128.fromString(rounded === 0n ? '0' : isNegative ? '-Infinity' : 'Infinity');
  }
  return Decimal128.fromString(formatExact({ isNegative, coefficient: rounded, exponent: power }));
}

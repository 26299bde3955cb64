import { Decimal128 } from 'bson';
import { decimalOperand, type ExactNumber, type Numeric, toDecimal128, toNumber } from './numbers.js';

/** Digits of a quotient before it is rounded to the 34 digits of a Decimal128. */
const QUOTIENT_DIGITS = 70;

const MAX_DIGITS = 34;

/** Divides as Decimal128. The divisor is not zero. */
export function divideDecimals(left: Numeric, right: Numeric): Decimal128 {
  const [a, b] = [decimalOperand(left), decimalOperand(right)];
  if (typeof a === 'number' || typeof b === 'number') return decimalOf(toNumber(left) / toNumber(right));
  const scaled = (a.coefficient * 10n ** BigInt(QUOTIENT_DIGITS)) / b.coefficient;
  const text = scaled.toString();
  const zeros = scaled === 0n ? 0 : text.length - text.replace(/0+$/, '').length;
  return toDecimal128({
    isNegative: a.isNegative !== b.isNegative,
    coefficient: scaled / 10n ** BigInt(zeros),
    exponent: a.exponent - b.exponent - QUOTIENT_DIGITS + zeros,
  });
}

/** The remainder of a division as Decimal128, with the sign of the dividend. The divisor is not zero. */
export function remainderOfDecimals(left: Numeric, right: Numeric): Decimal128 {
  const [a, b] = [decimalOperand(left), decimalOperand(right)];
  if (typeof a === 'number' || typeof b === 'number') {
    // A finite dividend is smaller than an infinite divisor.
    return typeof a === 'number' || Number.isNaN(b) ? decimalOf(Number.NaN) : toDecimal128(a);
  }
  const exponent = Math.min(a.exponent, b.exponent);
  const aligned = ({ coefficient, exponent: own }: ExactNumber): bigint => coefficient * 10n ** BigInt(own - exponent);
  return toDecimal128({ isNegative: a.isNegative, coefficient: aligned(a) % aligned(b), exponent });
}

/** How digits behind the last place are dropped; `round` rounds half to even. */
export type Rounding = 'round' | 'trunc' | 'ceil' | 'floor';

/**
 * Rounds to a decimal place.
 * @param place - the last place behind the point; negative for a place before it. A number with fewer places gets zeros
 *   behind it, as far as a Decimal128 has digits.
 */
export function roundToPlace(value: ExactNumber, place: number, rounding: Rounding): ExactNumber {
  const { isNegative, exponent } = value;
  const dropped = -place - exponent;
  if (dropped <= 0) {
    const added = Math.max(Math.min(-dropped, MAX_DIGITS - value.coefficient.toString().length), 0);
    return { isNegative, coefficient: value.coefficient * 10n ** BigInt(added), exponent: exponent - added };
  }
  const unit = 10n ** BigInt(dropped);
  const quotient = value.coefficient / unit;
  const rest = value.coefficient % unit;
  const isUp = {
    round: rest * 2n > unit || (rest * 2n === unit && quotient % 2n === 1n),
    trunc: false,
    ceil: !isNegative && rest > 0n,
    floor: isNegative && rest > 0n,
  };
  return { isNegative, coefficient: isUp[rounding] ? quotient + 1n : quotient, exponent: -place };
}

/** Rounds a Decimal128 to a decimal place. */
export function roundDecimal(value: Decimal128, place: number, rounding: Rounding): Decimal128 {
  const operand = decimalOperand(value);
  return typeof operand === 'number' ? value : toDecimal128(roundToPlace(operand, place, rounding));
}

/** A double as Decimal128, with all digits of its shortest text. */
export const decimalOf = (value: number): Decimal128 => Decimal128.fromString(String(value));

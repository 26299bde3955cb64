import { invertFrom, reserve, sink, writeByte, writeBytes, writeUint32 } from './key-sink.js';
import { compareExact, type ExactNumber, exactOfDouble, formatExact, type Numeric, toExact } from './numbers.js';

const NOT_A_NUMBER = 0;
const NEGATIVE = 1;
const POSITIVE = 2;

/** `EXACT`: a double represents the magnitude. `ABOVE`: the magnitude exceeds the double by the residual that follows. */
const EXACT = 1;
const ABOVE = 2;

/** Writes a number of any BSON type: its sign and its magnitude. */
export function writeNumber(value: Numeric): void {
  const exact = toExact(value);
  if (typeof exact !== 'number') writeInexact(exact);
  else if (Number.isNaN(exact)) writeByte(NOT_A_NUMBER);
  else {
    // -0 equals 0.
    const isNegative = exact < 0;
    writeByte(isNegative ? NEGATIVE : POSITIVE);
    const start = sink.position;
    writeMagnitude(Math.abs(exact), EXACT);
    if (isNegative) invertFrom(start);
  }
}

function writeMagnitude(double: number, mark: typeof EXACT | typeof ABOVE): void {
  reserve(9);
  sink.position = sink.bytes.writeDoubleBE(double, sink.position);
  sink.bytes[sink.position] = mark;
  sink.position += 1;
}

/** Writes a number that no double represents. */
function writeInexact(value: ExactNumber): void {
  const magnitude: ExactNumber = { ...value, isNegative: false };
  const floor = floorDouble(magnitude);
  writeByte(value.isNegative ? NEGATIVE : POSITIVE);
  const start = sink.position;
  writeMagnitude(floor, ABOVE);
  writeResidual(magnitude, exactOfDouble(floor));
  if (value.isNegative) invertFrom(start);
}

const scratch = new DataView(new ArrayBuffer(8));

/** The greatest double below a positive number that no double represents. */
function floorDouble(magnitude: ExactNumber): number {
  const nearest = Number(formatExact(magnitude));
  if (nearest === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  return compareExact(exactOfDouble(nearest), magnitude) <= 0 ? nearest : doubleBelow(nearest);
}

function doubleBelow(value: number): number {
  scratch.setFloat64(0, value);
  scratch.setBigUint64(0, scratch.getBigUint64(0) - 1n);
  return scratch.getFloat64(0);
}

/** Greater than the magnitude of any negative exponent of a decimal. */
const POWER_OFFSET = 0x8000;

/** Writes the positive difference as the exponent of its first digit and its digits without trailing zeros. */
function writeResidual(magnitude: ExactNumber, floor: ExactNumber): void {
  const exponent = Math.min(magnitude.exponent, floor.exponent);
  const difference =
    magnitude.coefficient * 10n ** BigInt(magnitude.exponent - exponent) -
    floor.coefficient * 10n ** BigInt(floor.exponent - exponent);
  const digits = difference.toString();
  writeUint32(POWER_OFFSET + digits.length + exponent);
  writeBytes(Buffer.from(digits.replace(/0+$/, ''), 'latin1'));
  writeByte(0);
}

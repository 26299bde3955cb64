import { Binary, Long } from 'bson';
import { toBigInt, toNumber } from '../../bson/numbers.js';
import { BSON_TYPE_NUMBERS, type BsonType, isNumeric, typeOf } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { ValueTest } from './comparison-operators.js';

const NUMBER_TYPES: readonly BsonType[] = ['int', 'long', 'double', 'decimal'];

const TYPE_BY_NUMBER: ReadonlyMap<number, BsonType> = new Map(
  Object.entries(BSON_TYPE_NUMBERS).map(([name, number]) => [number, name as BsonType]),
);

/** Compiles `$type`: a type by name or number, `number` for all numeric types, or a list. */
export function compileType(operand: unknown): ValueTest {
  const wanted = new Set<BsonType>();
  const list = Array.isArray(operand) ? operand : [operand];
  if (list.length === 0) return fail('FailedToParse', '$type must match at least one type');
  for (const entry of list) for (const type of typesOf(entry)) wanted.add(type);
  return (value) => value !== undefined && wanted.has(typeOf(value));
}

/** The types that one entry of `$type` stands for. */
export function typesOf(entry: unknown): readonly BsonType[] {
  if (entry === 'number') return NUMBER_TYPES;
  if (typeof entry === 'string') {
    if (Object.hasOwn(BSON_TYPE_NUMBERS, entry)) return [entry as BsonType];
    return fail('BadValue', `Unknown type name alias: ${entry}`);
  }
  if (!isNumeric(entry)) return fail('TypeMismatch', 'type must be represented as a number or a string');
  const type = TYPE_BY_NUMBER.get(toNumber(entry));
  return type === undefined ? fail('BadValue', `Invalid numerical type code: ${toNumber(entry)}`) : [type];
}

/** Compiles `$mod`: [divisor, remainder], with fractions truncated. */
export function compileMod(operand: unknown): ValueTest {
  if (!Array.isArray(operand)) return fail('BadValue', 'malformed mod, needs to be an array');
  if (operand.length < 2) return fail('BadValue', 'malformed mod, not enough elements');
  if (operand.length > 2) return fail('BadValue', 'malformed mod, too many elements');
  const [divisor, remainder] = operand.map((value, index) => modPart(value, index === 0 ? 'divisor' : 'remainder'));
  if (divisor === undefined || remainder === undefined) return fail('BadValue', 'malformed mod, not enough elements');
  if (divisor === 0n) return fail('BadValue', 'divisor cannot be 0');
  const smallDivisor = Number(divisor);
  const smallRemainder = Number(remainder);
  return function matchesMod(value) {
    if (typeof value === 'number' && Number.isSafeInteger(Math.trunc(value))) {
      // Adding 0 turns the -0 of a negative multiple into 0.
      return (Math.trunc(value) % smallDivisor) + 0 === smallRemainder;
    }
    if (!isNumeric(value) || !Number.isFinite(toNumber(value))) return false;
    return toBigInt(value) % divisor === remainder;
  };
}

function modPart(value: unknown, name: string): bigint {
  if (!isNumeric(value)) return fail('BadValue', `malformed mod, ${name} not a number`);
  if (!Number.isFinite(toNumber(value))) {
    return fail(
      'BadValue',
      `malformed mod, ${name} value is invalid :: caused by :: NaN or Infinity is an invalid argument`,
    );
  }
  return toBigInt(value);
}

/** The bitwise operators. */
export type BitsOperator = '$bitsAllSet' | '$bitsAnySet' | '$bitsAllClear' | '$bitsAnyClear';

/** Compiles a bitwise operator. The mask is a number, binary data, or a list of bit positions. */
export function compileBits(operator: BitsOperator, operand: unknown): ValueTest {
  const mask = toMask(operator, operand);
  return function matchesBits(value) {
    const bits = toBits(value);
    if (bits === undefined) return false;
    const set = bits & mask;
    switch (operator) {
      case '$bitsAllSet':
        return set === mask;
      case '$bitsAnySet':
        return set !== 0n;
      case '$bitsAllClear':
        return set === 0n;
      default:
        return set !== mask;
    }
  };
}

function toMask(operator: string, operand: unknown): bigint {
  if (Array.isArray(operand)) {
    let mask = 0n;
    for (const position of operand) mask |= 1n << BigInt(bitPosition(position));
    return mask;
  }
  if (operand instanceof Binary) return binaryBits(operand);
  if (isNumeric(operand)) {
    const number = toNumber(operand);
    if (!Number.isInteger(number)) return fail('FailedToParse', `Expected an integer: ${operator}: ${number}`);
    if (number < 0) return fail('FailedToParse', `Expected a non-negative number in: ${operator}: ${number}`);
    return toBigInt(operand);
  }
  return fail('BadValue', `${operator} takes an Array, a number, or a BinData but received: ${String(operand)}`);
}

const MAX_INT32 = 2_147_483_647;

function bitPosition(value: unknown): number {
  const position = isNumeric(value) ? toNumber(value) : Number.NaN;
  if (!Number.isInteger(position))
    return fail('BadValue', `bit positions must be an integer but got: ${String(value)}`);
  if (position > MAX_INT32)
    return fail('BadValue', `bit positions cannot be represented as a 32-bit signed integer: ${position}`);
  return position < 0 ? fail('BadValue', `bit positions must be >= 0 but got: ${position}`) : position;
}

/** The bits of a number in two's complement; BigInt extends the sign of negative numbers. */
function toBits(value: unknown): bigint | undefined {
  if (value instanceof Binary) return binaryBits(value);
  if (value instanceof Long) return value.toBigInt();
  if (!isNumeric(value)) return undefined;
  const number = toNumber(value);
  return Number.isInteger(number) && number >= -(2 ** 63) && number < 2 ** 63 ? BigInt(number) : undefined;
}

function binaryBits(value: Binary): bigint {
  let bits = 0n;
  for (let index = value.position - 1; index >= 0; index -= 1) bits = (bits << 8n) | BigInt(value.buffer[index] ?? 0);
  return bits;
}

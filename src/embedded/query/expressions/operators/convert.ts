import { Binary, Decimal128, Long, ObjectId, Timestamp, UUID } from 'bson';
import { decimalOf, roundDecimal } from '../../../bson/decimals.js';
import { decimalOperand, type Numeric, numericTypeOf, toBigInt, toDecimal, toNumber } from '../../../bson/numbers.js';
import { isNumeric, toDouble, typeOf } from '../../../bson/values.js';
import { DatabaseError, fail } from '../../../errors.js';

const failConversion = (value: unknown, to: string): never =>
  fail('ConversionFailure', `Unsupported conversion from ${typeOf(value)} to ${to} in $convert with no onError value`);

const failParse = (value: unknown, to: string): never =>
  fail(
    'ConversionFailure',
    `Failed to parse number '${String(value)}' in $convert with no onError value: cannot convert to ${to}`,
  );

/** Whether `onError` of `$convert` catches the error. */
export const isConversionFailure = (error: unknown): boolean =>
  error instanceof DatabaseError && error.codeName === 'ConversionFailure';

/** The text of a value, as `$toString` returns it. */
export function convertToString(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof ObjectId) return value.toHexString();
  if (value instanceof Long || value instanceof Decimal128) return value.toString();
  if (isNumeric(value)) return numberText(toNumber(value));
  if (value instanceof Binary) return binaryText(value);
  return failConversion(value, 'string');
}

/** A UUID as its text, other binary data as base64. */
const binaryText = (value: Binary): string =>
  value.sub_type === Binary.SUBTYPE_UUID && value.length() === UUID_BYTES
    ? new UUID(value.value()).toString()
    : value.toString('base64');

const UUID_BYTES = 16;

function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  if (Number.isFinite(value)) return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

const DECIMAL_TEXT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INTEGER_TEXT = /^[+-]?\d+$/;

function toDoubleValue(value: unknown): unknown {
  if (isNumeric(value)) {
    const number = toNumber(value);
    const isOverflow = value instanceof Decimal128 && !Number.isFinite(number) && /\d/.test(value.toString());
    return isOverflow ? failOverflow(value) : toDouble(number);
  }
  if (typeof value === 'boolean') return toDouble(Number(value));
  if (value instanceof Date) return toDouble(value.getTime());
  if (typeof value !== 'string') return failConversion(value, 'double');
  const special = SPECIAL_NUMBERS.get(value.toLowerCase());
  if (special !== undefined) return special;
  const number = DECIMAL_TEXT.test(value) ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? toDouble(number) : failParse(value, 'double');
}

const SPECIAL_NUMBERS: ReadonlyMap<string, number> = new Map(
  [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].flatMap((value) => [
    [String(value).toLowerCase(), value],
    [`+${String(value).toLowerCase()}`, value],
    [String(value).toLowerCase().replace('inity', ''), value],
  ]),
);

function toIntegerValue(value: unknown, type: 'int' | 'long'): unknown {
  if (typeof value === 'boolean') return bounded(BigInt(value), { value, type });
  if (value instanceof Date && type === 'long') return Long.fromNumber(value.getTime());
  if (typeof value === 'string') {
    return INTEGER_TEXT.test(value)
      ? bounded(BigInt(value.replace(/^\+/, '')), { value, type })
      : failParse(value, type);
  }
  if (!isNumeric(value)) return failConversion(value, type);
  const number = toNumber(value);
  if (!Number.isFinite(number)) return failSpecial(number);
  // A double is compared before its fraction is dropped.
  if (type === 'int' && number > MAX_INT32 && !(value instanceof Decimal128)) return failOverflow(value);
  return bounded(value instanceof Decimal128 ? integerPartOf(value) : toBigInt(value), { value, type });
}

function bounded(integer: bigint, { value, type }: { value: unknown; type: 'int' | 'long' }): unknown {
  if (integer !== BigInt.asIntN(type === 'int' ? 32 : 64, integer)) return failOverflow(value);
  return type === 'int' ? Number(integer) : Long.fromBigInt(integer);
}

const MAX_INT32 = 2_147_483_647;

const failOverflow = (value: unknown): never =>
  fail(
    'ConversionFailure',
    `Conversion would overflow target type in $convert with no onError value: ${String(value)}`,
  );

const failSpecial = (value: number): never =>
  fail(
    'ConversionFailure',
    `Attempt to convert ${Number.isNaN(value) ? 'NaN' : 'infinity'} value to integer type in $convert with no onError value`,
  );

function integerPartOf(value: Decimal128): bigint {
  const exact = decimalOperand(roundDecimal(value, 0, 'trunc'));
  if (typeof exact === 'number') return 0n;
  const integer = exact.coefficient * 10n ** BigInt(Math.max(exact.exponent, 0));
  return exact.isNegative ? -integer : integer;
}

function toDecimalValue(value: unknown): unknown {
  if (isNumeric(value)) return toDecimal(value as Numeric);
  if (typeof value === 'boolean') return Decimal128.fromString(value ? '1' : '0');
  if (value instanceof Date) return Decimal128.fromString(String(value.getTime()));
  if (typeof value !== 'string') return failConversion(value, 'decimal');
  const special = SPECIAL_NUMBERS.get(value.toLowerCase());
  if (special !== undefined) return decimalOf(special);
  return DECIMAL_TEXT.test(value) ? Decimal128.fromString(value) : failParse(value, 'decimal');
}

function toDateValue(value: unknown): unknown {
  if (value instanceof Date) return value;
  if (value instanceof ObjectId) return value.getTimestamp();
  if (value instanceof Timestamp) return new Date(value.getHighBitsUnsigned() * 1000);
  if (isNumeric(value) && numericTypeOf(value) !== 'int')
    return new Date(toNumber(toIntegerValue(value, 'long') as Long));
  if (typeof value !== 'string') return failConversion(value, 'date');
  const date = parseDate(value);
  return date ?? fail('ConversionFailure', `Error parsing date string '${value}'; in $convert with no onError value`);
}

/** Parses ISO 8601 with the parts that MongoDB makes optional. Without a zone the time is UTC. */
function parseDate(text: string): Date | undefined {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i.exec(
      text.trim(),
    );
  if (match === null) return undefined;
  const [, day, time = '00:00', zone = 'Z'] = match;
  const offset = /^[+-]/.test(zone)
    ? zone.replace(/^([+-]\d{2}):?(\d{2})?$/, (_, hours, minutes) => `${hours}:${minutes ?? '00'}`)
    : 'Z';
  const date = new Date(`${day}T${time}${offset}`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

const toBooleanValue = (value: unknown): unknown => (isNumeric(value) ? toNumber(value) !== 0 : value !== false);

function toObjectIdValue(value: unknown): unknown {
  if (value instanceof ObjectId) return value;
  if (typeof value !== 'string') return failConversion(value, 'objectId');
  if (/^[0-9a-f]{24}$/i.test(value)) return ObjectId.createFromHexString(value);
  return fail(
    'ConversionFailure',
    `Failed to parse objectId '${value}' in $convert with no onError value: Invalid string length for parsing to OID, expected 24 but found ${value.length}`,
  );
}

function toUuidValue(value: unknown): unknown {
  if (value instanceof Binary) return value;
  if (typeof value !== 'string' || !UUID.isValid(value)) return failConversion(value, 'binData');
  return new Binary(new UUID(value).id, Binary.SUBTYPE_UUID);
}

const CONVERTERS: ReadonlyMap<string, (value: unknown) => unknown> = new Map([
  ['double', toDoubleValue],
  ['string', convertToString],
  ['objectId', toObjectIdValue],
  ['bool', toBooleanValue],
  ['date', toDateValue],
  ['int', (value: unknown) => toIntegerValue(value, 'int')],
  ['long', (value: unknown) => toIntegerValue(value, 'long')],
  ['decimal', toDecimalValue],
  ['binData', toUuidValue],
]);

/**
 * Converts a value that is not null to the type with a `$type` name.
 * @throws DatabaseError ConversionFailure when the value cannot be converted
 */
export function convert(value: unknown, type: string): unknown {
  const converter = CONVERTERS.get(type);
  if (converter === undefined) return failConversion(value, type);
  return converter(value);
}

import { Binary, Decimal128, Long, ObjectId, UUID } from 'bson';
import { type Numeric, toBigInt, toDecimal, toNumber } from '../../../bson/numbers.js';
import { isInt32, isNumeric, toDouble, typeOf } from '../../../bson/values.js';
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
  if (value instanceof Binary && value.sub_type === Binary.SUBTYPE_UUID) return new UUID(value.value()).toString();
  return failConversion(value, 'string');
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

const DECIMAL_TEXT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INTEGER_TEXT = /^[+-]?\d+$/;

function toDoubleValue(value: unknown): unknown {
  if (isNumeric(value)) return toDouble(toNumber(value));
  if (typeof value === 'boolean') return toDouble(Number(value));
  if (value instanceof Date) return toDouble(value.getTime());
  if (typeof value !== 'string') return failConversion(value, 'double');
  if (!DECIMAL_TEXT.test(value) && !/^[+-]?(?:NaN|Infinity)$/i.test(value)) return failParse(value, 'double');
  return toDouble(Number(value));
}

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
  if (!Number.isFinite(number)) return failOverflow(value, type);
  return bounded(toBigInt(value), { value, type });
}

function bounded(integer: bigint, { value, type }: { value: unknown; type: 'int' | 'long' }): unknown {
  if (integer !== BigInt.asIntN(type === 'int' ? 32 : 64, integer)) return failOverflow(value, type);
  return type === 'int' ? Number(integer) : Long.fromBigInt(integer);
}

const failOverflow = (value: unknown, type: string): never =>
  fail(
    'ConversionFailure',
    `Conversion would overflow target type in $convert with no onError value: ${String(value)} to ${type}`,
  );

function toDecimalValue(value: unknown): unknown {
  if (isNumeric(value)) return toDecimal(value as Numeric);
  if (typeof value === 'boolean') return Decimal128.fromString(value ? '1' : '0');
  if (value instanceof Date) return Decimal128.fromString(String(value.getTime()));
  if (typeof value !== 'string') return failConversion(value, 'decimal');
  return DECIMAL_TEXT.test(value) || /^[+-]?(?:NaN|Infinity)$/i.test(value)
    ? Decimal128.fromString(value)
    : failParse(value, 'decimal');
}

function toDateValue(value: unknown): unknown {
  if (value instanceof Date) return value;
  if (value instanceof ObjectId) return value.getTimestamp();
  if (isNumeric(value) && !isInt32(value as number)) return new Date(Math.trunc(toNumber(value)));
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

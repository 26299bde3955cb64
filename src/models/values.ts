import { Types } from 'mongoose';
import { hasFourDigitYear, parseTime, YEAR_10000 } from '#shared/utilities/time.js';

/* What a stored value means, or `undefined` when it has no meaning of that type. Never throws. */

/** Placeholder for a required id that cannot be read; no document has it. */
export const UNKNOWN_ID = new Types.ObjectId('0'.repeat(24));

/** An id on the wire; `''` for one that could not be read. */
export const toIdText = (id: Types.ObjectId | null | undefined): string =>
  id == null || UNKNOWN_ID.equals(id) ? '' : id.toHexString();

const HEX_ID = /^[0-9a-fA-F]{24}$/;

/** Reads an id, its text, or an embedded document with an `_id`. */
export function readId(value: unknown): Types.ObjectId | undefined {
  if (value instanceof Types.ObjectId) return value;
  if (typeof value === 'string') return HEX_ID.test(value) ? new Types.ObjectId(value) : undefined;
  if (!isPlain(value)) return undefined;
  const inner = value['_id'] ?? value['$oid'];
  return isPlain(inner) ? undefined : readId(inner);
}

/**
 * Unix times below this are seconds, others milliseconds. As milliseconds it is in 1973, as seconds far in the future.
 */
const SECONDS_MAX = 1e11;
/** Numbers below this are not times of this platform. */
const SECONDS_MIN = 1e8;

/**
 * Reads a date, ISO 8601 text (default: UTC), or Unix time in seconds or milliseconds. Services write the latest time that they
 * know for what never ends; one after the year 9999 is read as the last moment of it.
 */
export function readDate(value: unknown): Date | undefined {
  if (value instanceof Date) return readDateValue(value);
  if (typeof value === 'string') return readDateText(value.trim());
  const number = toNumber(value);
  if (!(number >= SECONDS_MIN)) return undefined;
  return new Date(Math.min(number < SECONDS_MAX ? Math.trunc(number) * 1000 : number, YEAR_10000 - 1));
}

function readDateValue(date: Date): Date | undefined {
  const unixMs = date.getTime();
  if (hasFourDigitYear(unixMs)) return date;
  // What is beyond the dates of JavaScript is not a number.
  return unixMs < 0 ? undefined : new Date(YEAR_10000 - 1);
}

function readDateText(text: string): Date | undefined {
  if (/^\d+$/.test(text)) return readDate(Number(text));
  for (const candidate of [text, `${text}Z`, `${text}T00:00:00Z`]) {
    const parsed = parseTime(candidate);
    if ('time' in parsed) return parsed.time;
  }
  return undefined;
}

/** Reads text, or an id as text. A number is not a name. */
export function readText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Types.ObjectId ? value.toHexString() : undefined;
}

/** Reads an integer (all numbers of the models are counts), also from text or a BSON number. */
export function readNumber(value: unknown): number | undefined {
  const number = toNumber(value);
  return Number.isSafeInteger(Math.trunc(number)) ? Math.trunc(number) : undefined;
}

function toNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'string') return value.trim() === '' ? Number.NaN : Number(value);
  const { _bsontype } = (value ?? {}) as { _bsontype?: unknown };
  return ['Long', 'Int32', 'Double', 'Decimal128'].includes(String(_bsontype)) ? Number(String(value)) : Number.NaN;
}

/** Reads a boolean, also from a word, or from 0 and 1 as text or as a number of any type. */
export function readBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.trim().toLowerCase() : toNumber(value);
  if (word === 'true' || word === 'yes' || word === '1' || word === 1) return true;
  return word === 'false' || word === 'no' || word === '0' || word === 0 ? false : undefined;
}

/** Whether a value is a document, and not a BSON type. */
export const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Date) &&
  !('_bsontype' in value) &&
  !ArrayBuffer.isView(value);

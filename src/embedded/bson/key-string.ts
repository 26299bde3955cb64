import type { BSONSymbol, Code, ObjectId, Timestamp } from 'bson';
import { type Collation, sortKeyOf } from './collation.js';
import { compareExact, type ExactNumber, exactOfDouble, type Numeric, toExact } from './numbers.js';
import { binaryOf, rankOf, regExpOf, toCodePointOrder } from './order.js';
import { type Document, isDocument } from './values.js';

/*
 * A value as a string whose order by UTF-16 code unit is MongoDB's order of the values. Every part is either of fixed
 * width or closed by a terminator below anything that may continue it, so that no key is a prefix of another and keys
 * of several fields can simply be joined.
 *
 *   key      = rank body
 *   number   = sign magnitude                      (a negative magnitude has all its units inverted)
 *   text     = units with NUL as NUL 1, closed by NUL NUL
 *   document = (rank name-text body)* NUL
 *   array    = key* NUL
 */

const CLOSE_TEXT = '\u0000\u0000';
const CLOSE_LIST = '\u0000';

/**
 * The key of a value: equal values (1, Long 1, 1.0, Decimal128 1) give equal keys, and keys order as
 * {@link compareValues} orders values. `undefined` (missing) sorts below null.
 */
export const toKeyString = (value: unknown, collation?: Collation): string => {
  const rank = rankOf(value);
  return String.fromCharCode(rank) + bodyOf(rank, value, collation);
};

/** The keys of several values as one; equal lengths of lists compare value by value. */
export const toCompoundKeyString = (values: readonly unknown[], collation?: Collation): string => {
  let key = '';
  for (const value of values) key += toKeyString(value, collation);
  return key;
};

const bodyOf = (rank: number, value: unknown, collation: Collation | undefined): string => {
  switch (rank) {
    case 10:
      return numberBody(value as Numeric);
    case 15:
      return textBody(typeof value === 'string' ? value : (value as BSONSymbol).value, collation);
    case 20:
      return documentBody(value as Document, collation);
    case 25:
      return arrayBody(value as unknown[], collation);
    case 30:
      return binaryBody(value);
    case 35:
      return latin1((value as ObjectId).id);
    case 40:
      return value ? '\u0002' : '\u0001';
    case 45:
      return numberBody((value as Date).getTime());
    case 47:
      return timestampBody(value as Timestamp);
    case 50:
      return regExpBody(value);
    case 60:
    case 65:
      return codeBody(value as Code);
    default:
      return '';
  }
};

const latin1 = (bytes: Uint8Array): string =>
  (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString('latin1');

const scratch = new DataView(new ArrayBuffer(8));

const NEGATIVE = 1;
const POSITIVE = 2;

/** Marks a magnitude that a double holds, or one that lies above the double before it by what follows. */
const EXACT = 1;
const ABOVE = 2;

const numberBody = (value: Numeric): string => {
  const exact = toExact(value);
  if (typeof exact !== 'number') return exactBody(exact);
  // NaN is below every number, and -0 equals 0.
  if (Number.isNaN(exact)) return '\u0000';
  if (exact === 0) return String.fromCharCode(POSITIVE, 0, 0, 0, 0, EXACT);
  scratch.setFloat64(0, Math.abs(exact));
  const a = scratch.getUint16(0);
  const b = scratch.getUint16(2);
  const c = scratch.getUint16(4);
  const d = scratch.getUint16(6);
  return exact > 0
    ? String.fromCharCode(POSITIVE, a, b, c, d, EXACT)
    : String.fromCharCode(NEGATIVE, 0xffff - a, 0xffff - b, 0xffff - c, 0xffff - d, 0xffff - EXACT);
};

const exactBody = (value: ExactNumber): string => {
  const magnitude: ExactNumber = { ...value, isNegative: false };
  const floor = floorDouble(magnitude);
  scratch.setFloat64(0, floor);
  let body = '';
  for (let offset = 0; offset < 8; offset += 2) body += String.fromCharCode(scratch.getUint16(offset));
  body += String.fromCharCode(ABOVE) + residualBody(magnitude, exactOfDouble(floor));
  if (!value.isNegative) return String.fromCharCode(POSITIVE) + body;
  let inverted = String.fromCharCode(NEGATIVE);
  for (let index = 0; index < body.length; index += 1) inverted += String.fromCharCode(0xffff - body.charCodeAt(index));
  return inverted;
};

/** The greatest double that is not above a positive number which no double holds. */
const floorDouble = (magnitude: ExactNumber): number => {
  const nearest = Number(`${magnitude.coefficient}E${magnitude.exponent}`);
  if (nearest === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  return compareExact(exactOfDouble(nearest), magnitude) <= 0 ? nearest : doubleBelow(nearest);
};

const doubleBelow = (value: number): number => {
  scratch.setFloat64(0, value);
  scratch.setBigUint64(0, scratch.getBigUint64(0) - 1n);
  return scratch.getFloat64(0);
};

/** The positive difference as the power of its first digit and its digits, no zeros behind. */
const residualBody = (magnitude: ExactNumber, floor: ExactNumber): string => {
  const exponent = Math.min(magnitude.exponent, floor.exponent);
  const difference =
    magnitude.coefficient * 10n ** BigInt(magnitude.exponent - exponent) -
    floor.coefficient * 10n ** BigInt(floor.exponent - exponent);
  const digits = difference.toString();
  return `${String.fromCharCode(0x8000 + digits.length + exponent)}${digits.replace(/0+$/, '')}\u0000`;
};

const textBody = (text: string, collation: Collation | undefined): string =>
  terminated(collation === undefined ? text : sortKeyOf(text, collation));

const isAboveSurrogates = /[\ud800-\uffff]/;

const terminated = (text: string): string => {
  if (!text.includes('\u0000') && !isAboveSurrogates.test(text)) return text + CLOSE_TEXT;
  let escaped = '';
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    escaped += unit === 0 ? '\u0000\u0001' : String.fromCharCode(toCodePointOrder(unit));
  }
  return escaped + CLOSE_TEXT;
};

const documentBody = (document: Document, collation: Collation | undefined): string => {
  let body = '';
  for (const key of Object.keys(document)) {
    const value = document[key];
    const rank = rankOf(value);
    body += String.fromCharCode(rank) + terminated(key) + bodyOf(rank, value, collation);
  }
  return body + CLOSE_LIST;
};

const arrayBody = (values: unknown[], collation: Collation | undefined): string =>
  toCompoundKeyString(values, collation) + CLOSE_LIST;

const binaryBody = (value: unknown): string => {
  const { bytes, subtype } = binaryOf(value);
  return String.fromCharCode(bytes.length >>> 16, bytes.length & 0xffff, subtype) + latin1(bytes);
};

const timestampBody = (value: Timestamp): string => {
  const high = value.getHighBitsUnsigned();
  const low = value.getLowBitsUnsigned();
  return String.fromCharCode(high >>> 16, high & 0xffff, low >>> 16, low & 0xffff);
};

const regExpBody = (value: unknown): string => {
  const { pattern, options } = regExpOf(value);
  return terminated(pattern) + terminated(options);
};

const codeBody = (value: Code): string =>
  terminated(value.code) + (isDocument(value.scope) ? documentBody(value.scope, undefined) : '');

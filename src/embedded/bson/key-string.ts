import type { Code, ObjectId, Timestamp } from 'bson';
import { type Collation, sortKeyOf } from './collation.js';
import { writeNumber } from './key-number.js';
import { invertFrom, reserve, sink, takeKey, writeByte, writeBytes, writeUint32 } from './key-sink.js';
import type { Numeric } from './numbers.js';
import { binaryOf, rankOf, regExpOf, textOf, toCodePointOrder } from './order.js';
import { type Document, fieldOf, isDocument } from './values.js';

/*
 * Values as byte strings that order as MongoDB orders the values. Every part has a fixed width or ends with a
 * terminator below any byte that could continue it. So no key is a prefix of another, and keys of several fields can
 * be concatenated.
 *
 *   key      = rank body
 *   number   = sign magnitude                      (the bytes of a negative magnitude are inverted)
 *   text     = units, NUL as NUL 1, terminated by NUL NUL
 *   document = (rank name-text body)* NUL
 *   array    = key* NUL
 *
 * A key is a string with one character per byte. V8 compares and hashes flat one-byte strings fastest.
 */

/**
 * The key of a value. Equal values (1, Long 1, 1.0, Decimal128 1) have equal keys, and keys order as
 * {@link compareValues} orders values. `undefined` (missing) sorts below null.
 */
export function toKeyString(value: unknown, collation?: Collation): string {
  sink.position = 0;
  writeKey(value, collation);
  return takeKey();
}

/**
 * The concatenated keys of several values.
 * @param isFlipped - for each value, whether its order is reversed
 */
export function toCompoundKeyString(
  values: readonly unknown[],
  isFlipped: readonly boolean[],
  collation?: Collation,
): string {
  sink.position = 0;
  for (let index = 0; index < values.length; index += 1) {
    const start = sink.position;
    writeKey(values[index], collation);
    if (isFlipped[index]) invertFrom(start);
  }
  return takeKey();
}

/**
 * As {@link toCompoundKeyString}, of fields of a document.
 * @returns undefined when one of them is an array, which has a key for each element
 */
export function toFlatKeyString(document: Document, { fields, isFlipped, collation }: FlatFields): string | undefined {
  sink.position = 0;
  for (let index = 0; index < fields.length; index += 1) {
    const value = fieldOf(document, fields[index] as string);
    if (Array.isArray(value)) return undefined;
    const start = sink.position;
    // Like in MongoDB, the value of a missing field is null.
    writeKey(value ?? null, collation);
    if (isFlipped[index]) invertFrom(start);
  }
  return takeKey();
}

/** Top-level fields of an index. */
export interface FlatFields {
  readonly fields: readonly string[];
  readonly isFlipped: readonly boolean[];
  readonly collation: Collation | undefined;
}

/** The key with inverted bytes, which sorts in reverse. This is exact because no key is a prefix of another. */
export function flipKey(key: string): string {
  let flipped = '';
  for (let index = 0; index < key.length; index += 1) flipped += String.fromCharCode(0xff - key.charCodeAt(index));
  return flipped;
}

function writeKey(value: unknown, collation: Collation | undefined): void {
  const rank = rankOf(value);
  writeByte(rank);
  writeBody(rank, value, collation);
}

function writeBody(rank: number, value: unknown, collation: Collation | undefined): void {
  switch (rank) {
    case 10:
      writeNumber(value as Numeric);
      return;
    case 15:
      writeString(textOf(value), collation);
      return;
    case 20:
      writeDocument(value as Document, collation);
      return;
    case 25:
      for (const element of value as unknown[]) writeKey(element, collation);
      writeByte(0);
      return;
    case 30:
      writeBinary(value);
      return;
    case 35:
      writeBytes((value as ObjectId).id);
      return;
    case 40:
      writeByte(value ? 2 : 1);
      return;
    case 45:
      writeNumber((value as Date).getTime());
      return;
    case 47:
      writeUint32((value as Timestamp).getHighBitsUnsigned());
      writeUint32((value as Timestamp).getLowBitsUnsigned());
      return;
    case 50:
      writeRegExp(value);
      return;
    case 60:
    case 65:
      writeCode(value as Code);
      return;
    default:
    // Each of the other types has a single value.
  }
}

function writeString(text: string, collation: Collation | undefined): void {
  if (collation === undefined) writeText(text, toCodePointOrder);
  else writeText(sortKeyOf(text, collation), toUnitOrder);
}

/** Collation sort keys already order by code unit. */
const toUnitOrder = (unit: number): number => unit;

/** Writes the units of a text in the encoding of UTF-8, which preserves their order. NUL terminates a text, so it is escaped. */
function writeText(text: string, toOrder: (unit: number) => number): void {
  // A unit takes at most three bytes, the terminator two.
  reserve(text.length * 3 + 2);
  const { bytes } = sink;
  let { position } = sink;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === 0) {
      bytes[position] = 0;
      bytes[position + 1] = 1;
      position += 2;
    } else if (unit < 0x80) {
      bytes[position] = unit;
      position += 1;
    } else if (unit < 0x800) {
      bytes[position] = 0xc0 | (unit >> 6);
      bytes[position + 1] = 0x80 | (unit & 0x3f);
      position += 2;
    } else {
      const order = toOrder(unit);
      bytes[position] = 0xe0 | (order >> 12);
      bytes[position + 1] = 0x80 | ((order >> 6) & 0x3f);
      bytes[position + 2] = 0x80 | (order & 0x3f);
      position += 3;
    }
  }
  bytes[position] = 0;
  bytes[position + 1] = 0;
  sink.position = position + 2;
}

function writeDocument(document: Document, collation: Collation | undefined): void {
  for (const name of Object.keys(document)) {
    const value = document[name];
    const rank = rankOf(value);
    writeByte(rank);
    writeText(name, toCodePointOrder);
    writeBody(rank, value, collation);
  }
  writeByte(0);
}

function writeBinary(value: unknown): void {
  const { bytes, subtype } = binaryOf(value);
  writeUint32(bytes.length);
  writeByte(subtype);
  writeBytes(bytes);
}

function writeRegExp(value: unknown): void {
  const { pattern, options } = regExpOf(value);
  writeText(pattern, toCodePointOrder);
  writeText(options, toCodePointOrder);
}

function writeCode(value: Code): void {
  writeText(value.code, toCodePointOrder);
  if (isDocument(value.scope)) writeDocument(value.scope, undefined);
}

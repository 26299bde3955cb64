import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  Decimal128,
  Double,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'bson';
import { fail } from '../errors.js';
import { type Document, isInt32, setField } from './values.js';

/** The maximum nesting depth of a document, as in mongod. */
export const MAX_NESTING_DEPTH = 200;

/**
 * Decodes one document to the in-memory form that `values.ts` defines.
 * @param bytes - the buffer with the document; the result does not reference it
 * @param offset - the position of the document in the buffer
 * @param maxDepth - the maximum nesting depth
 * @throws DatabaseError InvalidBSON when the bytes are not a document, Overflow when it nests too deeply
 */
export function decodeDocument(bytes: Uint8Array, offset = 0, maxDepth = MAX_NESTING_DEPTH): Document {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return readDocument({ buffer, position: offset, depth: 0, maxDepth });
  } catch (error) {
    // A length that points outside the buffer fails Node's range checks.
    if (error instanceof RangeError) return fail('InvalidBSON', `invalid bson: ${error.message}`);
    throw error;
  }
}

interface Reader {
  readonly buffer: Buffer;
  position: number;
  depth: number;
  readonly maxDepth: number;
}

const invalid = (reason: string): never => fail('InvalidBSON', `invalid bson: ${reason}`);

function enter(reader: Reader): number {
  const start = reader.position;
  const size = reader.buffer.readInt32LE(start);
  if (size < 5 || start + size > reader.buffer.length) invalid('document length out of bounds');
  reader.depth += 1;
  if (reader.depth > reader.maxDepth)
    fail('Overflow', `BSONObj exceeds maximum nested object depth: ${reader.maxDepth}`);
  reader.position = start + 4;
  return start + size;
}

function leave(reader: Reader, end: number): void {
  if (reader.position !== end) invalid('document not properly terminated');
  reader.depth -= 1;
}

function readDocument(reader: Reader): Document {
  const end = enter(reader);
  const document: Document = {};
  for (;;) {
    const type = reader.buffer[reader.position++];
    if (type === 0) break;
    if (type === undefined) return invalid('unexpected end');
    const key = readKey(reader);
    setField(document, key, readValue(reader, type));
  }
  leave(reader, end);
  return document;
}

/** Shorter arrays are copied, to exactly their size. */
const SHORT_ARRAY = 12;

function readArray(reader: Reader): unknown[] {
  const end = enter(reader);
  const array: unknown[] = [];
  for (;;) {
    const type = reader.buffer[reader.position++];
    if (type === 0) break;
    if (type === undefined) return invalid('unexpected end');
    // Like mongod: the element names are ignored, the order gives the positions.
    reader.position = endOfCString(reader) + 1;
    array.push(readValue(reader, type));
  }
  leave(reader, end);
  // An array that was filled element by element has room for 17. Stored documents have many short ones.
  return array.length < SHORT_ARRAY ? array.slice() : array;
}

function endOfCString(reader: Reader): number {
  const end = reader.buffer.indexOf(0, reader.position);
  return end === -1 ? invalid('unterminated string') : end;
}

function readCString(reader: Reader): string {
  const end = endOfCString(reader);
  const text = reader.buffer.toString('utf8', reader.position, end);
  reader.position = end + 1;
  return text;
}

/** Field names repeat in every document. A cache by the hash of their bytes avoids decoding and interning them again. */
const KEY_CACHE_SLOTS = 4096;
const KEY_CACHE_MAX_BYTES = 32;
const keyCache: (string | undefined)[] = new Array(KEY_CACHE_SLOTS).fill(undefined);

function readKey(reader: Reader): string {
  const { buffer, position } = reader;
  let hash = 17;
  let end = position;
  for (;;) {
    const byte = buffer[end];
    if (byte === 0) break;
    // Past the end, not ASCII, or too long for the cache.
    if (byte === undefined || byte > 127 || end - position >= KEY_CACHE_MAX_BYTES) return readCString(reader);
    hash = (hash * 31 + byte) | 0;
    end += 1;
  }
  const slot = hash & (KEY_CACHE_SLOTS - 1);
  reader.position = end + 1;
  const cached = keyCache[slot];
  if (cached !== undefined && isSameAscii(cached, buffer, position, end)) return cached;
  const key = buffer.toString('latin1', position, end);
  keyCache[slot] = key;
  return key;
}

function isSameAscii(text: string, buffer: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) !== buffer[start + index]) return false;
  }
  return true;
}

function readString(reader: Reader): string {
  const { buffer } = reader;
  const start = reader.position + 4;
  const size = buffer.readInt32LE(reader.position);
  if (size < 1 || start + size > buffer.length || buffer[start + size - 1] !== 0)
    invalid('string length out of bounds');
  reader.position = start + size;
  return buffer.toString('utf8', start, start + size - 1);
}

function readLong(reader: Reader): Long {
  const low = readInt32(reader);
  return new Long(low, readInt32(reader));
}

function copyBytes(reader: Reader, length: number): Uint8Array {
  const { buffer, position } = reader;
  if (length < 0 || position + length > buffer.length) invalid('binary length out of bounds');
  reader.position = position + length;
  // A slice would keep the whole network buffer alive. `allocUnsafe` takes the copy from Node's pool.
  const copy = Buffer.allocUnsafe(length);
  buffer.copy(copy, 0, position, position + length);
  return copy;
}

function readBinary(reader: Reader): Binary {
  const length = reader.buffer.readInt32LE(reader.position);
  const subtype = reader.buffer.readUInt8(reader.position + 4);
  reader.position += 5;
  // The deprecated subtype 2 repeats the length inside the data.
  if (subtype !== Binary.SUBTYPE_BYTE_ARRAY) return new Binary(copyBytes(reader, length), subtype);
  const innerLength = reader.buffer.readInt32LE(reader.position);
  if (innerLength !== length - 4) invalid('binary length out of bounds');
  reader.position += 4;
  return new Binary(copyBytes(reader, innerLength), subtype);
}

function readDouble(reader: Reader): number | Double {
  const value = reader.buffer.readDoubleLE(reader.position);
  reader.position += 8;
  return isInt32(value) ? new Double(value) : value;
}

function readInt32(reader: Reader): number {
  const value = reader.buffer.readInt32LE(reader.position);
  reader.position += 4;
  return value;
}

function readBoolean(reader: Reader): boolean {
  const byte = reader.buffer[reader.position++];
  if (byte !== 0 && byte !== 1) invalid('a boolean that is neither true nor false');
  return byte === 1;
}

function readCodeWithScope(reader: Reader): Code {
  reader.position += 4;
  const code = readString(reader);
  return new Code(code, readDocument(reader));
}

const readDbPointer = (reader: Reader): Document => ({
  $ref: readString(reader),
  $id: new ObjectId(copyBytes(reader, 12)),
});

function readValue(reader: Reader, type: number): unknown {
  switch (type) {
    case 1:
      return readDouble(reader);
    case 2:
      return readString(reader);
    case 3:
      return readDocument(reader);
    case 4:
      return readArray(reader);
    case 5:
      return readBinary(reader);
    case 6:
    case 10:
      return null;
    case 7:
      return new ObjectId(copyBytes(reader, 12));
    case 8:
      return readBoolean(reader);
    case 9:
      return new Date(readLong(reader).toNumber());
    case 11:
      return new BSONRegExp(readCString(reader), readCString(reader));
    case 12:
      return readDbPointer(reader);
    case 13:
      return new Code(readString(reader));
    case 14:
      return new BSONSymbol(readString(reader));
    case 15:
      return readCodeWithScope(reader);
    case 16:
      return readInt32(reader);
    case 17:
      return new Timestamp(readLong(reader));
    case 18:
      return readLong(reader);
    case 19:
      return new Decimal128(copyBytes(reader, 16));
    case 255:
      return new MinKey();
    case 127:
      return new MaxKey();
    default:
      return invalid(`unknown type ${type}`);
  }
}

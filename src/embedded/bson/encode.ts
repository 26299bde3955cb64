import { Double, Long, ObjectId, serialize, Timestamp } from 'bson';
import { DatabaseError, fail } from '../errors.js';
import { type Document, isDocument, isInt32 } from './values.js';

/** More than the largest document and the largest reply. Encoding fails beyond it instead of exhausting memory. */
const MAX_ENCODED_BYTES = 17 * 1024 * 1024;
/** The size of the buffer that is reused. A buffer that grew beyond it is dropped after the document. */
const KEPT_BYTES = 1024 * 1024;
/** Room for the bytes that close the enclosing documents, which check their own sizes. */
const SLACK_BYTES = 1024;

/** Limits and layout of an encoded document. */
export interface EncodeOptions {
  /** Bytes to leave free before the document, for a header of the caller. */
  readonly headBytes: number;
  /** The maximum nesting depth. Replies wrap documents, so they nest deeper than any stored document. */
  readonly maxDepth: number;
}

const DEFAULTS: EncodeOptions = { headBytes: 0, maxDepth: Number.POSITIVE_INFINITY };

/** Shared by all calls: encoding is synchronous, and each document is copied out at its exact size. */
const sink: Sink = { bytes: Buffer.allocUnsafeSlow(KEPT_BYTES), position: 0, maxDepth: 0 };

interface Sink {
  bytes: Buffer;
  position: number;
  maxDepth: number;
}

/**
 * Encodes a document. Integral doubles stay doubles, and undefined fields are omitted. The common types are encoded
 * here; the bson package encodes the others.
 * @throws DatabaseError BSONObjectTooLarge above 17 MB, Overflow beyond `maxDepth`, BadValue for a NUL in a field name
 */
export function encodeDocument(
  document: Document,
  { headBytes, maxDepth }: EncodeOptions = DEFAULTS,
): Buffer<ArrayBuffer> {
  sink.position = headBytes;
  sink.maxDepth = maxDepth;
  writeDocument(document, 1);
  const encoded = Buffer.allocUnsafe(sink.position);
  sink.bytes.copy(encoded, headBytes, headBytes, sink.position);
  if (sink.bytes.length > KEPT_BYTES) sink.bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
  return encoded;
}

/** Ensures room for this many more bytes. */
function reserve(byteLength: number): void {
  const needed = sink.position + byteLength;
  if (needed <= sink.bytes.length) return;
  if (needed > MAX_ENCODED_BYTES + SLACK_BYTES) failOnSize();
  const grown = Buffer.allocUnsafeSlow(Math.max(needed, sink.bytes.length * 2));
  sink.bytes.copy(grown, 0, 0, sink.position);
  sink.bytes = grown;
}

const failOnSize = (): never =>
  fail(
    'BSONObjectTooLarge',
    `BSONObj size: more than ${MAX_ENCODED_BYTES} is invalid. Size must be between 0 and 16777216 (16MB)`,
  );

function writeInt32At(position: number, value: number): void {
  const { bytes } = sink;
  bytes[position] = value;
  bytes[position + 1] = value >> 8;
  bytes[position + 2] = value >> 16;
  bytes[position + 3] = value >> 24;
}

function writeInt32(value: number): void {
  writeInt32At(sink.position, value);
  sink.position += 4;
}

function writeDocument(document: Document, depth: number): void {
  const start = open(depth);
  for (const key of Object.keys(document)) {
    const value = document[key];
    if (value !== undefined) writeField(key, value, depth);
  }
  close(start);
}

function writeArray(array: readonly unknown[], depth: number): void {
  const start = open(depth);
  for (let index = 0; index < array.length; index += 1) writeField(String(index), array[index] ?? null, depth);
  close(start);
}

function open(depth: number): number {
  if (depth > sink.maxDepth) fail('Overflow', `BSONObj exceeds maximum nested object depth: ${sink.maxDepth}`);
  const start = sink.position;
  reserve(4);
  sink.position += 4;
  return start;
}

function close(start: number): void {
  reserve(1);
  sink.bytes[sink.position] = 0;
  sink.position += 1;
  if (sink.position - start > MAX_ENCODED_BYTES) failOnSize();
  writeInt32At(start, sink.position - start);
}

/** Writes a type and a name, and reserves room for a value of fixed size. */
function writeHead(type: number, key: string): void {
  // A UTF-16 unit takes at most 3 bytes, a value of fixed size at most 16.
  reserve(key.length * 3 + 18);
  sink.bytes[sink.position] = type;
  sink.position += 1;
  writeName(key);
}

function writeName(key: string): void {
  const { bytes } = sink;
  const start = sink.position;
  for (let index = 0; index < key.length; index += 1) {
    const unit = key.charCodeAt(index);
    if (unit === 0) failOnNul(key);
    if (unit > 127) {
      if (key.includes('\0')) failOnNul(key);
      sink.position = start + bytes.write(key, start, 'utf8');
      bytes[sink.position] = 0;
      sink.position += 1;
      return;
    }
    bytes[start + index] = unit;
  }
  bytes[start + key.length] = 0;
  sink.position = start + key.length + 1;
}

const failOnNul = (key: string): never => fail('BadValue', `key ${key} must not contain null bytes`);

function writeField(key: string, value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string':
      writeHead(2, key);
      writeText(value);
      return;
    case 'number':
      writeNumber(key, value);
      return;
    case 'boolean':
      writeHead(8, key);
      sink.bytes[sink.position] = value ? 1 : 0;
      sink.position += 1;
      return;
    case 'object':
      if (value === null) writeHead(10, key);
      else writeObject(key, value, depth);
      return;
    default:
      writeOther(key, value);
  }
}

/** Up to this length a loop is faster than a call into Node. */
const SHORT_TEXT = 32;
const LONG_TEXT = 4096;

function writeText(text: string): void {
  // Three bytes per unit is a generous estimate; long texts are measured exactly.
  reserve((text.length < LONG_TEXT ? text.length * 3 : Buffer.byteLength(text)) + 5);
  const { bytes } = sink;
  const start = sink.position + 4;
  let length = -1;
  if (text.length <= SHORT_TEXT) length = writeAscii(text, start);
  if (length < 0) length = bytes.write(text, start, 'utf8');
  writeInt32At(start - 4, length + 1);
  bytes[start + length] = 0;
  sink.position = start + length + 1;
}

/** @returns the number of bytes written; -1 when the text is not ASCII */
function writeAscii(text: string, start: number): number {
  const { bytes } = sink;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 127) return -1;
    bytes[start + index] = unit;
  }
  return text.length;
}

function writeNumber(key: string, value: number): void {
  if (isInt32(value)) {
    writeHead(16, key);
    writeInt32(value);
  } else {
    writeDouble(key, value);
  }
}

function writeDouble(key: string, value: number): void {
  writeHead(1, key);
  sink.position = sink.bytes.writeDoubleLE(value, sink.position);
}

function writeObject(key: string, value: object, depth: number): void {
  if (isDocument(value)) {
    writeHead(3, key);
    writeDocument(value, depth + 1);
  } else if (Array.isArray(value)) {
    writeHead(4, key);
    writeArray(value, depth + 1);
  } else if (value instanceof ObjectId) {
    writeHead(7, key);
    sink.bytes.set(value.id, sink.position);
    sink.position += 12;
  } else if (value instanceof Date) {
    writeHead(9, key);
    const time = value.getTime();
    writeInt32(time);
    writeInt32(Math.floor(time / 0x1_0000_0000));
  } else if (value instanceof Double) {
    writeDouble(key, value.value);
  } else if (value.constructor === Long) {
    writeLong(18, key, value as Long);
  } else if (value.constructor === Timestamp) {
    // Every reply has one.
    writeLong(17, key, value as Timestamp);
  } else {
    writeOther(key, value);
  }
}

function writeLong(type: number, key: string, { low, high }: Pick<Long, 'low' | 'high'>): void {
  writeHead(type, key);
  writeInt32(low);
  writeInt32(high);
}

/** Encodes a value of a less common type with the bson package, and copies the field out of the result. */
function writeOther(key: string, value: unknown): void {
  const wrapped = encodeWrapped(key, value);
  const field = wrapped.subarray(4, wrapped.length - 1);
  reserve(field.length);
  sink.bytes.set(field, sink.position);
  sink.position += field.length;
}

function encodeWrapped(key: string, value: unknown): Uint8Array {
  try {
    return serialize({ [key]: value }, { ignoreUndefined: true });
  } catch (error) {
    if (error instanceof RangeError) return failOnSize();
    throw new DatabaseError('BadValue', (error as Error).message);
  }
}

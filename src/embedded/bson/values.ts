import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'bson';

/**
 * A BSON document in memory. Use {@link fieldOf} and {@link setField} for keys that come from a client, because a
 * plain object inherits `constructor` and `__proto__`.
 *
 * The representation of values keeps every type and keeps common types cheap:
 * - An int32 is a JS number. A double is a JS number, too, unless it is integral and fits an int32; then it is a
 *   `Double`. So a JS number is an int32 exactly when {@link isInt32} is true.
 * - An int64 is a `Long`, a decimal a `Decimal128`, binary data a `Binary`, a regular expression a `BSONRegExp`.
 * - A DBRef stays a plain document. The deprecated BSON type `undefined` is decoded as null.
 */
export type Document = Record<string, unknown>;

/** The type names of `$type` with their numbers. */
export const BSON_TYPE_NUMBERS = {
  double: 1,
  string: 2,
  object: 3,
  array: 4,
  binData: 5,
  undefined: 6,
  objectId: 7,
  bool: 8,
  date: 9,
  null: 10,
  regex: 11,
  dbPointer: 12,
  javascript: 13,
  symbol: 14,
  javascriptWithScope: 15,
  int: 16,
  timestamp: 17,
  long: 18,
  decimal: 19,
  minKey: -1,
  maxKey: 127,
} as const;

/** A BSON type by its `$type` name; `missing` is the absence of a field. */
export type BsonType = keyof typeof BSON_TYPE_NUMBERS | 'missing';

/** Whether the value is a document, not an array or an instance of a BSON class. */
export function isDocument(value: unknown): value is Document {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Reads an own field; `undefined` when it is missing. */
export function fieldOf(document: Document, key: string): unknown {
  if (key === '__proto__') return Object.hasOwn(document, key) ? document[key] : undefined;
  const value = document[key];
  // All other inherited properties are functions, which no stored value is.
  return typeof value === 'function' ? undefined : value;
}

/** Writes an own field, including `__proto__`. */
export function setField(document: Document, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(document, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    document[key] = value;
  }
}

/** Whether a JS number represents an int32: integral, in range, and not -0. */
export const isInt32 = (value: number): boolean => (value | 0) === value && !Object.is(value, -0);

/** A double in memory: wrapped when the JS number would represent an int32. */
export const toDouble = (value: number): number | Double => (isInt32(value) ? new Double(value) : value);

const CLASS_TYPES = new Map<unknown, BsonType>([
  [ObjectId, 'objectId'],
  [Long, 'long'],
  [Double, 'double'],
  [Decimal128, 'decimal'],
  [Int32, 'int'],
  [Binary, 'binData'],
  [BSONRegExp, 'regex'],
  [Timestamp, 'timestamp'],
  [MinKey, 'minKey'],
  [MaxKey, 'maxKey'],
  [BSONSymbol, 'symbol'],
  [DBRef, 'object'],
]);

/**
 * The BSON type of a value in memory.
 * @throws TypeError for other values, such as functions, which cannot come from the wire
 */
export function typeOf(value: unknown): BsonType {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return isInt32(value) ? 'int' : 'double';
    case 'boolean':
      return 'bool';
    case 'undefined':
      return 'missing';
    case 'bigint':
      return 'long';
    case 'object':
      return value === null ? 'null' : objectType(value);
    default:
      throw new TypeError(`${typeof value} is not a BSON value`);
  }
}

function objectType(value: object): BsonType {
  if (Array.isArray(value)) return 'array';
  if (isDocument(value)) return 'object';
  const known = CLASS_TYPES.get(value.constructor);
  if (known !== undefined) return known;
  if (value instanceof Date) return 'date';
  if (value instanceof Code) return value.scope ? 'javascriptWithScope' : 'javascript';
  // UUID is a subclass of Binary.
  if (value instanceof Binary || value instanceof Uint8Array) return 'binData';
  if (value instanceof RegExp) return 'regex';
  throw new TypeError(`${value.constructor.name} is not a BSON value`);
}

/** Whether the value is a number of any BSON type. */
export function isNumeric(value: unknown): value is number | Long | Double | Decimal128 | Int32 {
  if (typeof value === 'number') return true;
  if (typeof value !== 'object' || value === null) return false;
  const type = CLASS_TYPES.get(value.constructor);
  return type === 'long' || type === 'double' || type === 'decimal' || type === 'int';
}

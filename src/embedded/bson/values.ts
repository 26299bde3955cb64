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
 * A BSON document in memory. It is read with {@link fieldOf} and written with {@link setField} wherever the key comes
 * from a client, because a plain object inherits `constructor` and `__proto__`.
 *
 * How values are held, so that no type is lost and the common ones stay cheap:
 * - int32 is a JS number; a double is a JS number too, unless it is integral and fits an int32: then it is a `Double`,
 *   or it would come back as an int32. A bare number is therefore an int32 exactly when {@link isInt32} says so.
 * - int64 is a `Long`, a decimal a `Decimal128`, binary data a `Binary`, a regular expression a `BSONRegExp`.
 * - a DBRef stays the plain document it is on the wire; `undefined` (the deprecated BSON type 6) is read as null.
 */
export type Document = Record<string, unknown>;

/** The names `$type` knows, with their numbers. */
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

/** Whether the value is an embedded document, and not an array or one of the BSON classes. */
export function isDocument(value: unknown): value is Document {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Reads an own field; `undefined` is a missing one. */
export function fieldOf(document: Document, key: string): unknown {
  if (key === '__proto__') return Object.hasOwn(document, key) ? document[key] : undefined;
  const value = document[key];
  // What a plain object inherits under any other name is a function, and no stored value is one.
  return typeof value === 'function' ? undefined : value;
}

/** Writes an own field, `__proto__` too. */
export function setField(document: Document, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(document, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    document[key] = value;
  }
}

/** Whether a bare number is written as an int32 (and so is one): integral, in range, and not -0. */
export const isInt32 = (value: number): boolean => (value | 0) === value && !Object.is(value, -0);

/** A double as it is held in memory: wrapped only where a bare number would read as an int32. */
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
 * @throws TypeError for a value that is no BSON value, such as a function: none can come from the wire.
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
  // UUID is the one subclass the driver hands out.
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

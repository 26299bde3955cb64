import { type Binary, BSONRegExp, type BSONSymbol, type Code, type ObjectId, type Timestamp } from 'bson';
import { type Collation, sortKeyOf } from './collation.js';
import { compareNumbers, type Numeric } from './numbers.js';
import { type BsonType, type Document, isDocument, typeOf } from './values.js';

/**
 * The rank of each type in MongoDB's total order. Types of the same rank compare by value. A missing value ranks below
 * null, as in expressions; sorting replaces it by null before.
 * Source: https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
 */
const TYPE_RANKS: Readonly<Record<BsonType, number>> = {
  minKey: 1,
  missing: 2,
  undefined: 2,
  null: 5,
  int: 10,
  long: 10,
  double: 10,
  decimal: 10,
  string: 15,
  symbol: 15,
  object: 20,
  array: 25,
  binData: 30,
  objectId: 35,
  bool: 40,
  date: 45,
  timestamp: 47,
  regex: 50,
  dbPointer: 55,
  javascript: 60,
  javascriptWithScope: 65,
  maxKey: 127,
};

/** The rank of a type. */
export const rankOfType = (type: BsonType): number => TYPE_RANKS[type];

/** The rank of a value's type. The common types need no look at the class. */
export function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return 15;
    case 'number':
      return 10;
    case 'boolean':
      return 40;
    case 'undefined':
      return 2;
    default:
      return value === null ? 5 : TYPE_RANKS[typeOf(value)];
  }
}

/**
 * MongoDB's total order of all values: first by type, then by value. Documents compare field by field in their order,
 * arrays element by element.
 * @returns negative, zero or positive
 */
export function compareValues(left: unknown, right: unknown, collation?: Collation): number {
  if (typeof left === 'number' && typeof right === 'number')
    return left < right ? -1 : left > right ? 1 : compareNumbers(left, right);
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right, collation);
  const leftRank = rankOf(left);
  const rightRank = rankOf(right);
  if (leftRank !== rightRank) return leftRank - rightRank;
  return compareSameRank(leftRank, left, right, collation);
}

/** Whether two values are equal in MongoDB, as 1, 1.0 and Long 1 are. */
export const isEqual = (left: unknown, right: unknown, collation?: Collation): boolean =>
  left === right || compareValues(left, right, collation) === 0;

function compareSameRank(rank: number, left: unknown, right: unknown, collation: Collation | undefined): number {
  switch (rank) {
    case 10:
      return compareNumbers(left as Numeric, right as Numeric);
    case 15:
      return compareText(textOf(left), textOf(right), collation);
    case 20:
      return compareDocuments(left as Document, right as Document, collation);
    case 25:
      return compareArrays(left as unknown[], right as unknown[], collation);
    case 30:
      return compareBinary(binaryOf(left), binaryOf(right));
    case 35:
      return compareBytes((left as ObjectId).id, (right as ObjectId).id);
    case 40:
      return Number(left) - Number(right);
    case 45:
      return compareNumbers((left as Date).getTime(), (right as Date).getTime());
    case 47:
      return (left as Timestamp).compare(right as Timestamp);
    case 50:
      return compareRegExps(regExpOf(left), regExpOf(right));
    case 60:
    case 65:
      return compareCode(left as Code, right as Code);
    default:
      // Null, missing, MinKey and MaxKey each have a single value.
      return 0;
  }
}

/** The text of a string or a symbol, which MongoDB compares as a string. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : (value as BSONSymbol).value);

function compareText(left: string, right: string, collation: Collation | undefined): number {
  if (left === right) return 0;
  if (collation === undefined) return compareCodePoints(left, right);
  const a = sortKeyOf(left, collation);
  const b = sortKeyOf(right, collation);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Compares by code point, as MongoDB does by UTF-8 bytes. JS compares UTF-16 units, which differs above U+D7FF. */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return a >= 0xd800 && b >= 0xd800 ? toCodePointOrder(a) - toCodePointOrder(b) : a - b;
  }
  return left.length - right.length;
}

/** Maps UTF-16 units so that they compare as their code points: surrogates move above the other units. */
export function toCodePointOrder(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function compareDocuments(left: Document, right: Document, collation: Collation | undefined): number {
  const leftKeys = Object.keys(left);
  const rightKeys = Object.keys(right);
  const length = Math.min(leftKeys.length, rightKeys.length);
  for (let index = 0; index < length; index += 1) {
    const leftKey = leftKeys[index] as string;
    const rightKey = rightKeys[index] as string;
    const a = left[leftKey];
    const b = right[rightKey];
    // For each field: first the type, then the name, then the value.
    const byType = rankOf(a) - rankOf(b);
    if (byType !== 0) return byType;
    const byName = leftKey === rightKey ? 0 : compareCodePoints(leftKey, rightKey);
    if (byName !== 0) return byName;
    const byValue = compareValues(a, b, collation);
    if (byValue !== 0) return byValue;
  }
  return leftKeys.length - rightKeys.length;
}

function compareArrays(left: unknown[], right: unknown[], collation: Collation | undefined): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const order = compareValues(left[index], right[index], collation);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** Bytes and subtype of binary data in a Binary or a Uint8Array. */
export function binaryOf(value: unknown): { bytes: Uint8Array; subtype: number } {
  if (value instanceof Uint8Array) return { bytes: value, subtype: 0 };
  const binary = value as Binary;
  return { bytes: binary.buffer.subarray(0, binary.position), subtype: binary.sub_type };
}

type BinaryParts = ReturnType<typeof binaryOf>;

const compareBinary = (left: BinaryParts, right: BinaryParts): number =>
  left.bytes.length - right.bytes.length || left.subtype - right.subtype || compareBytes(left.bytes, right.bytes);

const compareBytes = (left: Uint8Array, right: Uint8Array): number => Buffer.compare(left, right);

/** Pattern and flags of a BSON or a JS regular expression. */
export const regExpOf = (value: unknown): { pattern: string; options: string } =>
  value instanceof BSONRegExp
    ? { pattern: value.pattern, options: value.options }
    : { pattern: (value as RegExp).source, options: (value as RegExp).flags };

type RegExpParts = ReturnType<typeof regExpOf>;

const compareRegExps = (left: RegExpParts, right: RegExpParts): number =>
  compareCodePoints(left.pattern, right.pattern) || compareCodePoints(left.options, right.options);

const compareCode = (left: Code, right: Code): number =>
  compareCodePoints(left.code, right.code) ||
  (isDocument(left.scope) && isDocument(right.scope) ? compareDocuments(left.scope, right.scope, undefined) : 0);

/** Whether comparisons with the value depend on the collation. */
export function isCollatable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'string';
  return isDocument(value) || Array.isArray(value) || rankOf(value) === TYPE_RANKS.symbol;
}

import { mongo, Types } from 'mongoose';

/*
 * MongoDB's order of values of all types. Other services store anything where a time is expected, and a list in the order
 * of an index must show such documents, each once. Comparisons of a query match values of one type only, so what comes
 * after a value in an index takes several conditions.
 */

/** The direction of a list. */
export type Direction = 'ascending' | 'descending';

/** A part of a list, as a condition on its field. */
export interface ValueRange {
  readonly condition: unknown;
  /**
   * Conditions that no value may satisfy. An array has an entry in the index for each element, and is listed at the first
   * of them. Without these conditions it would be found again at the others.
   */
  readonly none: readonly unknown[];
}

/** The types of values except null, ascending. Those of a group are compared with each other. */
const TYPES: readonly (readonly string[])[] = [
  ['number'],
  ['string', 'symbol'],
  ['object'],
  ['binData'],
  ['objectId'],
  ['bool'],
  ['date'],
  ['timestamp'],
  ['regex'],
  ['javascript'],
  ['javascriptWithScope'],
  ['maxKey'],
];
const INCOMPARABLE: ReadonlySet<string> = new Set([
  'minKey',
  'null',
  'regex',
  'javascript',
  'javascriptWithScope',
  'maxKey',
]);

/** Values below all types, ascending. A missing value counts as null. */
const LOWEST: readonly unknown[] = [new mongo.MinKey(), [], null];

/** The value by which a stored value is listed: of an array, the least or greatest element. */
export function listedValue(value: unknown, direction: Direction): unknown {
  if (!Array.isArray(value) || value.length === 0) return value ?? null;
  const sign = direction === 'ascending' ? 1 : -1;
  return value.reduce((best, element) => (sign * compareValues(element, best) < 0 ? element : best)) ?? null;
}

/** Compares values in ascending order. Documents and other types without an order in JavaScript count as equal. */
export function compareValues(one: unknown, other: unknown): number {
  const [left, right] = [groupOf(one), groupOf(other)];
  if (left !== right) return left - right;
  if (left < 0) return lowestOf(one) - lowestOf(other);
  const [a, b] = [toComparable(one), toComparable(other)];
  return a < b ? -1 : a > b ? 1 : Number(Number.isNaN(b)) - Number(Number.isNaN(a));
}

/** The condition on the value itself. @param value as from {@link listedValue} */
export function rangeAt(value: unknown, direction: Direction): ValueRange {
  const isPlain = groupOf(value) < 0 || isComparable(value);
  const condition = isPlain ? (value ?? null) : { $eq: value };
  return { condition, none: valuesBefore(value, direction) };
}

/** The conditions on values that come after those of {@link rangeAt} and {@link rangesBeside}, in the order of the list. */
export function rangesOfOthers(value: unknown, direction: Direction): ValueRange[] {
  const isUp = direction === 'ascending';
  const own = elementIndexOf(value);
  const isNan = Number.isNaN(value);
  const types = ELEMENT_TYPES.filter((_, index) => index > 1 && (isUp ? index > own : index < own)).flat();
  const lowest = isUp ? LOWEST.slice(lowestOf(value) + 1) : LOWEST.slice(0, lowestOf(value));
  const passed = typesUpTo(value, direction);
  // What the first of two ranges has is not in the second.
  const first = isUp ? (lowest.length === 0 ? [] : ['minKey', 'null']) : types;
  const both = first.length === 0 ? passed : [...passed, { $type: first }];
  const ofLowest = lowest.length === 0 ? [] : [{ condition: { $in: lowest }, none: isUp ? passed : both }];
  const ofTypes = types.length === 0 ? [] : [{ condition: { $type: types }, none: isUp ? both : passed }];
  if (own !== NUMBER || isUp !== isNan) return isUp ? [...ofLowest, ...ofTypes] : [...ofTypes, ...ofLowest];
  // No comparison matches NaN, which comes before all numbers.
  return isNan
    ? [
        { condition: { $gte: Number.NEGATIVE_INFINITY }, none: valuesBefore(Number.NEGATIVE_INFINITY, direction) },
        ...ofTypes,
      ]
    : [{ condition: Number.NaN, none: valuesBefore(Number.NaN, direction) }, ...ofLowest];
}

/** The conditions on values of the same type that come after, without the value. */
export function rangesBeside(value: unknown, direction: Direction): ValueRange[] {
  const isUp = direction === 'ascending';
  // There are only two of these.
  if (value === isUp || !isComparable(value) || Number.isNaN(value)) return [];
  const none = [...valuesBefore(value, direction), { $eq: value }];
  return [{ condition: isUp ? { $gt: value } : { $lt: value }, none }];
}

/** Conditions on elements that come before the value. */
function valuesBefore(value: unknown, direction: Direction): unknown[] {
  const isUp = direction === 'ascending';
  const own = elementIndexOf(value);
  const types = ELEMENT_TYPES.filter((_, index) => (isUp ? index < own : index > own)).flat();
  const ofTypes = types.length === 0 ? [] : [{ $type: types }];
  if (!isComparable(value)) return ofTypes;
  if (Number.isNaN(value)) return isUp ? ofTypes : [...ofTypes, { $gte: Number.NEGATIVE_INFINITY }];
  const nan = isUp && own === NUMBER ? [{ $eq: Number.NaN }] : [];
  return [...ofTypes, ...nan, { [isUp ? '$lt' : '$gt']: value }];
}

/** The condition on elements of the types up to that of the value. */
function typesUpTo(value: unknown, direction: Direction): unknown[] {
  const own = elementIndexOf(value);
  const isUp = direction === 'ascending';
  const types = ELEMENT_TYPES.filter((_, index) => (isUp ? index <= own : index >= own)).flat();
  return types.length === 0 ? [] : [{ $type: types }];
}

/** The types of elements of arrays, ascending. */
const ELEMENT_TYPES: readonly (readonly string[])[] = [['minKey'], ['null'], ...TYPES];
const NUMBER = 2;

/** The index in {@link ELEMENT_TYPES}. An empty array comes between the first two. */
function elementIndexOf(value: unknown): number {
  if (Array.isArray(value)) return 0.5;
  const group = groupOf(value);
  return group < 0 ? lowestOf(value) / 2 : group + 2;
}

/** The index in {@link TYPES}; -1: in {@link LOWEST}. */
function groupOf(value: unknown): number {
  const type = typeOf(value);
  return TYPES.findIndex((types) => types.includes(type));
}

const isComparable = (value: unknown): boolean => !INCOMPARABLE.has(typeOf(value));

/** The index in {@link LOWEST}; its end for a value that is not in it. */
function lowestOf(value: unknown): number {
  if (value === null || value === undefined) return 2;
  if (Array.isArray(value)) return 1;
  return typeOf(value) === 'minKey' ? 0 : LOWEST.length;
}

const BSON_TYPES: Readonly<Record<string, string>> = {
  Long: 'number',
  Int32: 'number',
  Double: 'number',
  Decimal128: 'number',
  BSONSymbol: 'string',
  Binary: 'binData',
  Timestamp: 'timestamp',
  BSONRegExp: 'regex',
  Code: 'javascript',
  ObjectId: 'objectId',
  MinKey: 'minKey',
  MaxKey: 'maxKey',
};

function typeOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return 'number';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (value === null || value === undefined || Array.isArray(value)) return 'null';
  if (value instanceof Date) return 'date';
  if (value instanceof RegExp) return 'regex';
  if (ArrayBuffer.isView(value)) return 'binData';
  const { _bsontype } = value as { _bsontype?: unknown };
  return BSON_TYPES[String(_bsontype)] ?? 'object';
}

function toComparable(value: unknown): number | string {
  const type = typeOf(value);
  if (value instanceof Date) return value.getTime();
  if (type === 'number' || type === 'bool') return Number(value instanceof Types.Decimal128 ? String(value) : value);
  return type === 'string' || type === 'objectId' ? String(value) : 0;
}

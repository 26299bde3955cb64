import { type Model, Types } from 'mongoose';

/** A cursor: the stored values of the sort fields. */
export type Position = readonly unknown[];

/** A filter for a contiguous range of an index. */
export type Range = Record<string, unknown>;

/** How many entries to read. */
export interface Bounds {
  readonly limit: number;
  readonly skip: number;
}

/** The BSON types that a sort value can have, in descending BSON order. `null` and missing values come last. */
const TYPES = ['date', 'bool', 'objectId', 'object', 'string', 'number'] as const;

function typeOf(value: unknown): (typeof TYPES)[number] | undefined {
  if (value instanceof Date) return 'date';
  if (value instanceof Types.ObjectId) return 'objectId';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string' || typeof value === 'number') return typeof value as 'string' | 'number';
  return value === null || value === undefined ? undefined : 'object';
}

/**
 * The index ranges after a cursor in a descending order. For `a, b` after (1, 2): `a = 1, b < 2`, then `a < 1`. A single
 * condition could not be read in index order. MongoDB comparisons match one type only, so ranges for the lower types follow,
 * and then one for missing values: other services omit fields or store other types.
 */
export const rangesAfter = (order: readonly string[], position: Position): Range[] =>
  toRanges(order, position, (value, isLast) => {
    const type = typeOf(value);
    if (type === undefined) return [];
    const lower = TYPES.slice(TYPES.indexOf(type) + 1);
    const sameType = value === false ? [] : [{ $lt: value }];
    if (isLast) return sameType;
    return [...sameType, ...(lower.length === 0 ? [] : [{ $type: [...lower] }]), null];
  });

/** The index ranges before a cursor, nearest first: ranges of the ascending order. */
export const rangesBefore = (order: readonly string[], position: Position): Range[] =>
  toRanges(order, position, (value, isLast) => {
    const type = typeOf(value);
    const higher = type === undefined ? [...TYPES] : TYPES.slice(0, TYPES.indexOf(type));
    const sameType = type === undefined || value === true ? [] : [{ $gt: value }];
    return isLast || higher.length === 0 ? sameType : [...sameType, { $type: higher }];
  });

/** @param beside the conditions for values next to a value, nearest first. The last field is an id, so it has one type. */
function toRanges(
  order: readonly string[],
  position: Position,
  beside: (value: unknown, isLast: boolean) => unknown[],
): Range[] {
  return order
    .map((field, index) => {
      const equal = Object.fromEntries(order.slice(0, index).map((before, at) => [before, position[at] ?? null]));
      return beside(position[index], index === order.length - 1).map((condition) => ({ ...equal, [field]: condition }));
    })
    .reverse()
    .flat();
}

/** Reads range after range until there are `limit` entries. */
export async function readRanges<T>(
  ranges: readonly Range[],
  limit: number,
  read: (range: Range, bounds: Bounds) => Promise<T[]>,
): Promise<T[]> {
  const found: T[] = [];
  for (const range of ranges) {
    if (found.length >= limit) break;
    found.push(...(await read(range, { limit: limit - found.length, skip: 0 })));
  }
  return found;
}

/** A list ordered by one field and `_id`, with an index that ends in these two. */
export interface KeysetList {
  /** Equality conditions on the preceding fields of the index, and other filters. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly field: string;
  readonly direction: 'ascending' | 'descending';
  /** Fields to read; absent: all. */
  readonly projection?: Readonly<Record<string, 1>>;
}

/** A cursor in such a list. */
export interface KeysetPlace {
  /** The value of the field; `undefined` or `null` when it is missing. */
  readonly value: unknown;
  readonly _id: unknown;
}

/**
 * Reads the entries after a cursor, each once, for any value of the field. Passes values to the driver, because Mongoose
 * would cast them to the type in the schema.
 * @param place `undefined`: from the beginning
 */
export async function readAfter<T>(
  { collection }: Pick<Model<T>, 'collection'>,
  { base, field, direction, projection }: KeysetList,
  { place, limit }: { place?: KeysetPlace | undefined; limit: number },
): Promise<T[]> {
  const isDescending = direction === 'descending';
  const order = isDescending ? -1 : 1;
  const options = {
    sort: { [field]: order, _id: order },
    ...(projection === undefined ? {} : { projection }),
  } as const;
  const toRanges = isDescending ? rangesAfter : rangesBefore;
  const ranges = place === undefined ? [{}] : toRanges([field, '_id'], [place.value, place._id]);
  const found = await readRanges(ranges, limit, (range, bounds) =>
    collection.find({ ...base, ...range }, { ...options, limit: bounds.limit }).toArray(),
  );
  return found as unknown[] as T[];
}

const LOWEST_ID = new Types.ObjectId('0'.repeat(24));
const HIGHEST_ID = new Types.ObjectId('f'.repeat(24));

/** The cursor for a list that starts at a time, exclusive. */
export const placeOfTime = (at: Date, direction: KeysetList['direction']): KeysetPlace => ({
  value: at,
  _id: direction === 'descending' ? LOWEST_ID : HIGHEST_ID,
});

/** Compares cursors in ascending order of the index. */
export function comparePlaces(one: KeysetPlace, other: KeysetPlace): number {
  const [left, right] = [rankOf(one.value), rankOf(other.value)];
  if (left !== right) return left - right;
  return compareValues(one.value, other.value) || compareValues(one._id, other._id);
}

const rankOf = (value: unknown): number => {
  const type = typeOf(value);
  return type === undefined ? -TYPES.length : -TYPES.indexOf(type);
};

/** @param one of the same type as `other` */
function compareValues(one: unknown, other: unknown): number {
  const [left, right] = [one, other].map((value) => {
    if (value instanceof Date) return value.getTime();
    return typeof value === 'number' || typeof value === 'boolean' ? Number(value) : String(value);
  }) as [number | string, number | string];
  return left < right ? -1 : left > right ? 1 : 0;
}

import { type Model, Types } from 'mongoose';
import {
  compareValues,
  type Direction,
  listedValue,
  rangeAt,
  rangesBeside,
  rangesOfOthers,
  type ValueRange,
} from './value-order.js';

/** A cursor: the stored values of the sort fields. */
export type Position = readonly unknown[];

/** A filter for a contiguous range of an index. */
export type Range = Record<string, unknown>;

/** How many entries to read. */
export interface Bounds {
  readonly limit: number;
  readonly skip: number;
}

/**
 * The index ranges after a cursor in a descending order. For `a, b` after (1, 2): `a = 1, b < 2`, then `a < 1`, then values
 * of lower types. A single condition could not be read in index order.
 */
export const rangesAfter = (order: readonly string[], position: Position): Range[] =>
  toRanges(order, position, 'descending');

/** The index ranges before a cursor, nearest first: ranges of the ascending order. */
export const rangesBefore = (order: readonly string[], position: Position): Range[] =>
  toRanges(order, position, 'ascending');

/** The last field of the order is an id, so it has one type. */
function toRanges(order: readonly string[], position: Position, direction: Direction): Range[] {
  const values = order.map((_, index) => listedValue(position[index], direction));
  return order
    .map((field, index) => {
      const equal = order.slice(0, index).map((before, at) => [before, rangeAt(values[at], direction)] as const);
      const isLast = index === order.length - 1;
      const beside = rangesBeside(values[index], direction);
      const others = isLast ? [] : rangesOfOthers(values[index], direction);
      return [...beside, ...others].map((range) =>
        toRange([...equal, [field, isLast ? { ...range, none: [] } : range]]),
      );
    })
    .reverse()
    .flat();
}

function toRange(fields: readonly (readonly [string, ValueRange])[]): Range {
  const nor = fields.flatMap(([field, { none }]) => none.map((one) => ({ [field]: one })));
  const conditions = Object.fromEntries(fields.map(([field, { condition }]) => [field, condition]));
  return nor.length === 0 ? conditions : { ...conditions, $nor: nor };
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

/** A sort of the driver. */
export type Sort = Readonly<Record<string, 1 | -1>>;

/**
 * The sort within a range, without the fields that the range bounds to one value. MongoDB merges the reads of several ids
 * only in the order of the index fields behind all fields that are bounded to values, and sorts in memory otherwise.
 */
export const sortWithin = (range: Range, sort: Sort): Sort =>
  Object.fromEntries(Object.entries(sort).filter(([field]) => !isOneValue(range[field])));

/** Whether a condition is an equality. Null is none: several stored values are equal to it. */
function isOneValue(condition: unknown): boolean {
  if (typeof condition !== 'object' || condition === null) return condition !== undefined && condition !== null;
  return Object.getPrototypeOf(condition) !== Object.prototype || '$eq' in condition;
}

/** A list ordered by one field and `_id`, with an index that ends in these two. */
export interface KeysetList {
  /** Equality conditions on the preceding fields of the index, and other filters. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly field: string;
  readonly direction: Direction;
  /** Fields to read; absent: all. */
  readonly projection?: Readonly<Record<string, 1>>;
}

/** A cursor in such a list. */
export interface KeysetPlace {
  /** The stored value of the field, of any type; `undefined` or `null` when it is missing. */
  readonly value: unknown;
  readonly _id: unknown;
}

/**
 * Reads the entries after a cursor that can be shown, each once, for any value of the field. Passes values to the driver, because
 * Mongoose would cast them to the type in the schema.
 * @param place `undefined`: from the beginning
 */
export async function readAfter<T>(
  { collection }: Pick<Model<T>, 'collection'>,
  { base, field, direction, projection }: KeysetList,
  { place, limit }: { place?: KeysetPlace | undefined; limit: number },
): Promise<T[]> {
  const isDescending = direction === 'descending';
  const order = isDescending ? -1 : 1;
  const sort: Sort = { [field]: order, _id: order };
  const options = projection === undefined ? {} : { projection };
  const toRanges = isDescending ? rangesAfter : rangesBefore;
  const ranges = place === undefined ? [{}] : toRanges([field, '_id'], [place.value, place._id]);
  const found = await readRanges(ranges, limit, (range, bounds) =>
    collection
      // A range behind a cursor has a condition on the id, which only ids of its type satisfy.
      .find({ ...withUsableId, ...base, ...range }, { ...options, sort: sortWithin(range, sort), limit: bounds.limit })
      .toArray(),
  );
  return found as unknown[] as T[];
}

/**
 * Only documents that can be shown: no request could name one whose id has another type. Left out by the query, because a page
 * that loses some afterwards looks like the last one, and has no entry to go on from.
 */
export const withUsableId = { _id: { $type: 'objectId' } } as const;

const LOWEST_ID = new Types.ObjectId('0'.repeat(24));
const HIGHEST_ID = new Types.ObjectId('f'.repeat(24));

/** The cursor for a list that starts at a time, exclusive. */
export const placeOfTime = (at: Date, direction: Direction): KeysetPlace => ({
  value: at,
  _id: direction === 'descending' ? LOWEST_ID : HIGHEST_ID,
});

/** Compares cursors in ascending order. @param direction of the list, which decides about arrays */
export function comparePlaces(one: KeysetPlace, other: KeysetPlace, direction: Direction): number {
  const [left, right] = [one, other].map(({ value }) => listedValue(value, direction));
  return compareValues(left, right) || compareValues(one._id, other._id);
}

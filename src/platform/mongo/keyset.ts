import { type Model, Types } from 'mongoose';

/** A list ordered by one field and `_id`, with an index that ends in these two. */
export interface KeysetList {
  /** Equality conditions on the preceding fields of the index, and other filters. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly field: string;
  readonly direction: 'ascending' | 'descending';
  /** Fields to read; absent: all. */
  readonly projection?: Readonly<Record<string, 1>>;
}

/** A cursor: the position of an entry in such a list. */
export interface KeysetPlace {
  /** The value of the field; `undefined` or `null` when it is missing. */
  readonly value: unknown;
  readonly _id: unknown;
}

/**
 * Reads the entries after a cursor, each once, for any value of the field: other services omit it, or store text
 * instead of a date. Passes values to the driver, because Mongoose would cast them to the type in the schema.
 * @param place `undefined`: from the beginning
 */
export async function readAfter<T>(
  { collection }: Pick<Model<T>, 'collection'>,
  { base, field, direction, projection }: KeysetList,
  { place, limit }: { place?: KeysetPlace | undefined; limit: number },
): Promise<T[]> {
  const order = direction === 'descending' ? -1 : 1;
  const sort = { [field]: order, _id: order } as const;
  const ranges = place === undefined ? [base] : rangesAfter({ base, field, direction }, place);
  const found: unknown[] = [];
  for (const range of ranges) {
    if (found.length >= limit) break;
    const options = { sort, limit: limit - found.length, ...(projection === undefined ? {} : { projection }) };
    found.push(...(await collection.find(range, options).toArray()));
  }
  return found as T[];
}

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
  if (value === undefined || value === null) return -1;
  const other = OTHER_TYPES.findIndex(({ isOf }) => isOf(value));
  return other === -1 ? OTHER_TYPES.length : other;
};

/** @param one of the same type as `other` */
function compareValues(one: unknown, other: unknown): number {
  const [left, right] = [one, other].map((value) => {
    if (value instanceof Date) return value.getTime();
    return typeof value === 'number' || typeof value === 'boolean' ? Number(value) : String(value);
  }) as [number | string, number | string];
  return left < right ? -1 : left > right ? 1 : 0;
}

const LOWEST_ID = new Types.ObjectId('0'.repeat(24));
const HIGHEST_ID = new Types.ObjectId('f'.repeat(24));
const LOWEST_DATE = new Date(-8_640_000_000_000_000);

/**
 * Types that sort between missing values and dates, ascending, each with its lowest value. MongoDB comparisons match
 * one type only, so each type is a separate range.
 */
const OTHER_TYPES: readonly { readonly lowest: unknown; readonly isOf: (value: unknown) => boolean }[] = [
  { lowest: Number.NEGATIVE_INFINITY, isOf: (value) => typeof value === 'number' },
  { lowest: '', isOf: (value) => typeof value === 'string' },
  { lowest: {}, isOf: (value) => value?.constructor === Object },
  { lowest: LOWEST_ID, isOf: (value) => value instanceof Types.ObjectId },
  { lowest: false, isOf: (value) => typeof value === 'boolean' },
];

/** The index ranges after a cursor, in the order of the list. */
function rangesAfter({ base, field, direction }: KeysetList, { value, _id }: KeysetPlace): object[] {
  const isDescending = direction === 'descending';
  const from = (lowest: unknown): object => ({ ...base, [field]: { $gte: lowest } });
  const missing = { ...base, [field]: null };
  const dates = from(LOWEST_DATE);
  // Each branch of an `$or` is planned separately, so each repeats the conditions on the index prefix.
  const allOf = (types: typeof OTHER_TYPES): object[] => types.map(({ lowest }) => from(lowest));
  if (value === undefined || value === null) {
    const rest = { ...missing, _id: isDescending ? { $lt: _id } : { $gt: _id } };
    return isDescending ? [rest] : [rest, { $or: allOf(OTHER_TYPES) }, dates];
  }
  const rest = {
    ...base,
    [field]: isDescending ? { $lte: value } : { $gte: value },
    // The first condition bounds the index range; this one removes entries with the same value up to the cursor.
    $nor: [{ [field]: value, _id: isDescending ? { $gte: _id } : { $lte: _id } }],
  };
  if (value instanceof Date) return isDescending ? [rest, { $or: allOf(OTHER_TYPES) }, missing] : [rest];
  const own = OTHER_TYPES.findIndex(({ isOf }) => isOf(value));
  const others = allOf(isDescending ? OTHER_TYPES.slice(0, Math.max(own, 0)) : OTHER_TYPES.slice(own + 1));
  const mixed = { $or: [rest, ...others] };
  return isDescending ? [mixed, missing] : [mixed, dates];
}

import { type Model, Types } from 'mongoose';

/** A list in the order of one field and then of `_id`, served by an index that ends in these two. */
export interface KeysetList {
  /** Equality conditions on the fields of the index before these two, and what else an entry has to satisfy. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly field: string;
  readonly direction: 'ascending' | 'descending';
  /** Fields to read; absent: all. */
  readonly projection?: Readonly<Record<string, 1>>;
}

/** Where an entry is in such a list; entries are told apart by it. */
export interface KeysetPlace {
  /** Of the field; `undefined` or `null` when the entry has none. */
  readonly value: unknown;
  readonly _id: unknown;
}

/**
 * Reads the entries after a cursor, each once, for any value of the field: other services leave it out, or store text in the
 * place of a date. The values go to the database as they are, because Mongoose would convert them to the type in the schema.
 * @param place `undefined`: from the beginning
 */
export async function readBehind<T>(
  { collection }: Pick<Model<T>, 'collection'>,
  { base, field, direction, projection }: KeysetList,
  { place, limit }: { place?: KeysetPlace | undefined; limit: number },
): Promise<T[]> {
  const order = direction === 'descending' ? -1 : 1;
  const sort = { [field]: order, _id: order } as const;
  const ranges = place === undefined ? [base] : rangesBehind({ base, field, direction }, place);
  const found: unknown[] = [];
  for (const range of ranges) {
    if (found.length >= limit) break;
    const options = { sort, limit: limit - found.length, ...(projection === undefined ? {} : { projection }) };
    found.push(...(await collection.find(range, options).toArray()));
  }
  return found as T[];
}

/** Where a list that is read from a moment on begins. What is of that moment is left out. */
export const placeOfTime = (at: Date, direction: KeysetList['direction']): KeysetPlace => ({
  value: at,
  _id: direction === 'descending' ? LOWEST_ID : HIGHEST_ID,
});

/** Compares places as the index does, in ascending order. */
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

/** @param one of the same type as the other */
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
 * Types that sort between missing values and dates, in ascending order, each with its lowest value. Comparisons of MongoDB
 * never cross types, so each is a range of its own.
 */
const OTHER_TYPES: readonly { readonly lowest: unknown; readonly isOf: (value: unknown) => boolean }[] = [
  { lowest: Number.NEGATIVE_INFINITY, isOf: (value) => typeof value === 'number' },
  { lowest: '', isOf: (value) => typeof value === 'string' },
  { lowest: {}, isOf: (value) => value?.constructor === Object },
  { lowest: LOWEST_ID, isOf: (value) => value instanceof Types.ObjectId },
  { lowest: false, isOf: (value) => typeof value === 'boolean' },
];

/** What lies behind a place, as ranges of the index in the order of the list. */
function rangesBehind({ base, field, direction }: KeysetList, { value, _id }: KeysetPlace): object[] {
  const isDescending = direction === 'descending';
  const from = (lowest: unknown): object => ({ ...base, [field]: { $gte: lowest } });
  const missing = { ...base, [field]: null };
  const dates = from(LOWEST_DATE);
  // Each branch of an `$or` is planned by itself, so each has the conditions that bound the index.
  const allOf = (types: typeof OTHER_TYPES): object[] => types.map(({ lowest }) => from(lowest));
  if (value === undefined || value === null) {
    const rest = { ...missing, _id: isDescending ? { $lt: _id } : { $gt: _id } };
    return isDescending ? [rest] : [rest, { $or: allOf(OTHER_TYPES) }, dates];
  }
  const rest = {
    ...base,
    [field]: isDescending ? { $lte: value } : { $gte: value },
    // The first bounds the index; this one leaves out what has the same value and was there before.
    $nor: [{ [field]: value, _id: isDescending ? { $gte: _id } : { $lte: _id } }],
  };
  if (value instanceof Date) return isDescending ? [rest, { $or: allOf(OTHER_TYPES) }, missing] : [rest];
  const own = OTHER_TYPES.findIndex(({ isOf }) => isOf(value));
  const others = allOf(isDescending ? OTHER_TYPES.slice(0, Math.max(own, 0)) : OTHER_TYPES.slice(own + 1));
  const mixed = { $or: [rest, ...others] };
  return isDescending ? [mixed, missing] : [mixed, dates];
}

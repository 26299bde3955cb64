import { Types } from 'mongoose';

/** A keyset cursor: the stored values of the sort fields. */
export type Position = readonly unknown[];

/** A filter for a contiguous range of the index. */
export type Range = Record<string, unknown>;

/** The BSON types that a sort value can have, in BSON order. `null` and missing values sort first. */
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

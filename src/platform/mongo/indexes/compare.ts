import { mongo } from 'mongoose';
import { isServerError } from '../errors.js';
import type { WantedIndex } from './wanted.js';

/** An index as returned by `listIndexes`. */
export interface ExistingIndex {
  readonly name: string;
  readonly key: Readonly<Record<string, unknown>>;
  readonly unique?: boolean;
  readonly sparse?: boolean;
  readonly hidden?: boolean;
  readonly expireAfterSeconds?: number;
  readonly partialFilterExpression?: object;
  readonly collation?: { readonly locale?: string; readonly strength?: number };
}

/** The indexes of a collection, which need not exist. */
export async function existingIndexes(collection: mongo.Collection): Promise<ExistingIndex[]> {
  try {
    return (await collection.listIndexes().toArray()) as unknown as ExistingIndex[];
  } catch (error) {
    if (isServerError(error, 'NAMESPACE_NOT_FOUND')) return [];
    throw error;
  }
}

/**
 * The state of a wanted index in a collection: present (possibly under another name), missing, or in conflict with
 * another index.
 */
export type Standing = { kind: 'there' } | { kind: 'missing' } | { kind: 'conflict'; with: ExistingIndex };

/** Compares an index with the existing ones, as MongoDB does on creation. */
export function compareIndex(wanted: WantedIndex, existing: readonly ExistingIndex[]): Standing {
  const same = existing.find((index) => isSame(wanted, index));
  if (same !== undefined && (same.name === wanted.name || !wanted.isHinted)) return { kind: 'there' };
  if (same === undefined && existing.some((index) => serves(index, wanted))) return { kind: 'there' };
  const inTheWay = existing.find((index) => index.name === wanted.name || isIndistinguishable(wanted, index));
  return inTheWay === undefined ? { kind: 'missing' } : { kind: 'conflict', with: inTheWay };
}

const text = (value: unknown): string => mongo.BSON.EJSON.stringify(value ?? null);

type Collation = ExistingIndex['collation'];

/** Whether both compare texts alike. Further options of a collation have their defaults. */
const isSameCollation = (one: Collation, other: Collation): boolean =>
  (one?.locale ?? 'simple') === (other?.locale ?? 'simple') && one?.strength === other?.strength;

/** An equivalent index, independent of its name. */
const isSame = ({ key, options }: WantedIndex, index: ExistingIndex): boolean =>
  index.hidden !== true &&
  isSameCollation(index.collation, options.collation) &&
  text(index.key) === text(key) &&
  (index.unique ?? false) === (options.unique ?? false) &&
  (index.sparse ?? false) === (options.sparse ?? false) &&
  index.expireAfterSeconds === options.expireAfterSeconds &&
  text(index.partialFilterExpression) === text(options.partialFilterExpression);

/** Whether an index serves the same queries: it starts with the same keys and covers at least the same documents. */
function serves(index: ExistingIndex, { key, options, isHinted }: WantedIndex): boolean {
  if (isHinted || options.unique === true || options.expireAfterSeconds !== undefined) return false;
  if (index.hidden === true || !isSameCollation(index.collation, options.collation)) return false;
  const [wantedKeys, keys] = [Object.entries(key), Object.entries(index.key)];
  const beginsAlike = wantedKeys.every(([field, direction], position) => {
    const [otherField, otherDirection] = keys[position] ?? [];
    return otherField === field && otherDirection === direction;
  });
  const holdsAll =
    index.partialFilterExpression === undefined ||
    text(index.partialFilterExpression) === text(options.partialFilterExpression);
  return beginsAlike && holdsAll;
}

/** Whether MongoDB rejects both together: indexes that differ only in name or TTL. */
const isIndistinguishable = ({ key, options }: WantedIndex, index: ExistingIndex): boolean =>
  text(index.key) === text(key) &&
  isSameCollation(index.collation, options.collation) &&
  (index.unique ?? false) === (options.unique ?? false) &&
  (index.sparse ?? false) === (options.sparse ?? false) &&
  text(index.partialFilterExpression) === text(options.partialFilterExpression);

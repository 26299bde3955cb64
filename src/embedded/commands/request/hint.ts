import { isDeepStrictEqual } from 'node:util';
import { toNumber } from '../../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import type { CollectionIndex } from '../../engine/indexes/collection-index.js';
import type { IndexHint } from '../../engine/planner/index-plan.js';
import { fail } from '../../errors.js';
import { parseSort } from '../../query/sort.js';

/** A key pattern in comparable form: ordered entries, with numbers of every BSON type as JS numbers. */
export const toComparableKey = (key: Document): [string, unknown][] =>
  Object.entries(key).map(([path, direction]) => [path, isNumeric(direction) ? toNumber(direction) : direction]);

/** The indexes with exactly this key pattern. They differ in options such as `unique`. */
export function findIndexesByKey(collection: Collection, key: Document): CollectionIndex[] {
  const wanted = toComparableKey(key);
  return [...collection.indexes.values()].filter(({ definition }) =>
    isDeepStrictEqual(toComparableKey(definition.spec['key'] as Document), wanted),
  );
}

/**
 * The index, or the natural order, that a hint names.
 * @throws DatabaseError BadValue when the index does not exist, IndexNotFound when several have the key pattern
 */
export function resolveHint(collection: Collection, hint: unknown): IndexHint | undefined {
  if (hint === undefined || hint === null) return undefined;
  if (isDocument(hint)) {
    if (Object.keys(hint).length === 0) return undefined;
    const natural = hint['$natural'];
    if (isNumeric(natural)) return toNumber(natural) < 0 ? 'naturalReversed' : 'natural';
    const [index, another] = findIndexesByKey(collection, hint).filter(isVisible);
    if (another) fail('IndexNotFound', 'Hint matched multiple indexes, must hint by index name');
    return index ?? failOnHint();
  }
  if (typeof hint !== 'string') return fail('FailedToParse', 'Hint must be a string or an object');
  const index = collection.indexes.get(hint);
  return index && isVisible(index) ? index : failOnHint();
}

/** A hidden index serves no reads, not even with a hint. */
const isVisible = ({ definition }: CollectionIndex): boolean => !definition.isHidden;

/** The order in which documents are read. */
interface Order {
  readonly sort: Document | undefined;
  readonly hint: IndexHint | undefined;
}

/**
 * Combines a sort and a hint. Like in MongoDB, a sort by `$natural` acts as a hint.
 * @throws DatabaseError BadValue when `$natural` is combined with other fields, or the index does not exist
 */
export function resolveOrder(
  collection: Collection | undefined,
  { sort, hint }: { sort?: Document | undefined; hint?: unknown },
): Order {
  if (sort?.['$natural'] === undefined) {
    const isEmpty = sort === undefined || parseSort(sort).length === 0;
    return { sort: isEmpty ? undefined : sort, hint: collection && resolveHint(collection, hint) };
  }
  if (Object.keys(sort).length > 1) fail('BadValue', "Cannot include '$natural' in compound sort");
  const { $natural } = sort;
  const direction = isNumeric($natural) ? toNumber($natural) : 0;
  if (direction !== 1 && direction !== -1) {
    fail('BadValue', '$natural sort cannot be set to a value other than -1 or 1.');
  }
  const isHinted = typeof hint === 'string' || (isDocument(hint) && Object.keys(hint).length > 0);
  if (isHinted && !(isDocument(hint) && hint['$natural'] !== undefined)) {
    fail('BadValue', 'Cannot use a hint of an index with a sort by $natural');
  }
  return { sort: undefined, hint: direction < 0 ? 'naturalReversed' : 'natural' };
}

const failOnHint = (): never =>
  fail(
    'BadValue',
    'error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index',
  );

import { isDeepStrictEqual } from 'node:util';
import { toNumber } from '../../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import type { CollectionIndex } from '../../engine/indexes/collection-index.js';
import type { IndexHint } from '../../engine/planner/index-plan.js';
import { fail } from '../../errors.js';
import { parseSort } from '../../query/sort.js';

/** A key pattern with its numbers plain, to compare patterns written by different clients. */
const normalize = (key: Document): [string, unknown][] =>
  Object.entries(key).map(([path, direction]) => [path, isNumeric(direction) ? toNumber(direction) : direction]);

/** The index with exactly this key pattern. */
export function findIndexByKey(collection: Collection, key: Document): CollectionIndex | undefined {
  const wanted = normalize(key);
  for (const index of collection.indexes.values()) {
    if (isDeepStrictEqual(normalize(index.definition.spec['key'] as Document), wanted)) return index;
  }
  return undefined;
}

/**
 * What a hint names.
 * @throws DatabaseError BadValue when there is no such index
 */
export function resolveHint(collection: Collection, hint: unknown): IndexHint | undefined {
  if (hint === undefined || hint === null) return undefined;
  if (isDocument(hint)) {
    if (Object.keys(hint).length === 0) return undefined;
    const natural = hint['$natural'];
    if (isNumeric(natural)) return toNumber(natural) < 0 ? 'naturalReversed' : 'natural';
    return findIndexByKey(collection, hint) ?? failOnHint();
  }
  if (typeof hint !== 'string') return fail('FailedToParse', 'Hint must be a string or an object');
  return collection.indexes.get(hint) ?? failOnHint();
}

/** How a statement wants its documents: what they are sorted by, and what they are read from. */
interface Order {
  readonly sort: Document | undefined;
  readonly hint: IndexHint | undefined;
}

/**
 * What a sort and a hint ask for together. A sort by `$natural` is no sort but a hint, as on MongoDB.
 * @throws DatabaseError BadValue where `$natural` is not alone, or there is no such index
 */
export function resolveOrder(
  collection: Collection | undefined,
  { sort, hint }: { sort?: Document | undefined; hint?: unknown },
): Order {
  if (sort?.['$natural'] === undefined) {
    if (sort) parseSort(sort);
    return { sort, hint: collection && resolveHint(collection, hint) };
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

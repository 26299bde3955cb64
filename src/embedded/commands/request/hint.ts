import { isDeepStrictEqual } from 'node:util';
import { toNumber } from '../../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import type { CollectionIndex } from '../../engine/indexes/collection-index.js';
import { fail } from '../../errors.js';

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
export function resolveHint(
  collection: Collection,
  hint: unknown,
): CollectionIndex | 'natural' | 'naturalReversed' | undefined {
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

const failOnHint = (): never =>
  fail(
    'BadValue',
    'error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index',
  );

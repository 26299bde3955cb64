import { describe } from '../bson/describe.js';
import { toIndexTuples } from '../bson/index-keys.js';
import { isEqual } from '../bson/order.js';
import { toPath } from '../bson/path.js';
import type { Document } from '../bson/values.js';
import { DatabaseError } from '../errors.js';
import type { Collection } from './collection.js';
import type { CollectionIndex } from './indexes/collection-index.js';

/**
 * The DuplicateKey error for a document whose key exists already, with `keyPattern`, `keyValue` and mongod's text.
 * @param other - the document that has the key; of a document with arrays it tells which of the keys that is
 */
export function createDuplicateKeyError(
  collection: Collection,
  index: CollectionIndex,
  { document, other }: { readonly document: Document; readonly other?: Document | undefined },
): DatabaseError {
  const { fields } = index.definition;
  const key = duplicateOf(index, document, other);
  const keyValue = Object.fromEntries(fields.map(({ path }, field) => [path, key[field] ?? null]));
  return new DatabaseError(
    'DuplicateKey',
    `E11000 duplicate key error collection: ${collection.namespace} index: ${index.name} dup key: ${describe(keyValue)}`,
    { keyPattern: index.definition.spec['key'], keyValue },
  );
}

function duplicateOf(
  { definition: { fields, collation } }: CollectionIndex,
  document: Document,
  other: Document | undefined,
): readonly unknown[] {
  const paths = fields.map(({ path }) => toPath(path));
  const { tuples } = toIndexTuples(document, paths);
  const taken = other === undefined ? [] : toIndexTuples(other, paths).tuples;
  const isTaken = (tuple: readonly unknown[]): boolean =>
    taken.some((known) => tuple.every((value, field) => isEqual(value, known[field], collation)));
  return (tuples.length > 1 ? tuples.find(isTaken) : undefined) ?? tuples[0] ?? [];
}

/** The DuplicateKey error for a document whose `_id` exists already. */
export function createDuplicateIdError(collection: Collection, document: Document): Error {
  const index = collection.indexes.get('_id_');
  return index ? createDuplicateKeyError(collection, index, { document }) : new Error('a collection has no _id index');
}

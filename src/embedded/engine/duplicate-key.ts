import { describe } from '../bson/describe.js';
import { indexValuesAt } from '../bson/index-keys.js';
import type { Document } from '../bson/values.js';
import { DatabaseError } from '../errors.js';
import type { Collection } from './collection.js';
import type { CollectionIndex } from './indexes/collection-index.js';

/** The DuplicateKey error for a document whose key exists already, with `keyPattern`, `keyValue` and mongod's text. */
export function createDuplicateKeyError(
  collection: Collection,
  index: CollectionIndex,
  document: Document,
): DatabaseError {
  const keyValue: Document = {};
  for (const { path } of index.definition.fields) keyValue[path] = indexValuesAt(document, path)[0] ?? null;
  return new DatabaseError(
    'DuplicateKey',
    `E11000 duplicate key error collection: ${collection.namespace} index: ${index.name} dup key: ${describe(keyValue)}`,
    { keyPattern: index.definition.spec['key'], keyValue },
  );
}

/** The DuplicateKey error for a document whose `_id` exists already. */
export function createDuplicateIdError(collection: Collection, document: Document): Error {
  const index = collection.indexes.get('_id_');
  return index ? createDuplicateKeyError(collection, index, document) : new Error('a collection has no _id index');
}

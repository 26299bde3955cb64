import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import type { Collection } from './collection.js';
import { createDuplicateKeyError } from './duplicate-key.js';
import type { CollectionIndex } from './indexes/collection-index.js';
import { documentBytesOf, ENTRY, encodeEntry } from './log-codec.js';

/** What a document may measure, as BSON. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Begins the lock name of a unique key; the key of an `_id` never begins so. */
const LOCKED_KEY_MARK = '\xff';

/**
 * How a command changes documents. Every method either makes its whole change or throws and has made none:
 * DuplicateKey, CannotIndexParallelArrays, BSONObjectTooLarge, WriteConflict, or a `LockedError` to wait for.
 */
export interface Writer {
  insert(collection: Collection, document: Document): void;
  replace(collection: Collection, before: Document, after: Document): void;
  remove(collection: Collection, before: Document): void;
}

/**
 * The log's entry for a document that is written.
 * @throws DatabaseError BSONObjectTooLarge
 */
export function encodePut(collection: Collection, document: Document): Buffer {
  const entry = encodeEntry(ENTRY.put, collection.id, document);
  const size = documentBytesOf(entry);
  if (size <= MAX_DOCUMENT_BYTES) return entry;
  return fail('BSONObjectTooLarge', `BSONObj size: ${size} is invalid. Size must be between 0 and 16777216 (16MB)`);
}

/** The log's entry for a document that goes. */
export const encodeRemove = (collection: Collection, document: Document | undefined): Buffer =>
  encodeEntry(ENTRY.remove, collection.id, { _id: document?.['_id'] });

/** Whether an index is to be asked for duplicates: that of `_id` is not, since documents are kept by that key. */
export const isUniqueSecondary = ({ definition }: CollectionIndex): boolean =>
  definition.isUnique && definition.name !== '_id_';

/** The name under which a transaction locks a key of a unique index. */
export const lockNameOf = (index: CollectionIndex, key: string): string => `${LOCKED_KEY_MARK}${index.name}\0${key}`;

/** The error for a document whose `_id` is taken. */
export function createDuplicateIdError(collection: Collection, document: Document): Error {
  const index = collection.indexes.get('_id_');
  return index ? createDuplicateKeyError(collection, index, document) : new Error('a collection has no _id index');
}

import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import type { Collection } from './collection.js';
import type { CollectionIndex } from './indexes/collection-index.js';
import { documentBytesOf, ENTRY, encodeEntry } from './log-codec.js';

/** The most bytes of a document as BSON. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** The prefix of lock names of unique keys. No key of an `_id` starts with it. */
const LOCKED_KEY_MARK = '\xff';

/**
 * Writes documents, either directly or in a transaction. A method that throws has changed nothing. It throws
 * DuplicateKey, CannotIndexParallelArrays, BSONObjectTooLarge, WriteConflict, or a `LockedError`, after which the caller
 * can wait and retry.
 */
export interface Writer {
  insert(collection: Collection, document: Document): void;
  replace(collection: Collection, before: Document, after: Document): void;
  remove(collection: Collection, before: Document): void;
}

/**
 * The log entry for a written document.
 * @throws DatabaseError BSONObjectTooLarge
 */
export function encodePut(collection: Collection, document: Document): Buffer {
  const entry = encodeEntry(ENTRY.put, collection.id, document);
  const size = documentBytesOf(entry);
  if (size <= MAX_DOCUMENT_BYTES) return entry;
  return fail('BSONObjectTooLarge', `BSONObj size: ${size} is invalid. Size must be between 0 and 16777216 (16MB)`);
}

/** The log entry for a deleted document. */
export const encodeRemove = (collection: Collection, document: Document | undefined): Buffer =>
  encodeEntry(ENTRY.remove, collection.id, { _id: document?.['_id'] });

/** Whether an index is checked for duplicates. The `_id_` index is not, because documents are stored by that key. */
export const isUniqueSecondary = ({ definition }: CollectionIndex): boolean =>
  definition.isUnique && definition.name !== '_id_';

/** The lock name of a key of a unique index. */
export const lockNameOf = (index: CollectionIndex, key: string): string => `${LOCKED_KEY_MARK}${index.name}\0${key}`;

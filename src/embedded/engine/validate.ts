import { describe } from '../bson/describe.js';
import { byteLengthOf } from '../bson/size.js';
import type { Collection } from './collection.js';
import type { CollectionIndex, StoredRecord } from './indexes/collection-index.js';

/** The most errors that are reported. */
const MAX_ERRORS = 20;

/**
 * Checks the keys and sizes of all documents, and the entries of all indexes.
 * @returns one message for each error
 */
export function validateCollection(collection: Collection): string[] {
  const errors: string[] = [];
  let dataBytes = 0;
  for (const record of collection.records.values()) {
    dataBytes += byteLengthOf(record.document);
    if (collection.keyOf(record.document['_id']) !== record.key)
      errors.push(`${nameOf(record)} is stored under another key`);
    if (errors.length >= MAX_ERRORS) return errors;
  }
  if (dataBytes !== collection.dataBytes) {
    errors.push(`the documents have ${dataBytes} bytes, but the collection counts ${collection.dataBytes}`);
  }
  for (const index of collection.indexes.values()) errors.push(...validateIndex(index, collection.records.values()));
  return errors.slice(0, MAX_ERRORS);
}

function validateIndex(index: CollectionIndex, records: Iterable<StoredRecord>): string[] {
  const errors: string[] = [];
  let entries = 0;
  for (const record of records) {
    for (const key of index.keysOf(record.document)) {
      entries += 1;
      if (!index.hasEntry(key, record)) errors.push(`${nameOf(record)} is missing in the index ${index.name}`);
    }
    if (errors.length >= MAX_ERRORS) return errors;
  }
  // All expected entries exist, so any other entry belongs to no document.
  if (errors.length === 0 && entries !== index.size) {
    errors.push(`the index ${index.name} has ${index.size} entries, but ${entries} belong to documents`);
  }
  return errors;
}

const nameOf = ({ document }: StoredRecord): string => `the document with _id ${describe(document['_id'])}`;

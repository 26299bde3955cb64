import { describe } from '../bson/describe.js';
import { byteLengthOf } from '../bson/size.js';
import type { Document } from '../bson/values.js';
import type { Collection } from './collection.js';
import type { CollectionIndex, StoredRecord } from './indexes/collection-index.js';

/** The most errors that are reported. */
const MAX_ERRORS = 20;
/** The time after which other commands run. */
const SLICE_MS = 5;

/** The numbers of documents, their bytes, and the entries of each index. */
export const describeCounts = ({ database, name, records, dataBytes, indexes }: Collection): Document => ({
  db: database,
  name,
  documents: records.size,
  bytes: dataBytes,
  indexes: Object.fromEntries([...indexes.values()].map((index) => [index.name, index.size])),
});

/**
 * Checks the keys and sizes of all documents, and the entries of all indexes. Other commands run meanwhile. Totals are
 * compared only if they changed nothing in the collection.
 * @returns one message for each error
 */
export async function validateCollection(collection: Collection): Promise<string[]> {
  const errors: string[] = [];
  const { changeCount } = collection;
  const indexes = new Map([...collection.indexes.values()].map((index): [CollectionIndex, number] => [index, 0]));
  let dataBytes = 0;
  let sliceStart = performance.now();
  for (const record of collection.records.values()) {
    errors.push(...validateRecord(collection, record));
    dataBytes += record.byteLength;
    for (const [index, entries] of indexes) indexes.set(index, entries + index.keysOf(record.document).length);
    if (errors.length >= MAX_ERRORS) return errors.slice(0, MAX_ERRORS);
    if (performance.now() - sliceStart < SLICE_MS) continue;
    await new Promise(setImmediate);
    sliceStart = performance.now();
  }
  if (collection.changeCount !== changeCount || collection.isDropped) return errors;
  if (dataBytes !== collection.dataBytes) {
    errors.push(`the documents have ${dataBytes} bytes, but the collection counts ${collection.dataBytes}`);
  }
  for (const [index, entries] of indexes) {
    // If all expected entries exist, any other entry belongs to no document.
    if (errors.length > 0 || entries === index.size || collection.indexes.get(index.name) !== index) continue;
    errors.push(`the index ${index.name} has ${index.size} entries, but ${entries} belong to documents`);
  }
  return errors.slice(0, MAX_ERRORS);
}

function* validateRecord(collection: Collection, record: StoredRecord): Iterable<string> {
  const { document, byteLength, key } = record;
  const name = `the document with _id ${describe(document['_id'])}`;
  if (collection.keyOf(document['_id']) !== key) yield `${name} is stored under another key`;
  const bytes = byteLengthOf(document);
  if (bytes !== byteLength) yield `${name} has ${bytes} bytes, but ${byteLength} are counted`;
  for (const index of collection.indexes.values()) {
    for (const entry of index.keysOf(document)) {
      if (!index.hasEntry(entry, record)) yield `${name} is missing in the index ${index.name}`;
    }
    const other = index.definition.isUnique ? index.conflictOf(document, (found) => found === record) : undefined;
    if (other) yield `${name} has the same key as ${describe(other.document['_id'])} in the unique index ${index.name}`;
  }
}

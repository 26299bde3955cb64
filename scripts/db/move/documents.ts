import { mongo } from 'mongoose';
import { encodeDocument } from '../../../src/embedded/bson/encode.js';
import type { Collection } from '../../../src/embedded/engine/collection.js';
import { toDocumentSequence } from '../../../src/library-internals/document-sequence.js';

const MAX_BATCH_DOCUMENTS = 1000;
const MAX_BATCH_BYTES = 12 * 1024 * 1024;
const MAX_ATTEMPTS = 5;
const RETRY_DELAY_MS = 1000;
const DUPLICATE_KEY = 11_000;

/** A collection in both databases. */
export interface CollectionPair {
  readonly source: Collection;
  readonly db: mongo.Db;
}

/**
 * Inserts documents with the bytes that the source has. A batch can be repeated.
 * @param onInserted receives the number of documents of each batch
 */
export async function insertAll(
  { source, db }: CollectionPair,
  keys: readonly string[],
  onInserted: (count: number) => void,
): Promise<void> {
  let batch: Uint8Array[] = [];
  let byteLength = 0;
  const send = async (): Promise<void> => {
    if (batch.length === 0) return;
    const documents = batch;
    batch = [];
    byteLength = 0;
    await repeatedly(() => insertBatch(db, source.name, documents));
    onInserted(documents.length);
  };
  for (const key of keys) {
    const record = source.records.get(key);
    if (record === undefined) continue;
    const bytes = encodeDocument(record.document);
    if (batch.length === MAX_BATCH_DOCUMENTS || byteLength + bytes.length > MAX_BATCH_BYTES) await send();
    batch.push(bytes);
    byteLength += bytes.length;
  }
  await send();
}

async function insertBatch(db: mongo.Db, collection: string, documents: readonly Uint8Array[]): Promise<void> {
  const reply = await db.command({
    insert: collection,
    ordered: true,
    writeConcern: { w: 'majority' },
    documents: toDocumentSequence('documents', documents),
  });
  const [error] = (reply['writeErrors'] ?? []) as mongo.WriteError[];
  if (error === undefined) return;
  // An earlier attempt, whose reply was lost, has inserted a part. Another unique key would fail again.
  if (error.code !== DUPLICATE_KEY || !isIdConflict(error)) throw new Error(`${collection}: ${error.errmsg}`);
  const rest = documents.slice(error.index + 1);
  if (rest.length > 0) await insertBatch(db, collection, rest);
}

const isIdConflict = (error: mongo.WriteError): boolean => {
  const { keyPattern } = error as { keyPattern?: object };
  return keyPattern === undefined ? /\b_id_\b/.test(error.errmsg ?? '') : Object.keys(keyPattern).join() === '_id';
};

/** Deletes documents by their ids. */
export async function deleteAll({ source, db }: CollectionPair, ids: readonly unknown[]): Promise<void> {
  const collection = db.collection(source.name);
  for (let start = 0; start < ids.length; start += MAX_BATCH_DOCUMENTS) {
    const batch = ids.slice(start, start + MAX_BATCH_DOCUMENTS) as never[];
    await repeatedly(() => collection.deleteMany({ _id: { $in: batch } }));
  }
}

/** Repeats an operation that failed because the server was lost for a moment. */
async function repeatedly<T>(operate: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await operate();
    } catch (error) {
      const isTransient =
        error instanceof mongo.MongoNetworkError ||
        (error instanceof mongo.MongoError && error.hasErrorLabel('RetryableWriteError'));
      if (!isTransient || attempt === MAX_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
    }
  }
}

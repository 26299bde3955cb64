import type { mongo } from 'mongoose';
import { decodeDocument } from '../../../src/embedded/bson/decode.js';
import { encodeDocument } from '../../../src/embedded/bson/encode.js';
import type { Collection } from '../../../src/embedded/engine/collection.js';
import { hasExpired } from '../../../src/embedded/engine/expiry.js';

/** How a collection of the target differs from that of the source. */
export interface Difference {
  /** Keys of documents that the target lacks. */
  readonly missing: readonly string[];
  /** Keys of documents with other bytes. */
  readonly changed: readonly string[];
  /** Ids of documents that the source lacks, and of those with other bytes. */
  readonly surplus: readonly unknown[];
  readonly changedIds: readonly unknown[];
  /** The documents in the target. */
  readonly count: number;
}

/**
 * Compares all documents of a collection, byte for byte, in the order in which the target returns them. Documents that a
 * TTL index of the target may have deleted are not missing.
 * @param onRead is called after each document
 */
export async function compareDocuments(
  source: Collection,
  target: mongo.Collection,
  { hasExpiry, onRead }: { hasExpiry: boolean; onRead: () => void },
): Promise<Difference> {
  const seen = new Set<string>();
  const changed: string[] = [];
  const changedIds: unknown[] = [];
  const surplus: unknown[] = [];
  let count = 0;
  for await (const read of target.find({}, { raw: true })) {
    const bytes = read as unknown as Uint8Array;
    const { _id } = decodeDocument(bytes);
    const key = source.keyOf(_id);
    const record = source.records.get(key);
    count += 1;
    onRead();
    if (record === undefined) surplus.push(_id);
    else if (Buffer.compare(bytes, encodeDocument(record.document)) !== 0) {
      changed.push(key);
      changedIds.push(_id);
    }
    seen.add(key);
  }
  const missing = [...source.records.values()].filter(
    ({ key, document }) => !seen.has(key) && !(hasExpiry && hasExpired(source, document, Date.now())),
  );
  return { missing: missing.map(({ key }) => key), changed, changedIds, surplus, count };
}

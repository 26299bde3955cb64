import { indexValuesAt } from '../bson/index-keys.js';
import type { Document } from '../bson/values.js';
import type { Collection } from './collection.js';
import type { Database } from './database.js';
import { DirectWriter } from './direct-writer.js';
import type { CollectionIndex } from './indexes/collection-index.js';
import { LockedError } from './lock.js';
import { boundsOf } from './planner/bounds.js';
import { endOf, startOf } from './planner/intervals.js';

/** The most expired documents in one frame. The rest follows in the next turn of the event loop. */
const BATCH = 1000;

/**
 * Deletes expired documents by the TTL indexes.
 * @param now - milliseconds since the epoch
 * @returns the number of deleted documents
 */
export async function deleteExpired(database: Database, now: number): Promise<number> {
  let deleted = 0;
  for (const name of database.databaseNames()) {
    for (const collection of database.collectionsOf(name)) {
      for (const index of collection.indexes.values()) {
        if (index.definition.expireAfterSeconds !== undefined)
          deleted += await expire(database, { collection, index, now });
      }
    }
  }
  return deleted;
}

/** Whether a TTL index of the collection lets this document expire. */
export const hasExpired = (collection: Collection, document: Document, now: number): boolean =>
  [...collection.indexes.values()].some((index) => {
    const { expireAfterSeconds, fields } = index.definition;
    if (expireAfterSeconds === undefined || index.keysOf(document).length === 0) return false;
    return isExpired(document, fields[0]?.path ?? '', new Date(now - expireAfterSeconds * 1000));
  });

interface Expiry {
  readonly collection: Collection;
  readonly index: CollectionIndex;
  readonly now: number;
}

async function expire(database: Database, { collection, index, now }: Expiry): Promise<number> {
  const path = index.definition.fields[0]?.path ?? '';
  const limit = new Date(now - (index.definition.expireAfterSeconds ?? 0) * 1000);
  const options = { collation: index.definition.collation, isSameCollation: true };
  const [interval] = boundsOf({ path, op: '$lte', value: limit }, options) ?? [];
  if (!interval) return 0;
  const range = { low: startOf(interval), high: endOf(interval) };
  let deleted = 0;
  for (;;) {
    const expired: Document[] = [];
    index.scan(range, false, ({ document, key }) => {
      // Documents locked by a transaction are left to the next run.
      if (!collection.locks.has(key) && isExpired(document, path, limit)) expired.push(document);
      return expired.length < BATCH;
    });
    if (expired.length === 0) return deleted;
    deleted += removeAll(database, collection, expired);
    await (database.log.written() ?? new Promise(setImmediate));
  }
}

/** In an array of dates the earliest counts. */
const isExpired = (document: Document, path: string, limit: Date): boolean =>
  indexValuesAt(document, path).some((value) => value instanceof Date && value <= limit);

function removeAll(database: Database, collection: Collection, documents: readonly Document[]): number {
  const writer = new DirectWriter(database);
  let removed = 0;
  try {
    for (const document of new Set(documents)) {
      writer.remove(collection, document);
      removed += 1;
    }
  } catch (error) {
    if (!(error instanceof LockedError)) throw error;
  } finally {
    writer.commit();
  }
  return removed;
}

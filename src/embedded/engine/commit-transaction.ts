import type { Document } from '../bson/values.js';
import type { Collection } from './collection.js';
import type { Database } from './database.js';
import { DirectWriter } from './direct-writer.js';
import { abortTransactionOf, type Session } from './sessions.js';
import { createWriteConflict, type Transaction } from './transaction.js';

/**
 * Commits the open transaction of a session as one frame of the log. If it fails, the transaction is aborted.
 * @throws DatabaseError WriteConflict, or the error of a log that refuses writes
 */
export function commitTransaction(database: Database, session: Session, transaction: Transaction): void {
  const writer = new DirectWriter(database);
  try {
    ensureCollectionsExist(transaction);
    database.log.ensureWritable();
    ensureStillIndexable(transaction);
    session.transactionState = 'committed';
    writer.adopt(transaction);
  } catch (error) {
    session.transactionState = 'open';
    abortTransactionOf(session);
    throw error;
  }
  writer.commit(session);
  for (const collection of transaction.created.splice(0)) collection.createdBy = undefined;
  transaction.end();
  session.transaction = undefined;
}

function ensureCollectionsExist(transaction: Transaction): void {
  for (const { collection } of transaction.changes()) {
    if (collection.isDropped) throw createWriteConflict('a collection that it has written to was dropped');
  }
}

/** Checks the writes against all indexes of collections that got an index while the transaction was open. */
function ensureStillIndexable(transaction: Transaction): void {
  for (const { collection, changes } of transaction.newlyIndexed()) {
    for (const { after } of changes) if (after) ensureIndexable(transaction, collection, after);
  }
}

function ensureIndexable(transaction: Transaction, collection: Collection, document: Document): void {
  for (const index of collection.indexes.values()) {
    index.ensureIndexable(document);
    if (!index.definition.isUnique) continue;
    const conflict = index.conflictOf(document, ({ key }) => transaction.writeOf(collection, key) !== undefined);
    if (conflict) throw createWriteConflict('its writes violate a unique index that was created meanwhile');
  }
}

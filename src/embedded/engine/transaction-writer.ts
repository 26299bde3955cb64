import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import type { Change, Collection } from './collection.js';
import { createDuplicateIdError, createDuplicateKeyError } from './duplicate-key.js';
import type { CollectionIndex } from './indexes/collection-index.js';
import { documentBytesOf } from './log-codec.js';
import { createWriteConflict, MAX_TRANSACTION_BYTES, type Transaction } from './transaction.js';
import { encodePut, isUniqueSecondary, lockNameOf, type Writer } from './writer.js';

/** The commit appends the entry to the log. */
const toStored = (entry: Buffer) => ({ entry, byteLength: documentBytesOf(entry) });

/** Stages writes in a transaction until it commits, and locks what they touch. */
export class TransactionWriter implements Writer {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  insert(collection: Collection, document: Document): void {
    const key = collection.keyOf(document['_id']);
    const entry = encodePut(collection, document);
    if (this.#transaction.documentOf(collection, key)) throw createDuplicateIdError(collection, document);
    this.#stage(collection, { key, before: undefined, after: document, ...toStored(entry) });
  }

  replace(collection: Collection, before: Document, after: Document): void {
    const entry = encodePut(collection, after);
    this.#stage(collection, { key: collection.keyOf(before['_id']), before, after, ...toStored(entry) });
  }

  remove(collection: Collection, before: Document): void {
    this.#stage(collection, { key: collection.keyOf(before['_id']), before, after: undefined, byteLength: 0 });
  }

  #stage(collection: Collection, change: Change): void {
    const transaction = this.#transaction;
    if (collection.isCapped) {
      fail(
        'OperationNotSupportedInTransaction',
        `Collection '${collection.namespace}' is a capped collection. Writes in transactions are not allowed on capped collections.`,
      );
    }
    if (transaction.isChangedSince(collection, change.key) && !transaction.writeOf(collection, change.key)) {
      throw createWriteConflict('the document was changed after the transaction began');
    }
    transaction.lock(collection, change.key);
    for (const index of collection.indexes.values()) {
      if (change.after) index.ensureIndexable(change.after);
      if (isUniqueSecondary(index)) this.#claimKeys(collection, index, change);
    }
    transaction.stage(collection, change);
    if (transaction.byteLength > MAX_TRANSACTION_BYTES) {
      fail('TransactionTooLarge', `A transaction may write at most ${MAX_TRANSACTION_BYTES} bytes`);
    }
  }

  /** Locks the unique keys that a change releases and claims, so that no other write takes them before the commit. */
  #claimKeys(collection: Collection, index: CollectionIndex, { key, before, after }: Change): void {
    const transaction = this.#transaction;
    if (before && after && index.isUntouched(before, after)) return;
    for (const entry of before ? index.keysOf(before) : []) transaction.lock(collection, lockNameOf(index, entry));
    if (!after) return;
    const taken = index.keysOf(after);
    let isTouched = false;
    for (const entry of taken) {
      const name = lockNameOf(index, entry);
      isTouched ||= collection.locks.get(name) === transaction;
      transaction.lock(collection, name);
    }
    const isOwn = (otherKey: string): boolean =>
      otherKey === key || transaction.writeOf(collection, otherKey) !== undefined;
    const conflict = index.conflictOf(after, (record) => isOwn(record.key));
    if (conflict && transaction.isChangedSince(collection, conflict.key)) {
      throw createWriteConflict('a unique key was taken after the transaction began');
    }
    if (conflict || (isTouched && this.#isTakenByOwnWrite(collection, { index, key, taken }))) {
      throw createDuplicateKeyError(collection, index, { document: after, other: conflict?.document });
    }
    for (const [otherKey, document] of transaction.snapshotOf(collection)) {
      if (!document || isOwn(otherKey)) continue;
      if (index.keysOf(document).some((entry) => taken.includes(entry))) {
        throw createWriteConflict('a unique key was released after the transaction began');
      }
    }
  }

  #isTakenByOwnWrite(
    collection: Collection,
    { index, key, taken }: { index: CollectionIndex; key: string; taken: readonly string[] },
  ): boolean {
    for (const [otherKey, { after }] of this.#transaction.writesOf(collection)) {
      if (otherKey === key || !after) continue;
      if (index.keysOf(after).some((entry) => taken.includes(entry))) return true;
    }
    return false;
  }
}

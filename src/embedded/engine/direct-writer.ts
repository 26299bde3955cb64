import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import type { Change, Collection } from './collection.js';
import type { Database } from './database.js';
import { createDuplicateIdError, createDuplicateKeyError } from './duplicate-key.js';
import { LockedError } from './lock.js';
import { documentBytesOf, ENTRY, encodeEntry } from './log-codec.js';
import { describeSession, type Session } from './sessions.js';
import type { Transaction } from './transaction.js';
import { encodePut, encodeRemove, isUniqueSecondary, lockNameOf, type Writer } from './writer.js';

/**
 * Writes immediately, outside transactions. All writes until {@link commit} form one frame of the log, so after a crash
 * either all of them are present or none.
 */
export class DirectWriter implements Writer {
  readonly #database: Database;
  #payload: Buffer[] = [];
  #done: AppliedChange[] = [];
  #hasAdvancedTime = false;

  constructor(database: Database) {
    this.#database = database;
  }

  insert(collection: Collection, document: Document): void {
    const key = collection.keyOf(document['_id']);
    this.#ensureUnlocked(collection, key);
    const entry = encodePut(collection, document);
    if (collection.records.has(key)) throw createDuplicateIdError(collection, document);
    this.#ensureIndexable(collection, key, document);
    this.#put(collection, { key, before: undefined, after: document, byteLength: documentBytesOf(entry) }, entry);
    if (collection.isCapped) this.#evict(collection);
  }

  replace(collection: Collection, before: Document, after: Document): void {
    const key = collection.keyOf(before['_id']);
    this.#ensureUnlocked(collection, key);
    const entry = encodePut(collection, after);
    this.#ensureIndexable(collection, key, after, before);
    this.#put(collection, { key, before, after, byteLength: documentBytesOf(entry) }, entry);
  }

  remove(collection: Collection, before: Document): void {
    const key = collection.keyOf(before['_id']);
    this.#ensureUnlocked(collection, key);
    this.#put(collection, { key, before, after: undefined, byteLength: 0 }, encodeRemove(collection, before));
  }

  /** Applies the writes of a transaction, which has checked and locked them. */
  adopt(transaction: Transaction): void {
    for (const { collection, change } of transaction.changes()) {
      const { after, before, entry } = change;
      this.#put(collection, change, entry ?? (after ? encodePut(collection, after) : encodeRemove(collection, before)));
    }
  }

  /**
   * Appends the writes to the log.
   * @param session - records its commit, or the results of its retryable write, in the same frame
   */
  commit(session?: Session, statements: readonly (readonly [number, Document])[] = []): void {
    if (session) {
      this.#payload.push(encodeEntry(ENTRY.session, 0, describeSession(session, statements)));
      for (const [statement, result] of statements) session.statements.set(statement, result);
    }
    if (this.#payload.length === 0) return;
    const done = this.#done;
    const database = this.#database;
    const forget = database.changes.record(database.clusterTime.next(), done);
    database.appendFrame(this.#payload, () => {
      forget();
      database.transactions.advanceTime();
      for (const change of done.reverse()) undoChange(database, change);
      for (const [statement] of statements) session?.statements.delete(statement);
      if (session?.transactionState === 'committed') session.transactionState = 'aborted';
    });
    this.#payload = [];
    this.#done = [];
    this.#hasAdvancedTime = false;
  }

  /** Reverts the writes since the last {@link commit}. */
  rollback(): void {
    for (const change of this.#done.reverse()) undoChange(this.#database, change);
    this.#payload = [];
    this.#done = [];
    this.#hasAdvancedTime = false;
  }

  #put(collection: Collection, change: Change, entry: Buffer): void {
    if (this.#payload.length === 0) this.#database.log.ensureWritable();
    if (collection.isDropped) fail('NamespaceNotFound', `ns was dropped while a write waited: ${collection.namespace}`);
    if (!this.#hasAdvancedTime) this.#database.transactions.advanceTime();
    this.#hasAdvancedTime = true;
    this.#database.transactions.recordHistory(collection, change.key, change.before);
    const previousBytes = collection.apply(change);
    this.#payload.push(entry);
    this.#done.push({ collection, change, previousBytes });
  }

  /** Deletes the oldest documents of a capped collection until it is within its limits. */
  #evict(collection: Collection): void {
    const { maxDocuments, maxBytes, records } = collection;
    for (const { document } of records.values()) {
      if (records.size <= maxDocuments && collection.dataBytes <= maxBytes) return;
      this.remove(collection, document);
    }
  }

  #ensureUnlocked(collection: Collection, name: string): void {
    if (collection.locks.size === 0) return;
    const owner = collection.locks.get(name);
    if (owner) throw new LockedError(owner);
  }

  /** Checks the indexes before the change is applied, because applying it must not fail. */
  #ensureIndexable(collection: Collection, key: string, after: Document, before?: Document): void {
    for (const index of collection.indexes.values()) {
      if (before && index.isUntouched(before, after)) continue;
      index.ensureIndexable(after);
      if (!isUniqueSecondary(index)) continue;
      if (collection.locks.size > 0) {
        for (const entry of index.keysOf(after)) this.#ensureUnlocked(collection, lockNameOf(index, entry));
      }
      const conflict = index.conflictOf(after, (record) => record.key === key);
      if (conflict) throw createDuplicateKeyError(collection, index, { document: after, other: conflict.document });
    }
  }
}

/** An applied change, with what reverting it needs. */
interface AppliedChange {
  readonly collection: Collection;
  readonly change: Change;
  readonly previousBytes: number;
}

function undoChange(database: Database, { collection, change, previousBytes }: AppliedChange): void {
  const { key, before, after } = change;
  database.transactions.recordHistory(collection, key, after);
  collection.apply({ key, before: after, after: before, byteLength: previousBytes });
}

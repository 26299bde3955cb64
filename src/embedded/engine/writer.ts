import { encodeDocument } from '../bson/codec.js';
import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import type { Change, Collection } from './collection.js';
import type { CollectionIndex } from './collection-index.js';
import type { Database } from './database.js';
import { describeDuplicate } from './duplicate-key.js';
import { ENTRY, encodeEntry, encodeEntryOf } from './log-codec.js';
import { describeSession, type Session } from './sessions.js';
import { createWriteConflict, LockedError, MAX_TRANSACTION_BYTES, type Transaction } from './transaction.js';

/** What a document may measure, as BSON. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Begins the lock name of a unique key; the key of an `_id` never begins so. */
const LOCKED_KEY_MARK = '\uffff';

/**
 * How a command changes documents. Every method either makes its whole change or throws and has made none:
 * DuplicateKey, BSONObjectTooLarge, WriteConflict, or a {@link LockedError} to wait for.
 */
export interface Writer {
  insert(collection: Collection, document: Document): void;
  replace(collection: Collection, before: Document, after: Document): void;
  remove(collection: Collection, before: Document): void;
}

const encodeChecked = (document: Document): Uint8Array => {
  let bytes: Uint8Array;
  try {
    bytes = encodeDocument(document);
  } catch (error) {
    // What serialising says of a document that outgrows its buffer.
    if (error instanceof RangeError) return failOnSize('more than 17000000');
    throw error;
  }
  return bytes.length > MAX_DOCUMENT_BYTES ? failOnSize(String(bytes.length)) : bytes;
};

const failOnSize = (size: string): never =>
  fail('BSONObjectTooLarge', `BSONObj size: ${size} is invalid. Size must be between 0 and 16777216 (16MB)`);

const lockNameOf = (index: CollectionIndex, key: string): string => `${LOCKED_KEY_MARK}${index.name}\0${key}`;

function* uniqueIndexes(collection: Collection): Iterable<CollectionIndex> {
  for (const index of collection.indexes.values()) if (index.definition.isUnique) yield index;
}

/**
 * Writes at once. All that happens until {@link commit} becomes one frame of the log: after a crash either all of it is
 * there or nothing.
 */
export class DirectWriter implements Writer {
  readonly #database: Database;
  #payload: Uint8Array[] = [];
  #undo: { collection: Collection; change: Change }[] = [];
  #hasStamp = false;

  constructor(database: Database) {
    this.#database = database;
  }

  insert(collection: Collection, document: Document): void {
    const key = collection.keyOf(document['_id']);
    this.#ensureUnlocked(collection, key);
    const bytes = encodeChecked(document);
    if (collection.records.has(key)) throw describeDuplicateId(collection, document);
    this.#ensureUnique(collection, key, document);
    this.#put(collection, { key, before: undefined, after: document, byteLength: bytes.length }, bytes);
    if (collection.isCapped) this.#evict(collection);
  }

  replace(collection: Collection, before: Document, after: Document): void {
    const key = collection.keyOf(before['_id']);
    this.#ensureUnlocked(collection, key);
    const bytes = encodeChecked(after);
    this.#ensureUnique(collection, key, after, before);
    this.#put(collection, { key, before, after, byteLength: bytes.length }, bytes);
  }

  remove(collection: Collection, before: Document): void {
    const key = collection.keyOf(before['_id']);
    this.#ensureUnlocked(collection, key);
    this.#put(collection, { key, before, after: undefined, byteLength: 0 }, encodeDocument({ _id: before['_id'] }));
  }

  /** Makes the writes of a transaction, which has checked and locked them. */
  adopt(transaction: Transaction): void {
    for (const { collection, change } of transaction.changes()) {
      const { after, before } = change;
      this.#put(collection, change, encodeDocument(after ?? { _id: before?.['_id'] }));
    }
  }

  get isEmpty(): boolean {
    return this.#payload.length === 0;
  }

  /**
   * Hands the writes to the log.
   * @param session - remembers, in the same frame, the given statements of its retryable write, or its commit
   */
  commit(session?: Session, statements: readonly (readonly [number, Document])[] = []): void {
    if (session) {
      const entry = describeSession(session, statements);
      this.#payload.push(...encodeEntryOf(ENTRY.session, 0, entry));
      for (const [statement, result] of statements) session.statements.set(statement, result);
    }
    if (this.#payload.length === 0) return;
    const changes = this.#undo;
    const database = this.#database;
    database.appendFrame(this.#payload, () => {
      database.nextStamp();
      for (const { collection, change } of changes.reverse()) takeBack(database, collection, change);
      for (const [statement] of statements) session?.statements.delete(statement);
      if (session?.transactionState === 'committed') session.transactionState = 'aborted';
    });
    this.#payload = [];
    this.#undo = [];
    this.#hasStamp = false;
  }

  #put(collection: Collection, change: Change, bytes: Uint8Array): void {
    if (this.#payload.length === 0) this.#database.log.ensureWritable();
    if (!this.#hasStamp) this.#database.nextStamp();
    this.#hasStamp = true;
    const previousLength = collection.records.get(change.key)?.byteLength ?? 0;
    this.#database.remember(collection, change.key, change.before);
    collection.apply(change);
    this.#payload.push(...encodeEntry(change.after ? ENTRY.put : ENTRY.remove, collection.id, bytes));
    const undone = { key: change.key, before: change.after, after: change.before, byteLength: previousLength };
    this.#undo.push({ collection, change: undone });
  }

  /** Deletes the oldest documents of a capped collection until it is within its bounds. */
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

  #ensureUnique(collection: Collection, key: string, after: Document, before?: Document): void {
    for (const index of uniqueIndexes(collection)) {
      if (index.name === '_id_' || (before && index.isUntouched(before, after))) continue;
      if (collection.locks.size > 0) {
        for (const entry of index.keysOf(after)) this.#ensureUnlocked(collection, lockNameOf(index, entry));
      }
      const conflict = index.conflictOf(after, (record) => record.key === key);
      if (conflict) throw describeDuplicate(collection, index, after);
    }
  }
}

const describeDuplicateId = (collection: Collection, document: Document): Error => {
  const index = collection.indexes.get('_id_');
  return index ? describeDuplicate(collection, index, document) : new Error('a collection has no _id index');
};

const takeBack = (database: Database, collection: Collection, change: Change): void => {
  database.remember(collection, change.key, change.before);
  collection.apply(change);
};

/** Keeps writes in a transaction until it commits; what it touches is locked from then on. */
export class TransactionWriter implements Writer {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  insert(collection: Collection, document: Document): void {
    const key = collection.keyOf(document['_id']);
    const { length } = encodeChecked(document);
    if (this.#transaction.documentOf(collection, key)) throw describeDuplicateId(collection, document);
    this.#stage(collection, { key, before: undefined, after: document, byteLength: length });
  }

  replace(collection: Collection, before: Document, after: Document): void {
    const { length } = encodeChecked(after);
    this.#stage(collection, { key: collection.keyOf(before['_id']), before, after, byteLength: length });
  }

  remove(collection: Collection, before: Document): void {
    this.#stage(collection, { key: collection.keyOf(before['_id']), before, after: undefined, byteLength: 0 });
  }

  #stage(collection: Collection, change: Change): void {
    const transaction = this.#transaction;
    if (transaction.isOvertaken(collection, change.key) && !transaction.writeOf(collection, change.key)) {
      throw createWriteConflict('the document was changed after the transaction began');
    }
    transaction.lock(collection, change.key);
    for (const index of uniqueIndexes(collection)) {
      if (index.name !== '_id_') this.#claimKeys(collection, index, change);
    }
    transaction.stage(collection, change);
    if (transaction.byteLength > MAX_TRANSACTION_BYTES) {
      fail('TransactionTooLarge', `A transaction may write at most ${MAX_TRANSACTION_BYTES} bytes`);
    }
  }

  /** Locks the unique keys a change gives up and takes, so that nobody else can take them before it commits. */
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
    if (conflict && transaction.isOvertaken(collection, conflict.key)) {
      throw createWriteConflict('a unique key was taken after the transaction began');
    }
    if (conflict || (isTouched && this.#isTakenByOwn(collection, { index, key, taken }))) {
      throw describeDuplicate(collection, index, after);
    }
    for (const [otherKey, document] of transaction.snapshotOf(collection)) {
      if (!document || isOwn(otherKey)) continue;
      if (index.keysOf(document).some((entry) => taken.includes(entry))) {
        throw createWriteConflict('a unique key was given up after the transaction began');
      }
    }
  }

  #isTakenByOwn(
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

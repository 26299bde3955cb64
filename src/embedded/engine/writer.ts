import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import type { Change, Collection } from './collection.js';
import type { CollectionIndex } from './collection-index.js';
import type { Database } from './database.js';
import { describeDuplicate } from './duplicate-key.js';
import { documentBytesOf, ENTRY, encodeEntry } from './log-codec.js';
import { describeSession, type Session } from './sessions.js';
import { createWriteConflict, LockedError, MAX_TRANSACTION_BYTES, type Transaction } from './transaction.js';

/** What a document may measure, as BSON. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Begins the lock name of a unique key; the key of an `_id` never begins so. */
const LOCKED_KEY_MARK = '\uffff';

/**
 * How a command changes documents. Every method either makes its whole change or throws and has made none:
 * DuplicateKey, CannotIndexParallelArrays, BSONObjectTooLarge, WriteConflict, or a {@link LockedError} to wait for.
 */
export interface Writer {
  insert(collection: Collection, document: Document): void;
  replace(collection: Collection, before: Document, after: Document): void;
  remove(collection: Collection, before: Document): void;
}

const encodePut = (collection: Collection, document: Document): Buffer => {
  const entry = encodeEntry(ENTRY.put, collection.id, document);
  const size = documentBytesOf(entry);
  if (size <= MAX_DOCUMENT_BYTES) return entry;
  return fail('BSONObjectTooLarge', `BSONObj size: ${size} is invalid. Size must be between 0 and 16777216 (16MB)`);
};

const encodeRemove = (collection: Collection, document: Document | undefined): Buffer =>
  encodeEntry(ENTRY.remove, collection.id, { _id: document?.['_id'] });

/** The index of `_id` needs no check of its own: documents are kept by that key. */
const isUniqueSecondary = ({ definition }: CollectionIndex): boolean =>
  definition.isUnique && definition.name !== '_id_';

const lockNameOf = (index: CollectionIndex, key: string): string => `${LOCKED_KEY_MARK}${index.name}\0${key}`;

/**
 * Writes at once. All that happens until {@link commit} becomes one frame of the log: after a crash either all of it is
 * there or nothing.
 */
export class DirectWriter implements Writer {
  readonly #database: Database;
  #payload: Buffer[] = [];
  #done: Done[] = [];
  #hasStamp = false;

  constructor(database: Database) {
    this.#database = database;
  }

  insert(collection: Collection, document: Document): void {
    const key = collection.keyOf(document['_id']);
    this.#ensureUnlocked(collection, key);
    const entry = encodePut(collection, document);
    if (collection.records.has(key)) throw describeDuplicateId(collection, document);
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

  /** Makes the writes of a transaction, which has checked and locked them. */
  adopt(transaction: Transaction): void {
    for (const { collection, change } of transaction.changes()) {
      const { after, before } = change;
      this.#put(collection, change, after ? encodePut(collection, after) : encodeRemove(collection, before));
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
      this.#payload.push(encodeEntry(ENTRY.session, 0, describeSession(session, statements)));
      for (const [statement, result] of statements) session.statements.set(statement, result);
    }
    if (this.#payload.length === 0) return;
    const done = this.#done;
    const database = this.#database;
    database.appendFrame(this.#payload, () => {
      database.nextStamp();
      for (const change of done.reverse()) takeBack(database, change);
      for (const [statement] of statements) session?.statements.delete(statement);
      if (session?.transactionState === 'committed') session.transactionState = 'aborted';
    });
    this.#payload = [];
    this.#done = [];
    this.#hasStamp = false;
  }

  /** Takes back what was written since the last {@link commit}. */
  rollback(): void {
    for (const change of this.#done.reverse()) takeBack(this.#database, change);
    this.#payload = [];
    this.#done = [];
  }

  #put(collection: Collection, change: Change, entry: Buffer): void {
    if (this.#payload.length === 0) this.#database.log.ensureWritable();
    if (collection.isDropped) fail('NamespaceNotFound', `ns was dropped while a write waited: ${collection.namespace}`);
    if (!this.#hasStamp) this.#database.nextStamp();
    this.#hasStamp = true;
    this.#database.remember(collection, change.key, change.before);
    const previousBytes = collection.apply(change);
    this.#payload.push(entry);
    this.#done.push({ collection, change, previousBytes });
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

  /** Nothing may fail once the change has begun. */
  #ensureIndexable(collection: Collection, key: string, after: Document, before?: Document): void {
    for (const index of collection.indexes.values()) {
      if (before && index.isUntouched(before, after)) continue;
      index.ensureIndexable(after);
      if (!isUniqueSecondary(index)) continue;
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

/** A change that was made, with all that taking it back needs. */
interface Done {
  readonly collection: Collection;
  readonly change: Change;
  readonly previousBytes: number;
}

const takeBack = (database: Database, { collection, change, previousBytes }: Done): void => {
  const { key, before, after } = change;
  database.remember(collection, key, after);
  collection.apply({ key, before: after, after: before, byteLength: previousBytes });
};

/** Keeps writes in a transaction until it commits; what it touches is locked from then on. */
export class TransactionWriter implements Writer {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  insert(collection: Collection, document: Document): void {
    const key = collection.keyOf(document['_id']);
    const length = documentBytesOf(encodePut(collection, document));
    if (this.#transaction.documentOf(collection, key)) throw describeDuplicateId(collection, document);
    this.#stage(collection, { key, before: undefined, after: document, byteLength: length });
  }

  replace(collection: Collection, before: Document, after: Document): void {
    const length = documentBytesOf(encodePut(collection, after));
    this.#stage(collection, { key: collection.keyOf(before['_id']), before, after, byteLength: length });
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
    if (transaction.isOvertaken(collection, change.key) && !transaction.writeOf(collection, change.key)) {
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

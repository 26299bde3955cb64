import type { Document } from '../bson/values.js';
import { DatabaseError } from '../errors.js';
import { type LogOptions, LogStore } from '../store/log-store.js';
import { Catalog, describeCollection, ensureNamespace } from './catalog.js';
import { ChangeLog } from './change-log.js';
import { ClusterTime } from './cluster-time.js';
import { Collection } from './collection.js';
import { createDuplicateKeyError } from './duplicate-key.js';
import type { CollectionIndex } from './indexes/collection-index.js';
import { toIndexDefinition } from './indexes/index-definition.js';
import { decodeEntries, ENTRY, type Entry, encodeEntry } from './log-codec.js';
import { LogRewriter } from './log-rewriter.js';
import { SessionStore } from './sessions.js';
import type { Transaction } from './transaction.js';
import { TransactionStore } from './transaction-store.js';

/** The names of a database and a collection. */
export interface Namespace {
  readonly database: string;
  readonly name: string;
}

/** All collections in memory, and the log that makes them durable. */
export class Database {
  readonly sessions = new SessionStore();
  readonly transactions: TransactionStore;
  readonly log: LogStore;
  readonly clusterTime = new ClusterTime();
  /** What was changed since the start, as far as it is kept. */
  readonly changes = new ChangeLog();
  readonly #catalog = new Catalog();
  readonly #rewriter: LogRewriter;

  constructor(options: LogOptions) {
    this.transactions = new TransactionStore(this.#catalog);
    this.log = LogStore.open(options, (payload) => {
      for (const entry of decodeEntries(payload)) this.#replay(entry);
    });
    // A new database has none.
    if (this.#catalog.databaseNames().length > 0) this.changes.forget(this.clusterTime.now());
    // Streams can start now.
    this.clusterTime.next();
    this.#rewriter = new LogRewriter({ log: this.log, catalog: this.#catalog, sessions: this.sessions });
    for (const collection of this.#catalog.all()) {
      for (const index of collection.indexes.values()) index.build(collection.records.values());
    }
  }

  databaseNames(): string[] {
    return this.#catalog.databaseNames();
  }

  collectionsOf(database: string): Collection[] {
    return this.#catalog.collectionsOf(database);
  }

  collection(database: string, name: string): Collection | undefined {
    return this.#catalog.get(database, name);
  }

  /** The collection, created if it does not exist. */
  openCollection(namespace: Namespace, transaction?: Transaction): Collection {
    return this.collection(namespace.database, namespace.name) ?? this.createCollection(namespace, {}, transaction);
  }

  /**
   * Creates a collection.
   * @param transaction - the transaction that creates it; aborting it removes the empty collection
   * @throws DatabaseError InvalidNamespace or DatabaseDifferCase
   */
  createCollection({ database, name }: Namespace, options: Document, transaction?: Transaction): Collection {
    this.log.ensureWritable();
    ensureNamespace(database, name);
    this.#catalog.ensureNoCaseConflict(database);
    const collection = new Collection({ id: this.#catalog.nextId(), database, name, options });
    this.#catalog.attach(collection);
    this.#appendDescription(collection, () => this.#catalog.detach(collection));
    collection.createdBy = transaction;
    transaction?.created.push(collection);
    return collection;
  }

  dropCollection(collection: Collection): void {
    this.log.ensureWritable();
    this.#catalog.detach(collection);
    this.appendFrame([encodeEntry(ENTRY.drop, collection.id, {})], () => this.#catalog.attach(collection));
  }

  renameCollection(collection: Collection, { database, name }: Namespace): void {
    this.log.ensureWritable();
    ensureNamespace(database, name);
    const previous = { database: collection.database, name: collection.name };
    this.#catalog.rename(collection, { database, name });
    this.#appendDescription(collection, () => this.#catalog.rename(collection, previous));
  }

  /** Creates and builds an index. @throws DatabaseError DuplicateKey when existing documents violate a unique index */
  createIndex(collection: Collection, spec: Document): CollectionIndex {
    this.log.ensureWritable();
    const definition = toIndexDefinition(spec, collection.collation);
    const index = collection.addIndex(definition);
    try {
      const duplicate = index.build(collection.records.values());
      if (duplicate) {
        const [{ document }, { document: other }] = duplicate;
        throw createDuplicateKeyError(collection, index, { document, other });
      }
    } catch (error) {
      collection.indexes.delete(definition.name);
      throw error;
    }
    this.#appendDescription(collection, () => collection.indexes.delete(definition.name));
    return index;
  }

  dropIndex(collection: Collection, index: CollectionIndex): void {
    this.log.ensureWritable();
    collection.indexes.delete(index.name);
    this.#appendDescription(collection, () => {
      index.build(collection.records.values());
      collection.indexes.set(index.name, index);
    });
  }

  /** Replaces an index by one with the same entries and another spec (`expireAfterSeconds`, `hidden`). */
  replaceIndexSpec(collection: Collection, index: CollectionIndex, spec: Document): void {
    this.log.ensureWritable();
    const changed = collection.addIndex(toIndexDefinition(spec, index.definition.collation));
    changed.build(collection.records.values());
    this.#appendDescription(collection, () => {
      index.build(collection.records.values());
      collection.indexes.set(index.name, index);
    });
  }

  /** Starts a transaction. The collections that it created are removed when it aborts. */
  startTransaction(): Transaction {
    const transaction = this.transactions.start();
    void transaction.ended.then(() => {
      for (const collection of transaction.created) this.#dropUnused(collection);
    });
    return transaction;
  }

  /**
   * Appends a change that was made in memory to the log, as one frame.
   * @param undo - reverts the change in memory; called when the frame cannot be written
   */
  appendFrame(payload: readonly Uint8Array[], undo: () => void): void {
    this.log.append(payload, undo);
    this.#rewriter.rewriteIfNeeded();
  }

  /** Rewrites the log with the current data only. @returns whether it succeeded */
  compact(): Promise<boolean> {
    return this.#rewriter.rewrite();
  }

  /** Starts to rewrite the log if writes are refused after a failed sync. */
  recoverLog(): void {
    this.#rewriter.recover();
    this.log.probe();
  }

  async close(): Promise<void> {
    this.transactions.endAll();
    await this.log.close();
  }

  #appendDescription(collection: Collection, undo: () => void): void {
    this.appendFrame([encodeEntry(ENTRY.collection, collection.id, describeCollection(collection))], undo);
  }

  #dropUnused(collection: Collection): void {
    if (collection.isDropped || collection.records.size > 0 || collection.locks.size > 0) return;
    try {
      this.dropCollection(collection);
    } catch {
      // The disk is full or failing. The empty collection remains.
    }
  }

  #replay({ kind, collectionId, document, byteLength }: Entry): void {
    switch (kind) {
      case ENTRY.put:
        this.#catalog.byId(collectionId)?.load(document, byteLength);
        return;
      case ENTRY.remove:
        this.#catalog.byId(collectionId)?.unload(document['_id']);
        return;
      case ENTRY.collection:
        this.#catalog.restore(collectionId, document);
        return;
      case ENTRY.drop: {
        const collection = this.#catalog.byId(collectionId);
        if (collection) this.#catalog.detach(collection);
        return;
      }
      case ENTRY.session:
        this.sessions.restore(document);
        return;
      default:
        throw new DatabaseError('InternalError', `The log contains an entry of unknown kind ${String(kind)}`);
    }
  }
}

import type { Document } from '../bson/values.js';
import { DatabaseError } from '../errors.js';
import { type LogEvents, LogStore } from '../store/log-store.js';
import type { Storage } from '../store/storage.js';
import { Catalog, describeCollection, ensureNamespace } from './catalog.js';
import { Collection } from './collection.js';
import type { CollectionIndex } from './collection-index.js';
import { describeDuplicate } from './duplicate-key.js';
import { toIndexDefinition } from './index-definition.js';
import { decodeEntries, ENTRY, type Entry, encodeEntry } from './log-codec.js';
import { SessionStore } from './sessions.js';
import { Transaction } from './transaction.js';

/** Below this the log is not worth rewriting. */
const MIN_COMPACTION_BYTES = 32 * 1024 * 1024;
const COMPACTION_BATCH = 200;
/** Between attempts when compaction fails, for want of room for instance. */
const COMPACTION_RETRY_MS = 10_000;
/** How many changes are remembered for open transactions before the oldest of them is given up. */
const MAX_HISTORY = 500_000;

export interface DatabaseOptions extends LogEvents {
  readonly storage: Storage;
  readonly syncIntervalMs?: number;
  readonly isRepairing?: boolean;
}

/** All collections, in memory, with the log that makes them last. */
export class Database {
  readonly sessions = new SessionStore();
  readonly #catalog = new Catalog();
  readonly #transactions = new Set<Transaction>();
  readonly #log: LogStore;
  #stamp = 0;
  #lastCompactionAttempt = 0;

  constructor(options: DatabaseOptions) {
    this.#log = LogStore.open(options, (payload) => {
      for (const entry of decodeEntries(payload)) this.#replay(entry);
    });
    for (const collection of this.#catalog.all()) {
      for (const index of collection.indexes.values()) index.build(collection.records.values());
    }
  }

  get log(): LogStore {
    return this.#log;
  }

  /** The moment: it moves with every committed write. */
  get stamp(): number {
    return this.#stamp;
  }

  get openTransactions(): number {
    return this.#transactions.size;
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

  /** The collection, made if it does not exist. */
  ensureCollection(database: string, name: string): Collection {
    return this.collection(database, name) ?? this.createCollection(database, name, {});
  }

  createCollection(database: string, name: string, options: Document): Collection {
    this.#log.ensureWritable();
    ensureNamespace(database, name);
    const collection = new Collection({ id: this.#catalog.nextId(), database, name, options });
    this.#catalog.attach(collection);
    this.#appendDescription(collection, () => this.#catalog.detach(collection));
    return collection;
  }

  /** Makes a collection that goes again when the transaction is aborted. */
  createCollectionIn(
    transaction: Transaction | undefined,
    namespace: { database: string; name: string },
    options: Document,
  ): Collection {
    const collection = this.createCollection(namespace.database, namespace.name, options);
    collection.createdBy = transaction;
    transaction?.created.push(collection);
    return collection;
  }

  dropCollection(collection: Collection): void {
    this.#log.ensureWritable();
    this.#catalog.detach(collection);
    this.appendFrame([encodeEntry(ENTRY.drop, collection.id, {})], () => this.#catalog.attach(collection));
  }

  renameCollection(collection: Collection, { database, name }: { database: string; name: string }): void {
    this.#log.ensureWritable();
    ensureNamespace(database, name);
    const previous = { database: collection.database, name: collection.name };
    this.#catalog.rename(collection, { database, name });
    this.#appendDescription(collection, () => this.#catalog.rename(collection, previous));
  }

  /** @throws DatabaseError DuplicateKey when the documents there are do not fit a unique index */
  createIndex(collection: Collection, spec: Document): CollectionIndex {
    this.#log.ensureWritable();
    const definition = toIndexDefinition(spec, collection.collation);
    const index = collection.addIndex(definition);
    try {
      const duplicate = index.build(collection.records.values());
      if (duplicate) throw describeDuplicate(collection, index, duplicate[0].document);
    } catch (error) {
      collection.indexes.delete(definition.name);
      throw error;
    }
    this.#appendDescription(collection, () => collection.indexes.delete(definition.name));
    return index;
  }

  dropIndex(collection: Collection, index: CollectionIndex): void {
    this.#log.ensureWritable();
    collection.indexes.delete(index.name);
    this.#appendDescription(collection, () => {
      index.build(collection.records.values());
      collection.indexes.set(index.name, index);
    });
  }

  /** Puts an index of the same entries and another spec (time to live, hidden) in its place. */
  replaceIndexSpec(collection: Collection, index: CollectionIndex, spec: Document): void {
    this.#log.ensureWritable();
    const changed = collection.addIndex(toIndexDefinition(spec, index.definition.collation));
    changed.build(collection.records.values());
    this.#appendDescription(collection, () => {
      index.build(collection.records.values());
      collection.indexes.set(index.name, index);
    });
  }

  setOptions(collection: Collection, options: Document): void {
    this.#log.ensureWritable();
    const previous = collection.options;
    collection.options = options;
    this.#appendDescription(collection, () => {
      collection.options = previous;
    });
  }

  startTransaction(): Transaction {
    const transaction = new Transaction(this.#stamp);
    this.#transactions.add(transaction);
    void transaction.ended.then(() => {
      this.#transactions.delete(transaction);
      this.#forgetHistory();
      for (const collection of transaction.created) this.#dropUnused(collection);
    });
    return transaction;
  }

  /** Marks a new moment, to which the changes now applied belong. */
  nextStamp(): number {
    this.#stamp += 1;
    return this.#stamp;
  }

  /** Remembers what a document was, if someone may still want to see it. */
  remember(collection: Collection, key: string, before: Document | undefined): void {
    if (this.#transactions.size === 0) return;
    collection.history.push({ stamp: this.#stamp, key, before });
    if (collection.history.length > MAX_HISTORY) {
      const [oldest] = this.#transactions;
      oldest?.end();
    }
  }

  appendFrame(payload: readonly Uint8Array[], undo: () => void): void {
    this.#log.append(payload, undo);
    this.#compactWhenWorthIt();
  }

  /** Rewrites the log with the living data only. */
  async compact(): Promise<boolean> {
    this.#lastCompactionAttempt = Date.now();
    return this.#log.compact(this.#payloads());
  }

  async close(): Promise<void> {
    for (const transaction of [...this.#transactions]) transaction.end();
    await this.#log.close();
  }

  #appendDescription(collection: Collection, undo: () => void): void {
    this.appendFrame([encodeEntry(ENTRY.collection, collection.id, describeCollection(collection))], undo);
  }

  #dropUnused(collection: Collection): void {
    if (collection.isDropped || collection.records.size > 0 || collection.locks.size > 0) return;
    try {
      this.dropCollection(collection);
    } catch {
      // The disk takes nothing now; an empty collection is left behind.
    }
  }

  #forgetHistory(): void {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { stamp } of this.#transactions) oldest = Math.min(oldest, stamp);
    for (const collection of this.#catalog.all()) {
      const { history } = collection;
      if (history.length === 0) continue;
      const isKept = history.findIndex(({ stamp }) => stamp > oldest);
      const dropped = isKept === -1 ? history.length : isKept;
      collection.history = history.slice(dropped);
      collection.historyStart += dropped;
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
        throw new DatabaseError('InternalError', `The log holds an entry of the unknown kind ${String(kind)}`);
    }
  }

  #compactWhenWorthIt(): void {
    if (this.#log.isCompacting) return;
    if (!this.#log.needsRewrite && !this.#isLogWorthRewriting()) return;
    if (Date.now() - this.#lastCompactionAttempt < COMPACTION_RETRY_MS) return;
    void this.compact();
  }

  /** Called before a write is tried while the log cannot be trusted: only rewriting it brings it back. */
  recoverLog(): void {
    if (this.#log.needsRewrite && !this.#log.isCompacting) {
      if (Date.now() - this.#lastCompactionAttempt >= 1000) void this.compact();
    }
  }

  #isLogWorthRewriting(): boolean {
    const { size } = this.#log;
    if (size < MIN_COMPACTION_BYTES) return false;
    let living = 0;
    for (const { dataBytes } of this.#catalog.all()) living += dataBytes;
    return size >= living * 2.5;
  }

  *#payloads(): Iterable<readonly Uint8Array[]> {
    for (const collection of [...this.#catalog.all()]) {
      yield [encodeEntry(ENTRY.collection, collection.id, describeCollection(collection))];
      let payload: Uint8Array[] = [];
      // A Map may change while it is walked: later puts and removes are in the frames written meanwhile.
      for (const { document } of collection.records.values()) {
        if (collection.isDropped) break;
        payload.push(encodeEntry(ENTRY.put, collection.id, document));
        if (payload.length < COMPACTION_BATCH) continue;
        yield payload;
        payload = [];
      }
      if (payload.length > 0) yield payload;
    }
    for (const document of this.sessions.describe()) yield [encodeEntry(ENTRY.session, 0, document)];
  }
}

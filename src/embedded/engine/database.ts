import type { Document } from '../bson/values.js';
import { DatabaseError, fail } from '../errors.js';
import { type LogEvents, LogStore } from '../store/log-store.js';
import type { Storage } from '../store/storage.js';
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
  readonly #collections = new Map<string, Map<string, Collection>>();
  readonly #byId = new Map<number, Collection>();
  readonly #transactions = new Set<Transaction>();
  readonly #log: LogStore;
  #lastCollectionId = 0;
  #stamp = 0;
  #lastCompactionAttempt = 0;

  constructor(options: DatabaseOptions) {
    this.#log = LogStore.open(options, (payload) => {
      for (const entry of decodeEntries(payload)) this.#replay(entry);
    });
    for (const collection of this.#byId.values()) {
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
    return [...this.#collections].filter(([, collections]) => collections.size > 0).map(([name]) => name);
  }

  collectionsOf(database: string): Collection[] {
    return [...(this.#collections.get(database)?.values() ?? [])];
  }

  collection(database: string, name: string): Collection | undefined {
    return this.#collections.get(database)?.get(name);
  }

  /** The collection, made if it does not exist. */
  ensureCollection(database: string, name: string): Collection {
    return this.collection(database, name) ?? this.createCollection(database, name, {});
  }

  createCollection(database: string, name: string, options: Document): Collection {
    this.#log.ensureWritable();
    ensureNamespace(database, name);
    const id = this.#lastCollectionId + 1;
    const collection = new Collection({ id, database, name, options });
    this.#lastCollectionId = id;
    this.#attach(collection);
    this.appendFrame([encodeEntry(ENTRY.collection, id, describeCollection(collection))], () =>
      this.#detach(collection),
    );
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
    this.#detach(collection);
    this.appendFrame([encodeEntry(ENTRY.drop, collection.id, {})], () => this.#attach(collection));
  }

  renameCollection(collection: Collection, { database, name }: { database: string; name: string }): void {
    this.#log.ensureWritable();
    ensureNamespace(database, name);
    const previous = { database: collection.database, name: collection.name };
    const rename = (to: { database: string; name: string }): void => {
      this.#detach(collection);
      collection.database = to.database;
      collection.name = to.name;
      this.#attach(collection);
    };
    rename({ database, name });
    this.#appendDescription(collection, () => rename(previous));
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

  #attach(collection: Collection): void {
    let collections = this.#collections.get(collection.database);
    if (!collections) {
      collections = new Map();
      this.#collections.set(collection.database, collections);
    }
    collections.set(collection.name, collection);
    this.#byId.set(collection.id, collection);
    collection.isDropped = false;
  }

  #detach(collection: Collection): void {
    const collections = this.#collections.get(collection.database);
    collections?.delete(collection.name);
    if (collections?.size === 0) this.#collections.delete(collection.database);
    this.#byId.delete(collection.id);
    collection.isDropped = true;
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
    for (const collection of this.#byId.values()) {
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
        this.#byId.get(collectionId)?.load(document, byteLength);
        return;
      case ENTRY.remove:
        this.#byId.get(collectionId)?.unload(document['_id']);
        return;
      case ENTRY.collection:
        this.#replayCollection(collectionId, document);
        return;
      case ENTRY.drop: {
        const collection = this.#byId.get(collectionId);
        if (collection) this.#detach(collection);
        return;
      }
      case ENTRY.session:
        this.sessions.restore(document);
        return;
      default:
        throw new DatabaseError('InternalError', `The log holds an entry of the unknown kind ${String(kind)}`);
    }
  }

  #replayCollection(id: number, description: Document): void {
    const { db: database, name } = description as { db: string; name: string };
    const options = description['options'] as Document;
    this.#lastCollectionId = Math.max(this.#lastCollectionId, id);
    let collection = this.#byId.get(id);
    if (collection) {
      this.#detach(collection);
      Object.assign(collection, { database, name, options });
    } else {
      collection = new Collection({ id, database, name, options });
    }
    this.#attach(collection);
    for (const indexName of [...collection.indexes.keys()]) {
      if (indexName !== '_id_') collection.indexes.delete(indexName);
    }
    for (const spec of description['indexes'] as Document[]) {
      collection.addIndex(toIndexDefinition(spec, collection.collation));
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
    for (const { dataBytes } of this.#byId.values()) living += dataBytes;
    return size >= living * 2.5;
  }

  *#payloads(): Iterable<readonly Uint8Array[]> {
    for (const collection of [...this.#byId.values()]) {
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

const describeCollection = ({ database, name, options, indexes }: Collection): Document => ({
  db: database,
  name,
  options,
  indexes: [...indexes.values()].filter((index) => index.name !== '_id_').map((index) => index.definition.spec),
});

const MAX_NAMESPACE_BYTES = 255;

/** @throws DatabaseError InvalidNamespace */
export const ensureNamespace = (database: string, name: string): void => {
  if (database === '' || /[/\\. "$*<>:|?\0]/.test(database) || database.length > 63) {
    fail('InvalidNamespace', `Invalid database name: '${database}'`);
  }
  const isInvalid =
    name === '' || name.startsWith('.') || name.endsWith('.') || name.includes('\0') || name.includes('$');
  if (isInvalid) fail('InvalidNamespace', `Invalid collection name: ${name}`);
  if (Buffer.byteLength(`${database}.${name}`) > MAX_NAMESPACE_BYTES) {
    fail('InvalidNamespace', `Fully qualified namespace is too long. Namespace: ${database}.${name} Max: 255`);
  }
};

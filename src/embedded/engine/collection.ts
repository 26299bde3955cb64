import { type Collation, parseCollation } from '../bson/collation.js';
import { toKeyString } from '../bson/key-string.js';
import { toNumber } from '../bson/numbers.js';
import { type Document, isNumeric } from '../bson/values.js';
import { CollectionIndex, type StoredRecord } from './indexes/collection-index.js';
import { createFindFlatKeys } from './indexes/flat-keys.js';
import { type IndexDefinition, idIndexDefinition } from './indexes/index-definition.js';
import type { LockOwner } from './lock.js';

/** A document before a change, kept while transactions read an older snapshot. */
export interface HistoryEntry {
  readonly time: number;
  readonly key: string;
  readonly before: Document | undefined;
}

/** A change of one document. An insert has no `before`, a delete has no `after`. */
export interface Change {
  readonly key: string;
  readonly before: Document | undefined;
  readonly after: Document | undefined;
  /** The size of `after` as BSON, in bytes. */
  readonly byteLength: number;
  /** The log entry of `after`, if it was encoded already. */
  readonly entry?: Buffer;
}

/** A collection in its last committed state, with its indexes. Only writers modify it. */
export class Collection {
  readonly id: number;
  database: string;
  name: string;
  options: Document;
  readonly collation: Collation | undefined;
  readonly records = new Map<string, StoredRecord>();
  readonly indexes = new Map<string, CollectionIndex>();
  /** Documents and unique keys that open transactions have locked, by lock name. */
  readonly locks = new Map<string, LockOwner>();
  /** Changes since the oldest open snapshot. `historyStart` is the number of entries dropped before the first. */
  history: HistoryEntry[] = [];
  historyStart = 0;
  isDropped = false;
  /** The open transaction that created the collection. Until it commits, others do not see the collection listed. */
  createdBy: LockOwner | undefined;
  /** The size of all documents as BSON, in bytes. */
  dataBytes = 0;
  /** The number of changes since the start. */
  changeCount = 0;
  /** The number of indexes that were added since the start. */
  addedIndexCount = 0;
  readonly #findFlatKeys = createFindFlatKeys();
  #lastSequence = 0;

  constructor({ id, database, name, options }: { id: number; database: string; name: string; options: Document }) {
    this.id = id;
    this.database = database;
    this.name = name;
    this.options = options;
    this.collation = parseCollation(options['collation']);
    this.addIndex(idIndexDefinition(options['collation'] as Document | undefined));
  }

  get namespace(): string {
    return `${this.database}.${this.name}`;
  }

  get isCapped(): boolean {
    return this.options['capped'] === true;
  }

  /** The most documents in a capped collection. */
  get maxDocuments(): number {
    const { max } = this.options;
    return isNumeric(max) && toNumber(max) > 0 ? toNumber(max) : Number.POSITIVE_INFINITY;
  }

  /** The most bytes of documents in a capped collection. */
  get maxBytes(): number {
    const { size } = this.options;
    return isNumeric(size) ? toNumber(size) : Number.POSITIVE_INFINITY;
  }

  /** The key string of an `_id`. */
  keyOf(id: unknown): string {
    return toKeyString(id, this.collation);
  }

  addIndex(definition: IndexDefinition): CollectionIndex {
    const index = new CollectionIndex(definition, this.#findFlatKeys);
    this.indexes.set(definition.name, index);
    this.addedIndexCount += 1;
    return index;
  }

  /**
   * Applies a change to the documents and the indexes. The caller has checked that it cannot fail.
   * @returns the size of the document before the change, in bytes
   */
  apply({ key, before, after, byteLength }: Change): number {
    this.changeCount += 1;
    if (after === undefined) return this.#remove(key);
    if (before !== undefined) return this.#replace(key, after, byteLength);
    this.#insert(key, after, byteLength);
    return 0;
  }

  /** Stores a document without indexing it. Reading the log uses this before it builds the indexes. */
  load(document: Document, byteLength: number): void {
    const key = this.keyOf(document['_id']);
    const existing = this.records.get(key);
    if (existing) {
      this.dataBytes += byteLength - existing.byteLength;
      existing.document = document;
      existing.byteLength = byteLength;
    } else {
      this.records.set(key, this.#createRecord(key, document, byteLength));
      this.dataBytes += byteLength;
    }
  }

  /** Removes a document without updating indexes. */
  unload(id: unknown): void {
    const key = this.keyOf(id);
    this.dataBytes -= this.records.get(key)?.byteLength ?? 0;
    this.records.delete(key);
  }

  #createRecord(key: string, document: Document, byteLength: number): StoredRecord {
    this.#lastSequence += 1;
    return { sequence: this.#lastSequence, key, document, byteLength };
  }

  #insert(key: string, document: Document, byteLength: number): void {
    const record = this.#createRecord(key, document, byteLength);
    this.records.set(key, record);
    this.dataBytes += byteLength;
    for (const index of this.indexes.values()) index.insert(record, document);
  }

  #replace(key: string, document: Document, byteLength: number): number {
    const record = this.records.get(key);
    if (!record) return 0;
    for (const index of this.indexes.values()) index.replace(record, record.document, document);
    const previousBytes = record.byteLength;
    this.dataBytes += byteLength - previousBytes;
    record.document = document;
    record.byteLength = byteLength;
    return previousBytes;
  }

  #remove(key: string): number {
    const record = this.records.get(key);
    if (!record) return 0;
    for (const index of this.indexes.values()) index.delete(record, record.document);
    this.records.delete(key);
    this.dataBytes -= record.byteLength;
    return record.byteLength;
  }
}

import { type Collation, parseCollation } from '../bson/collation.js';
import { toKeyString } from '../bson/key-string.js';
import { toNumber } from '../bson/numbers.js';
import { type Document, isNumeric } from '../bson/values.js';
import { CollectionIndex, type IndexDefinition, type StoredRecord } from './indexes/collection-index.js';
import { idIndexDefinition } from './indexes/index-definition.js';
import type { LockOwner } from './lock.js';

/** What a document was before a change; kept while a transaction reads an older state. */
export interface HistoryEntry {
  readonly stamp: number;
  readonly key: string;
  readonly before: Document | undefined;
}

/** One change of one document: an insert has no `before`, a delete no `after`. */
export interface Change {
  readonly key: string;
  readonly before: Document | undefined;
  readonly after: Document | undefined;
  /** Bytes of `after` as BSON. */
  readonly byteLength: number;
}

/** A collection in its last committed state, with its indexes. Only the engine's writers change it. */
export class Collection {
  readonly id: number;
  database: string;
  name: string;
  options: Document;
  readonly collation: Collation | undefined;
  readonly records = new Map<string, StoredRecord>();
  readonly indexes = new Map<string, CollectionIndex>();
  /** Documents (by key) and unique keys that an open transaction has written. */
  readonly locks = new Map<string, LockOwner>();
  /** Changes since the oldest open snapshot; `historyStart` is the position of the first one kept. */
  history: HistoryEntry[] = [];
  historyStart = 0;
  isDropped = false;
  /** The open transaction it was made by; until that commits, others do not see it listed. */
  createdBy: LockOwner | undefined;
  /** Bytes of all documents as BSON. */
  dataBytes = 0;
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

  /** How many documents a capped collection keeps. */
  get maxDocuments(): number {
    const { max } = this.options;
    return isNumeric(max) && toNumber(max) > 0 ? toNumber(max) : Number.POSITIVE_INFINITY;
  }

  /** How many bytes of documents a capped collection keeps. */
  get maxBytes(): number {
    const { size } = this.options;
    return isNumeric(size) ? toNumber(size) : Number.POSITIVE_INFINITY;
  }

  /** The key string under which the document with this `_id` is kept. */
  keyOf(id: unknown): string {
    return toKeyString(id, this.collation);
  }

  addIndex(definition: IndexDefinition): CollectionIndex {
    const index = new CollectionIndex(definition);
    this.indexes.set(definition.name, index);
    return index;
  }

  /**
   * Makes a change, index entries included. It must have been checked before: nothing here can fail.
   * @returns the bytes of what was there before
   */
  apply({ key, before, after, byteLength }: Change): number {
    if (after === undefined) return this.#remove(key);
    if (before !== undefined) return this.#replace(key, after, byteLength);
    this.#insert(key, after, byteLength);
    return 0;
  }

  /** Puts a document without indexing it, as reading the log does before it builds the indexes. */
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
    for (const index of this.indexes.values()) {
      if (index.isUntouched(record.document, document)) continue;
      index.delete(record, record.document);
      index.insert(record, document);
    }
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

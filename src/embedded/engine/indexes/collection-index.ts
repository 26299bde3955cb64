import { mayReachArray, toIndexTuples } from '../../bson/index-keys.js';
import { toCompoundKeyString } from '../../bson/key-string.js';
import { type Path, toPath } from '../../bson/path.js';
import { type Document, fieldOf } from '../../bson/values.js';
import { BPlusTree, type KeyRange } from '../tree/b-plus-tree.js';
import type { FindFlatKeys, FlatKeys } from './flat-keys.js';
import type { IndexDefinition } from './index-definition.js';
import { determiningFields } from './partial-filter.js';

/** A document with its position in a collection. The document object is never modified, only replaced. */
export interface StoredRecord {
  /** Increases with every insert. It is the natural order, and the order of index entries with equal keys. */
  readonly sequence: number;
  /** The key string of `_id`. */
  readonly key: string;
  document: Document;
  /** The size of the document as BSON, in bytes. */
  byteLength: number;
}

interface Entries {
  readonly keys: readonly string[];
  readonly isMultikey: readonly boolean[] | undefined;
}

const NO_ENTRIES: Entries = { keys: [], isMultikey: undefined };

/**
 * An index of a collection. The tree is ascending in the first field, whatever its direction. The keys of fields with
 * the opposite direction are flipped.
 */
export class CollectionIndex {
  readonly definition: IndexDefinition;
  readonly isFlipped: readonly boolean[];
  readonly #paths: readonly Path[];
  /** Undefined when one of the fields is inside of another. */
  readonly #flatKeys: FlatKeys | undefined;
  /** The top-level fields that determine the entries of a document; undefined when unknown. */
  readonly #topLevelFields: readonly string[] | undefined;
  /** Those that decide whether a partial index has the document; undefined when unknown. */
  readonly #decidingFields: readonly string[] | undefined;
  readonly #multikeyCounts: number[];
  #tree = new BPlusTree<StoredRecord>();

  constructor(definition: IndexDefinition, findFlatKeys: FindFlatKeys) {
    const { fields } = definition;
    this.definition = definition;
    this.isFlipped = fields.map(({ direction }) => direction !== fields[0]?.direction);
    this.#paths = fields.map(({ path }) => toPath(path));
    this.#flatKeys = findFlatKeys(definition);
    const deciding = determiningFields(definition.partialFilter ?? {});
    this.#decidingFields = deciding && [...deciding];
    this.#topLevelFields = deciding && [...new Set([...this.#paths.map(([first]) => first ?? ''), ...deciding])];
    this.#multikeyCounts = fields.map(() => 0);
  }

  get name(): string {
    return this.definition.name;
  }

  get size(): number {
    return this.#tree.size;
  }

  /** Whether a document has an array on the path of the field. */
  isMultikeyAt(field: number): boolean {
    return (this.#multikeyCounts[field] ?? 0) > 0;
  }

  get isMultikey(): boolean {
    return this.#multikeyCounts.some((count) => count > 0);
  }

  count(range: KeyRange): number {
    return this.#tree.count(range);
  }

  scan(range: KeyRange, isReversed: boolean, visit: (record: StoredRecord, key: string) => boolean): boolean {
    return this.#tree.scan(range, isReversed, visit);
  }

  /** The records of a range in order. The index must not change while they are read. */
  recordsOf(range: KeyRange, isReversed: boolean): Iterator<StoredRecord, void> {
    return this.#tree.values(range, isReversed);
  }

  /** Whether replacing one document by the other certainly leaves the entries unchanged. This is a cheap check. */
  isUntouched(before: Document, after: Document): boolean {
    return this.#topLevelFields !== undefined && isSameIn(this.#topLevelFields, before, after);
  }

  /**
   * Checks that a document can be indexed, before anything changes.
   * @throws DatabaseError CannotIndexParallelArrays
   */
  ensureIndexable(document: Document): void {
    let candidates = 0;
    for (const path of this.#paths) if (mayReachArray(document, path)) candidates += 1;
    if (candidates > 1 && this.#includes(document)) this.#entriesOf(document);
  }

  /** The keys of a document in this index. */
  keysOf(document: Document): readonly string[] {
    return this.#includes(document) ? this.#entriesOf(document).keys : NO_ENTRIES.keys;
  }

  /** A record with one of the keys of the document, other than the records that `except` accepts. */
  conflictOf(document: Document, except: (record: StoredRecord) => boolean): StoredRecord | undefined {
    for (const key of this.keysOf(document)) {
      const conflict = this.#tree.find(key, (record) => !except(record));
      if (conflict) return conflict;
    }
    return undefined;
  }

  /** Whether the index has an entry with this key for the record. */
  hasEntry(key: string, record: StoredRecord): boolean {
    return this.#tree.find(key, (found) => found === record) !== undefined;
  }

  /** As deleting the entries of one document and inserting those of the other. */
  replace(record: StoredRecord, before: Document, after: Document): void {
    if (this.isUntouched(before, after)) return;
    const wasIncluded = this.#includes(before);
    const isAlike = this.#decidingFields !== undefined && isSameIn(this.#decidingFields, before, after);
    const isIncluded = isAlike ? wasIncluded : this.#includes(after);
    if (wasIncluded) this.#delete(record, this.#entriesOf(before));
    if (isIncluded) this.#insert(record, this.#entriesOf(after));
  }

  insert(record: StoredRecord, document: Document): void {
    if (this.#includes(document)) this.#insert(record, this.#entriesOf(document));
  }

  delete(record: StoredRecord, document: Document): void {
    if (this.#includes(document)) this.#delete(record, this.#entriesOf(document));
  }

  #insert(record: StoredRecord, { keys, isMultikey }: Entries): void {
    for (const key of keys) this.#tree.insert(key, record);
    if (isMultikey) this.#countMultikey(isMultikey, 1);
  }

  #delete(record: StoredRecord, { keys, isMultikey }: Entries): void {
    for (const key of keys) this.#tree.delete(key, record);
    if (isMultikey) this.#countMultikey(isMultikey, -1);
  }

  /**
   * Replaces all entries by those of the records.
   * @returns two records with the same key when a unique index has such a pair
   */
  build(records: Iterable<StoredRecord>): readonly [StoredRecord, StoredRecord] | undefined {
    this.#multikeyCounts.fill(0);
    const entries: { key: string; value: StoredRecord }[] = [];
    for (const record of records) {
      if (!this.#includes(record.document)) continue;
      const { keys, isMultikey } = this.#entriesOf(record.document);
      for (const key of keys) entries.push({ key, value: record });
      if (isMultikey) this.#countMultikey(isMultikey, 1);
    }
    entries.sort((left, right) =>
      left.key < right.key ? -1 : left.key > right.key ? 1 : left.value.sequence - right.value.sequence,
    );
    this.#tree = BPlusTree.fromSorted(entries);
    return this.definition.isUnique ? firstDuplicate(entries) : undefined;
  }

  #countMultikey(isMultikey: readonly boolean[], by: number): void {
    for (let field = 0; field < isMultikey.length; field += 1) {
      if (isMultikey[field]) this.#multikeyCounts[field] = (this.#multikeyCounts[field] ?? 0) + by;
    }
  }

  #includes(document: Document): boolean {
    const { partialMatcher } = this.definition;
    return !partialMatcher || partialMatcher.matches(document);
  }

  /** The entries of a document that the index includes. */
  #entriesOf(document: Document): Entries {
    const { collation, isSparse } = this.definition;
    if (this.#flatKeys) {
      const isMissing = isSparse && this.#flatKeys.fields.every((field) => fieldOf(document, field) === undefined);
      if (isMissing) return NO_ENTRIES;
      const key = this.#flatKeys.keyOf(document);
      if (key !== undefined) return { keys: [key], isMultikey: undefined };
    }
    const { tuples, isMultikey, isMissing } = toIndexTuples(document, this.#paths);
    if (isSparse && isMissing) return NO_ENTRIES;
    const keys = tuples.map((tuple) => toCompoundKeyString(tuple, this.isFlipped, collation));
    return {
      keys: keys.length > 1 ? [...new Set(keys)] : keys,
      isMultikey: isMultikey.includes(true) ? isMultikey : undefined,
    };
  }
}

function isSameIn(fields: readonly string[], one: Document, other: Document): boolean {
  for (const field of fields) if (fieldOf(one, field) !== fieldOf(other, field)) return false;
  return true;
}

function firstDuplicate(
  entries: readonly { key: string; value: StoredRecord }[],
): readonly [StoredRecord, StoredRecord] | undefined {
  for (let index = 1; index < entries.length; index += 1) {
    const previous = entries[index - 1];
    const current = entries[index];
    if (previous && current && previous.key === current.key && previous.value !== current.value) {
      return [previous.value, current.value];
    }
  }
  return undefined;
}

import type { Collation } from '../../bson/collation.js';
import { toIndexTuples } from '../../bson/index-keys.js';
import { toCompoundKeyString, toKeyString } from '../../bson/key-string.js';
import { type Path, toPath } from '../../bson/path.js';
import { type Document, fieldOf, isDocument } from '../../bson/values.js';
import type { Matcher } from '../../query/filters/filter.js';
import { type KeyRange, OrderedIndex } from '../tree/b-plus-tree.js';
import { decidingFields } from './partial-filter.js';

/** A document with its place in a collection. The document is never changed, only replaced. */
export interface StoredRecord {
  /** Rises with every insert: natural order, and what tells entries of one key apart. */
  readonly sequence: number;
  /** The key string of `_id`. */
  readonly key: string;
  document: Document;
  /** Bytes as BSON. */
  byteLength: number;
}

/** An index as it was asked for, checked. */
export interface IndexDefinition {
  readonly name: string;
  /** Path and direction, in order. */
  readonly fields: readonly { readonly path: string; readonly direction: 1 | -1 }[];
  readonly isUnique: boolean;
  readonly isSparse: boolean;
  readonly isHidden: boolean;
  readonly collation: Collation | undefined;
  readonly partialFilter: Document | undefined;
  readonly partialMatcher: Matcher | undefined;
  readonly expireAfterSeconds: number | undefined;
  /** What `listIndexes` shows and the log keeps. */
  readonly spec: Document;
}

interface Entries {
  readonly keys: readonly string[];
  readonly isMultikey: readonly boolean[] | undefined;
}

const NO_ENTRIES: Entries = { keys: [], isMultikey: undefined };

/**
 * One index of a collection. Entries are stored in the order of the first field's direction turned to ascending; only
 * fields that run against the first one have their keys flipped.
 */
export class CollectionIndex {
  readonly definition: IndexDefinition;
  readonly isFlipped: readonly boolean[];
  readonly #paths: readonly Path[];
  /** The top-level fields that the entries of a document depend on; undefined when that cannot be told. */
  readonly #topLevelFields: readonly string[] | undefined;
  readonly #multikeyCounts: number[];
  #tree = new OrderedIndex<StoredRecord>();

  constructor(definition: IndexDefinition) {
    const { fields } = definition;
    this.definition = definition;
    this.isFlipped = fields.map(({ direction }) => direction !== fields[0]?.direction);
    this.#paths = fields.map(({ path }) => toPath(path));
    const deciding = decidingFields(definition.partialFilter ?? {});
    this.#topLevelFields = deciding && [...new Set([...this.#paths.map(([first]) => first ?? ''), ...deciding])];
    this.#multikeyCounts = fields.map(() => 0);
  }

  get name(): string {
    return this.definition.name;
  }

  get size(): number {
    return this.#tree.size;
  }

  /** Whether any document has an array on the path of the field. */
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

  /** Whether replacing one document by the other leaves the entries as they are, as far as that is cheap to see. */
  isUntouched(before: Document, after: Document): boolean {
    if (!this.#topLevelFields) return false;
    for (const field of this.#topLevelFields) if (fieldOf(before, field) !== fieldOf(after, field)) return false;
    return true;
  }

  /**
   * Checks that a document can have entries here, which must be known before anything is changed.
   * @throws DatabaseError CannotIndexParallelArrays
   */
  ensureIndexable(document: Document): void {
    let candidates = 0;
    for (const path of this.#paths) if (mayReachArray(document, path)) candidates += 1;
    if (candidates > 1) this.#entriesOf(document);
  }

  /** The keys under which a document is found here. */
  keysOf(document: Document): readonly string[] {
    return this.#entriesOf(document).keys;
  }

  /** A record other than `except` that holds one of the document's keys. */
  conflictOf(document: Document, except: (record: StoredRecord) => boolean): StoredRecord | undefined {
    for (const key of this.keysOf(document)) {
      const conflict = this.#tree.find(key, (record) => !except(record));
      if (conflict) return conflict;
    }
    return undefined;
  }

  /** Whether there is an entry of this key for this record. */
  holds(key: string, record: StoredRecord): boolean {
    return this.#tree.find(key, (found) => found === record) !== undefined;
  }

  insert(record: StoredRecord, document: Document): void {
    const { keys, isMultikey } = this.#entriesOf(document);
    for (const key of keys) this.#tree.insert(key, record);
    if (isMultikey) this.#countMultikey(isMultikey, 1);
  }

  delete(record: StoredRecord, document: Document): void {
    const { keys, isMultikey } = this.#entriesOf(document);
    for (const key of keys) this.#tree.delete(key, record);
    if (isMultikey) this.#countMultikey(isMultikey, -1);
  }

  /**
   * Makes the entries of these records, and only theirs.
   * @returns two records of one key, if the index is unique and there are such
   */
  build(records: Iterable<StoredRecord>): readonly [StoredRecord, StoredRecord] | undefined {
    this.#multikeyCounts.fill(0);
    const entries: { key: string; value: StoredRecord }[] = [];
    for (const record of records) {
      const { keys, isMultikey } = this.#entriesOf(record.document);
      for (const key of keys) entries.push({ key, value: record });
      if (isMultikey) this.#countMultikey(isMultikey, 1);
    }
    entries.sort((left, right) =>
      left.key < right.key ? -1 : left.key > right.key ? 1 : left.value.sequence - right.value.sequence,
    );
    this.#tree = OrderedIndex.fromSorted(entries);
    return this.definition.isUnique ? firstDuplicate(entries) : undefined;
  }

  #countMultikey(isMultikey: readonly boolean[], by: number): void {
    for (let field = 0; field < isMultikey.length; field += 1) {
      if (isMultikey[field]) this.#multikeyCounts[field] = (this.#multikeyCounts[field] ?? 0) + by;
    }
  }

  #entriesOf(document: Document): Entries {
    const { collation, partialMatcher, isSparse } = this.definition;
    if (partialMatcher && !partialMatcher.matches(document)) return NO_ENTRIES;
    const [path] = this.#paths;
    if (this.#paths.length === 1 && path?.length === 1) {
      const value = fieldOf(document, path[0] as string);
      if (!Array.isArray(value)) {
        return isSparse && value === undefined
          ? NO_ENTRIES
          : { keys: [toKeyString(value ?? null, collation)], isMultikey: undefined };
      }
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

function mayReachArray(document: Document, path: Path): boolean {
  const value = fieldOf(document, path[0] as string);
  return Array.isArray(value) || (path.length > 1 && isDocument(value));
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

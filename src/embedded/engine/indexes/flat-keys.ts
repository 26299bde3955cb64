import { type FlatFields, toFlatKeyString } from '../../bson/key-string.js';
import type { Document } from '../../bson/values.js';
import type { IndexDefinition } from './index-definition.js';

/** Makes the keys of documents for all indexes of a collection that have the same fields, and differ in their filters. */
export class FlatKeys {
  readonly fields: FlatFields['fields'];
  readonly #flatFields: FlatFields;
  // A change asks each index for the keys of the document before it and after it.
  #last: MadeKey | undefined;
  #previous: MadeKey | undefined;

  constructor(flatFields: FlatFields) {
    this.fields = flatFields.fields;
    this.#flatFields = flatFields;
  }

  /** The key of a document, which is never modified; undefined when one of the fields is an array. */
  keyOf(document: Document): string | undefined {
    if (this.#last?.document === document) return this.#last.key;
    if (this.#previous?.document === document) return this.#previous.key;
    const key = toFlatKeyString(document, this.#flatFields);
    this.#previous = this.#last;
    this.#last = { document, key };
    return key;
  }
}

interface MadeKey {
  readonly document: Document;
  readonly key: string | undefined;
}

/** Finds what makes the keys of an index; undefined when one of its fields is inside of another. */
export type FindFlatKeys = (definition: IndexDefinition) => FlatKeys | undefined;

/** Creates the makers of keys for the indexes of one collection. */
export function createFindFlatKeys(): FindFlatKeys {
  const known = new Map<string, FlatKeys>();
  return function findFlatKeys({ fields, collation }) {
    if (fields.some(({ path }) => path.includes('.'))) return undefined;
    const isFlipped = fields.map(({ direction }) => direction !== fields[0]?.direction);
    const paths = fields.map(({ path }) => path);
    const id = JSON.stringify([paths, isFlipped, collation]);
    const keys = known.get(id) ?? new FlatKeys({ fields: paths, isFlipped, collation });
    known.set(id, keys);
    return keys;
  };
}

import type { Models } from '#shared/models/index.js';
import type { Fields } from './filter.js';

/** An index as far as the choice depends on it. */
export interface IndexSpec {
  readonly name: string;
  readonly keys: readonly (readonly [path: string, direction: 1 | -1])[];
  readonly isUnique: boolean;
  readonly isSparse: boolean;
  readonly partialFilter: Fields | undefined;
  /** How it compares texts, as JSON; `undefined`: by code point. */
  readonly collation: string | undefined;
  /** Paths of the keys on which an array lies. */
  readonly arrays: ReadonlySet<string>;
}

type Schema = Models[keyof Models]['schema'];

/** The indexes of every collection, as the models declare them, with those that MongoDB and GridFS make by themselves. */
export function readIndexes(models: Models): ReadonlyMap<string, readonly IndexSpec[]> {
  const indexes = new Map<string, readonly IndexSpec[]>();
  for (const { schema, collection } of Object.values(models)) {
    const declared = schema.indexes().map(([keys, options]) => toSpec(keys as Fields, options as Fields, schema));
    indexes.set(collection.collectionName, [ID_INDEX, ...declared]);
  }
  indexes.set('support.files.files', [ID_INDEX, toSpec({ filename: 1, uploadDate: 1 }, {})]);
  indexes.set('support.files.chunks', [ID_INDEX, toSpec({ files_id: 1, n: 1 }, { unique: true })]);
  return indexes;
}

const ID_INDEX: IndexSpec = {
  name: '_id_',
  keys: [['_id', 1]],
  isUnique: true,
  isSparse: false,
  partialFilter: undefined,
  collation: undefined,
  arrays: new Set(),
};

function toSpec(keys: Fields, options: Fields, schema?: Schema): IndexSpec {
  const entries = Object.entries(keys) as [string, 1 | -1][];
  return {
    name: String(options['name'] ?? entries.flat().join('_')),
    keys: entries,
    isUnique: options['unique'] === true,
    isSparse: options['sparse'] === true,
    partialFilter: options['partialFilterExpression'] as Fields | undefined,
    collation: toCollation(options['collation']),
    arrays: new Set(entries.map(([path]) => path).filter((path) => schema !== undefined && isInArray(schema, path))),
  };
}

/** A collation as JSON. */
export const toCollation = (collation: unknown): string | undefined =>
  collation === undefined ? undefined : JSON.stringify(collation);

function isInArray(schema: Schema, path: string): boolean {
  const segments = path.split('.');
  return segments.some((_, index) => {
    const type = (schema as { path(name: string): unknown }).path(segments.slice(0, index + 1).join('.')) as
      | { instance?: string }
      | undefined;
    return type?.instance === 'Array' || type?.instance === 'DocumentArray';
  });
}

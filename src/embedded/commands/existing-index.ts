import { isDeepStrictEqual } from 'node:util';
import { encodeDocument } from '../bson/encode.js';
import type { Document } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { CollectionIndex } from '../engine/indexes/collection-index.js';
import { type IndexDefinition, toIndexDefinition } from '../engine/indexes/index-definition.js';
import { fail } from '../errors.js';
import { toComparableKey } from './request/hint.js';

/**
 * The existing index that satisfies a specification of `createIndexes`.
 * @throws DatabaseError IndexKeySpecsConflict or IndexOptionsConflict when another index conflicts with the specification
 */
export function findExistingIndex(collection: Collection, spec: Document): CollectionIndex | undefined {
  const definitions = [...collection.indexes.values()].map(({ definition }) => definition);
  const found = findEquivalent(definitions, toIndexDefinition(spec, collection.collation));
  return found && collection.indexes.get(found.name);
}

/**
 * The definition that makes another one unnecessary.
 * @throws DatabaseError IndexKeySpecsConflict or IndexOptionsConflict when the two conflict
 */
export function findEquivalent(
  definitions: readonly IndexDefinition[],
  wanted: IndexDefinition,
): IndexDefinition | undefined {
  const byName = definitions.find(({ name }) => name === wanted.name);
  if (byName) {
    if (!hasSameKey(byName, wanted) || !isEquivalent(byName, wanted)) {
      fail(
        'IndexKeySpecsConflict',
        `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. ${describeBoth(wanted, byName)}`,
      );
    }
    return byName;
  }
  for (const existing of definitions) {
    if (!hasSameKey(existing, wanted)) continue;
    if (existing.name === '_id_') return existing;
    if (canCoexist(existing, wanted)) continue;
    if (isEquivalent(existing, wanted)) {
      fail('IndexOptionsConflict', `Index already exists with a different name: ${existing.name}`);
    }
    fail(
      'IndexOptionsConflict',
      `An equivalent index already exists with the same name but different options. ${describeBoth(wanted, existing)}`,
    );
  }
  return undefined;
}

const hasSameKey = (left: IndexDefinition, right: IndexDefinition): boolean =>
  isDeepStrictEqual(comparableKeyOf(left), comparableKeyOf(right));

const comparableKeyOf = ({ spec }: IndexDefinition): [string, unknown][] => toComparableKey(spec['key'] as Document);

/** Whether two indexes with the same key pattern can exist together. */
const canCoexist = (left: IndexDefinition, right: IndexDefinition): boolean =>
  !isDeepStrictEqual(left.collation, right.collation) ||
  !isDeepStrictEqual(left.partialFilter, right.partialFilter) ||
  left.isUnique !== right.isUnique ||
  left.isSparse !== right.isSparse;

/** Whether two indexes differ at most in their names. */
const isEquivalent = (left: IndexDefinition, right: IndexDefinition): boolean =>
  comparableSpecOf(left).equals(comparableSpecOf(right));

/** The specification without version, name and false options, with sorted fields. */
function comparableSpecOf(definition: IndexDefinition): Buffer {
  const { v: _version, name: _name, ...options } = definition.spec;
  const spec: Document = { ...options, key: Object.fromEntries(comparableKeyOf(definition)) };
  const entries = Object.entries(spec)
    .filter(([, value]) => value !== false)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return encodeDocument(Object.fromEntries(entries));
}

const describeBoth = (wanted: IndexDefinition, existing: IndexDefinition): string =>
  `Requested index: ${JSON.stringify(wanted.spec)}, existing index: ${JSON.stringify(existing.spec)}`;

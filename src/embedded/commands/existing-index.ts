import { isDeepStrictEqual } from 'node:util';
import type { Document } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { CollectionIndex } from '../engine/indexes/collection-index.js';
import { type IndexDefinition, toIndexDefinition } from '../engine/indexes/index-definition.js';
import { fail } from '../errors.js';
import { findIndexesByKey, toComparableKey } from './request/hint.js';

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
    if (!hasSameKey(byName, wanted) || canCoexist(byName, wanted)) {
      fail(
        'IndexKeySpecsConflict',
        `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. ${describeBoth(wanted, byName)}`,
      );
    }
    return isEquivalent(byName, wanted) ? byName : failOnOptions(wanted, byName);
  }
  for (const existing of definitions) {
    if (!hasSameKey(existing, wanted)) continue;
    if (existing.name === '_id_') return existing;
    if (canCoexist(existing, wanted)) continue;
    if (isEquivalent(existing, wanted)) {
      fail('IndexOptionsConflict', `Index already exists with a different name: ${existing.name}`);
    }
    failOnOptions(wanted, existing);
  }
  return undefined;
}

const failOnOptions = (wanted: IndexDefinition, existing: IndexDefinition): never =>
  fail(
    'IndexOptionsConflict',
    `An equivalent index already exists with the same name but different options. ${describeBoth(wanted, existing)}`,
  );

/**
 * The index with this key pattern.
 * @throws DatabaseError AmbiguousIndexKeyPattern when there are several
 */
export function onlyIndexByKey(collection: Collection, key: Document): CollectionIndex | undefined {
  const [index, another] = findIndexesByKey(collection, key);
  if (another) {
    fail('AmbiguousIndexKeyPattern', `several indexes have the key pattern ${JSON.stringify(key)}: use an index name`);
  }
  return index;
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

/** Whether two indexes that cannot exist together differ at most in their names, and in whether they are hidden. */
const isEquivalent = (left: IndexDefinition, right: IndexDefinition): boolean =>
  left.expireAfterSeconds === right.expireAfterSeconds;

const describeBoth = (wanted: IndexDefinition, existing: IndexDefinition): string =>
  `Requested index: ${JSON.stringify(wanted.spec)}, existing index: ${JSON.stringify(existing.spec)}`;

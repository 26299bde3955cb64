import { isDeepStrictEqual } from 'node:util';
import { encodeDocument } from '../bson/encode.js';
import { toNumber } from '../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { CollectionIndex } from '../engine/indexes/collection-index.js';
import { toIndexDefinition } from '../engine/indexes/index-definition.js';
import { ensurePartialFilter } from '../engine/indexes/partial-filter.js';
import { fail } from '../errors.js';
import { findIndexByKey } from './request/hint.js';
import {
  type Command,
  openTarget,
  type Request,
  requiredDocuments,
  targetCollection,
  targetName,
} from './request/request.js';

const MAX_INDEXES = 64;
const MAX_INDEX_FIELDS = 32;

/** Fields of a spec that make two indexes of one key pattern different. */
function comparable(spec: Document): Buffer {
  const { v: _v, name: _name, ...rest } = spec;
  return encodeDocument(rest);
}

const isSameIndex = (left: Document, right: Document): boolean => comparable(left).equals(comparable(right));

const numbersPlain = (key: Document): [string, unknown][] =>
  Object.entries(key).map(([path, value]) => [path, isNumeric(value) ? toNumber(value) : value]);

/**
 * The index that makes creating this one unnecessary.
 * @throws DatabaseError when another index is in the way
 */
function existingIndex(collection: Collection, spec: Document): CollectionIndex | undefined {
  const key = spec['key'] as Document;
  const name = String(spec['name']);
  const byName = collection.indexes.get(name);
  const wanted = toIndexDefinition(spec, collection.collation);
  if (byName) {
    const isSameKey = isDeepStrictEqual(numbersPlain(byName.definition.spec['key'] as Document), numbersPlain(key));
    if (!isSameKey || !isEquivalent(byName, wanted.spec)) {
      fail(
        'IndexKeySpecsConflict',
        `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${JSON.stringify(wanted.spec)}, existing index: ${JSON.stringify(byName.definition.spec)}`,
      );
    }
    return byName;
  }
  for (const index of collection.indexes.values()) {
    const { spec: existing, collation, partialFilter } = index.definition;
    const isSameKey = isDeepStrictEqual(numbersPlain(existing['key'] as Document), numbersPlain(key));
    if (!isSameKey) continue;
    // Indexes of one pattern may live beside each other when collation or filter tell them apart.
    const isDistinct =
      !isDeepStrictEqual(collation, wanted.collation) ||
      !isDeepStrictEqual(partialFilter, wanted.partialFilter) ||
      index.definition.isUnique !== wanted.isUnique ||
      index.definition.isSparse !== wanted.isSparse;
    if (isDistinct && !(index.name === '_id_')) continue;
    if (index.name === '_id_') return index;
    if (isEquivalent(index, wanted.spec))
      fail('IndexOptionsConflict', `Index already exists with a different name: ${index.name}`);
    fail(
      'IndexOptionsConflict',
      `An equivalent index already exists with the same name but different options. Requested index: ${JSON.stringify(wanted.spec)}, existing index: ${JSON.stringify(existing)}`,
    );
  }
  return undefined;
}

function isEquivalent(index: CollectionIndex, spec: Document): boolean {
  const plain = (given: Document): Document => ({
    ...given,
    key: Object.fromEntries(numbersPlain(given['key'] as Document)),
  });
  return isSameIndex(withoutFalse(plain(index.definition.spec)), withoutFalse(plain(spec)));
}

const withoutFalse = (spec: Document): Document =>
  Object.fromEntries(
    Object.entries(spec)
      .filter(([, value]) => value !== false)
      .sort(([left], [right]) => (left < right ? -1 : 1)),
  );

/** What MongoDB takes no index with, though one could be made: not asked of indexes that are there already. */
function ensureCreatable({ key, partialFilterExpression }: Document): void {
  if (isDocument(key) && Object.keys(key).length > MAX_INDEX_FIELDS) fail('Location13103', 'too many compound keys');
  if (isDocument(partialFilterExpression)) ensurePartialFilter(partialFilterExpression);
}

function createIndexes(request: Request): Document {
  const { engine } = request.state;
  const specs = requiredDocuments(request, 'indexes');
  if (specs.length === 0) fail('BadValue', 'Must specify at least one index to create');
  for (const spec of specs) ensureCreatable(spec);
  const existing = targetCollection(request);
  const collection = existing ?? openTarget(request, targetName(request));
  const before = collection.indexes.size;
  const wanted = specs.filter((spec) => existingIndex(collection, spec) === undefined);
  if (before + wanted.length > MAX_INDEXES) {
    fail('CannotCreateIndex', `add index fails, too many indexes for ${collection.namespace}`);
  }
  for (const spec of wanted) engine.createIndex(collection, spec);
  return {
    numIndexesBefore: before,
    numIndexesAfter: collection.indexes.size,
    createdCollectionAutomatically: !existing,
    ...(wanted.length === 0 && { note: 'all indexes already exist' }),
    ok: 1,
  };
}

const requiredCollection = (request: Request): Collection =>
  targetCollection(request) ?? fail('NamespaceNotFound', `ns not found ${request.database}.${targetName(request)}`);

function indexesToDrop(collection: Collection, given: unknown): CollectionIndex[] {
  const all = [...collection.indexes.values()].filter((index) => index.name !== '_id_');
  if (given === '*') return all;
  const names = Array.isArray(given) ? given : [given];
  return names.map((name) => {
    const index = isDocument(name) ? findIndexByKey(collection, name) : collection.indexes.get(String(name));
    if (!index) {
      return isDocument(name)
        ? fail('IndexNotFound', `can't find index with key: ${JSON.stringify(name)}`)
        : fail('IndexNotFound', `index not found with name [${String(name)}]`);
    }
    return index.name === '_id_' ? fail('InvalidOptions', 'cannot drop _id index') : index;
  });
}

function dropIndexes(request: Request): Document {
  const collection = requiredCollection(request);
  const before = collection.indexes.size;
  const given = request.command['index'];
  for (const index of indexesToDrop(collection, given)) request.state.engine.dropIndex(collection, index);
  return { nIndexesWas: before, ...(given === '*' && { msg: 'non-_id indexes dropped for collection' }), ok: 1 };
}

function listIndexes(request: Request): Document {
  const collection = requiredCollection(request);
  if (collection.createdBy) return fail('NamespaceNotFound', `ns does not exist: ${collection.namespace}`);
  const { cursor, ...options } = request.command;
  const batchSize =
    isDocument(cursor) && isNumeric(cursor['batchSize']) ? toNumber(cursor['batchSize']) : MAX_INDEXES + 1;
  return request.state.cursors.open({
    namespace: `${request.database}.$cmd.listIndexes.${String(options['listIndexes'])}`,
    documents: [...collection.indexes.values()].map((index) => index.definition.spec),
    batchSize,
    session: request.session,
  });
}

const DROP: Command = { fields: new Set(['index']), run: dropIndexes };

/** The commands about indexes. */
export const indexCommands: Readonly<Record<string, Command>> = {
  createIndexes: { fields: new Set(['indexes', 'commitQuorum']), isTransactional: true, run: createIndexes },
  dropIndexes: DROP,
  deleteIndexes: DROP,
  listIndexes: { fields: new Set(['cursor']), run: listIndexes },
};

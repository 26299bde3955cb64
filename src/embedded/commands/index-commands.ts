import { type Document, isDocument, typeOf } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { CollectionIndex } from '../engine/indexes/collection-index.js';
import { toIndexDefinition } from '../engine/indexes/index-definition.js';
import { ensurePartialFilter } from '../engine/indexes/partial-filter.js';
import { fail } from '../errors.js';
import { compileFilter } from '../query/filters/filter.js';
import { findEquivalent, findExistingIndex, onlyIndexByKey } from './existing-index.js';
import { cursorBatchSize, requiredDocuments } from './request/fields.js';
import type { Command, Request } from './request/request.js';
import { openTarget, targetCollection, targetName } from './request/target.js';

const MAX_INDEXES = 64;
const MAX_INDEX_FIELDS = 32;

/** Checks limits of MongoDB that apply to new indexes only. */
function ensureCreatable({ key, partialFilterExpression }: Document): void {
  if (isDocument(key) && Object.keys(key).length > MAX_INDEX_FIELDS) fail('Location13103', 'too many compound keys');
  if (!isDocument(partialFilterExpression)) return;
  compileFilter(partialFilterExpression, { bansExpr: true });
  ensurePartialFilter(partialFilterExpression);
}

function createIndexes(request: Request): Document {
  const { engine } = request.state;
  const specs = requiredDocuments(request, 'indexes');
  if (specs.length === 0) fail('BadValue', 'Must specify at least one index to create');
  for (const spec of specs) ensureCreatable(spec);
  const existing = targetCollection(request);
  const collection = existing ?? openTarget(request, targetName(request));
  const before = collection.indexes.size;
  const wanted = specs.filter((spec) => findExistingIndex(collection, spec) === undefined);
  ensureCompatible(wanted, collection);
  if (before + wanted.length > MAX_INDEXES) {
    fail('CannotCreateIndex', `add index fails, too many indexes for ${collection.namespace}`);
  }
  if (wanted.length > 0) ensureNewInTransaction(request, existing);
  for (const spec of wanted) engine.createIndex(collection, spec);
  return {
    numIndexesBefore: before,
    numIndexesAfter: collection.indexes.size,
    createdCollectionAutomatically: !existing,
    ...(wanted.length === 0 && { note: 'all indexes already exist' }),
    ok: 1,
  };
}

/** @throws DatabaseError OperationNotSupportedInTransaction for a collection that the transaction has not created itself */
function ensureNewInTransaction({ transaction }: Request, existing: Collection | undefined): void {
  if (!transaction || !existing || existing.createdBy === transaction) return;
  fail(
    'OperationNotSupportedInTransaction',
    `Cannot create new indexes on existing collection ${existing.namespace} in a multi-document transaction.`,
  );
}

/** @throws DatabaseError IndexOptionsConflict or IndexKeySpecsConflict for two specifications of one command that conflict */
function ensureCompatible(specs: readonly Document[], { collation }: Collection): void {
  const definitions = specs.map((spec) => toIndexDefinition(spec, collation));
  for (const [position, definition] of definitions.entries()) {
    findEquivalent(definitions.slice(0, position), definition);
  }
}

const requiredCollection = (request: Request): Collection =>
  targetCollection(request) ?? fail('NamespaceNotFound', `ns not found ${request.database}.${targetName(request)}`);

function indexesToDrop(collection: Collection, given: unknown): CollectionIndex[] {
  const all = [...collection.indexes.values()].filter((index) => index.name !== '_id_');
  if (given === '*') return all;
  if (given === undefined) fail('Location40414', "BSON field 'dropIndexes.index' is missing but a required field");
  const names = Array.isArray(given) ? given : [given];
  return names.map((name) => {
    const isKey = isDocument(name) && !Array.isArray(given);
    if (typeof name !== 'string' && !isKey) {
      fail('TypeMismatch', `BSON field 'dropIndexes.index' is the wrong type '${typeOf(given)}'`);
    }
    const index = isDocument(name) ? onlyIndexByKey(collection, name) : collection.indexes.get(String(name));
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
  return request.state.cursors.open({
    namespace: `${request.database}.$cmd.listIndexes.${collection.name}`,
    documents: [...collection.indexes.values()].map((index) => index.definition.spec),
    batchSize: cursorBatchSize(request) ?? MAX_INDEXES + 1,
    session: request.session,
  });
}

const DROP: Command = { fields: new Set(['index']), run: dropIndexes };

/** Commands on indexes. */
export const indexCommands: Readonly<Record<string, Command>> = {
  createIndexes: { fields: new Set(['indexes', 'commitQuorum']), isTransactional: true, run: createIndexes },
  dropIndexes: DROP,
  deleteIndexes: DROP,
  listIndexes: { fields: new Set(['cursor']), run: listIndexes },
};

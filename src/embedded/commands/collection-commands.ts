import { createHash } from 'node:crypto';
import { Binary, Long } from 'bson';
import { toNumber } from '../bson/numbers.js';
import { type Document, isDocument, isNumeric, typeOf } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { CollectionIndex } from '../engine/indexes/collection-index.js';
import { ensureKnownFields, fail } from '../errors.js';
import { compileFilter } from '../query/filters/filter.js';
import { onlyIndexByKey } from './existing-index.js';
import { cursorBatchSize, ensureNotGiven, isSet, optionalDocument, requiredString } from './request/fields.js';
import { type Command, NO_FIELDS, type Request } from './request/request.js';
import { targetCollection, targetName, toNamespace } from './request/target.js';
import { sizeOf } from './statistics-commands.js';

/** Options of `create` that are stored and reported. */
const KEPT_OPTIONS = ['collation', 'capped', 'size', 'max', 'validationLevel', 'validationAction'] as const;
const UNSUPPORTED_OPTIONS = [
  'timeseries',
  'clusteredIndex',
  'expireAfterSeconds',
  'viewOn',
  'pipeline',
  'encryptedFields',
  'validator',
] as const;
const IGNORED_OPTIONS = [
  'storageEngine',
  'indexOptionDefaults',
  'idIndex',
  'autoIndexId',
  'changeStreamPreAndPostImages',
] as const;

function create(request: Request): Document {
  const { state, database } = request;
  const name = targetName(request);
  ensureNotGiven(request, UNSUPPORTED_OPTIONS);
  const options = toStoredOptions(request.command);
  const existing = state.engine.collection(database, name);
  if (!existing) state.engine.createCollection({ database, name }, options, request.transaction);
  else if (request.transaction || JSON.stringify(existing.options) !== JSON.stringify(options)) {
    fail(
      'NamespaceExists',
      `namespace ${database}.${name} already exists, but with different options: ${JSON.stringify(existing.options)}`,
    );
  }
  return { ok: 1 };
}

function toStoredOptions(command: Document): Document {
  const options: Document = {};
  for (const option of KEPT_OPTIONS) if (command[option] !== undefined) options[option] = command[option];
  if (options['capped'] === false) delete options['capped'];
  if (!options['capped'] && (options['size'] !== undefined || options['max'] !== undefined)) {
    fail('InvalidOptions', "the 'capped' field needs to be true when either the 'size' or 'max' fields are present");
  }
  if (options['capped'] && !isNumeric(options['size'])) {
    fail('InvalidOptions', "the 'size' field is required when 'capped' is true");
  }
  const { size, max } = options;
  if (isNumeric(size) && toNumber(size) < 1) {
    fail('Location51024', `BSON field 'size' value must be >= 1, actual value '${toNumber(size)}'`);
  }
  if (max !== undefined && !isNumeric(max)) {
    fail('TypeMismatch', `BSON field 'create.max' is the wrong type '${typeOf(max)}'`);
  }
  return options;
}

function drop(request: Request): Document {
  const collection = targetCollection(request);
  // Since MongoDB 7, dropping a collection that does not exist is not an error.
  if (!collection) return { ok: 1 };
  const { namespace, indexes } = collection;
  request.state.engine.dropCollection(collection);
  request.state.cursors.killOfNamespace(namespace);
  return { nIndexesWas: indexes.size, ns: namespace, ok: 1 };
}

function dropDatabase({ state, database }: Request): Document {
  const collections = state.engine.collectionsOf(database);
  for (const collection of collections) {
    state.engine.dropCollection(collection);
    state.cursors.killOfNamespace(collection.namespace);
  }
  return collections.length > 0 ? { dropped: database, ok: 1 } : { ok: 1 };
}

function renameCollection(request: Request): Document {
  const { engine } = request.state;
  const from = toNamespace(requiredString(request, 'renameCollection'));
  const to = toNamespace(requiredString(request, 'to'));
  const collection =
    engine.collection(from.database, from.name) ??
    fail('NamespaceNotFound', `Source collection ${from.database}.${from.name} does not exist`);
  const target = engine.collection(to.database, to.name);
  if (target === collection) fail('IllegalOperation', "Can't rename a collection to itself");
  if (target && !isSet(request.command, 'dropTarget')) fail('NamespaceExists', 'target namespace exists');
  if (target) engine.dropCollection(target);
  engine.renameCollection(collection, to);
  return { ok: 1 };
}

/** The UUID of a collection, derived from its id and namespace. */
const uuidOf = ({ id, namespace }: Collection): Binary =>
  new Binary(createHash('md5').update(`${id} ${namespace}`).digest(), Binary.SUBTYPE_UUID);

function listCollections(request: Request): Document {
  const { command, state, database, session } = request;
  const matcher = compileFilter(optionalDocument(request, 'filter') ?? {});
  const isNameOnly = isSet(command, 'nameOnly');
  const documents = state.engine
    .collectionsOf(database)
    .filter(({ createdBy }) => createdBy === undefined)
    .map((collection) => ({
      name: collection.name,
      type: 'collection',
      options: collection.options,
      info: { readOnly: false, uuid: uuidOf(collection) },
      idIndex: collection.indexes.get('_id_')?.definition.spec ?? {},
    }))
    .filter((document) => matcher.matches(document))
    .map((document) => (isNameOnly ? { name: document.name, type: document.type } : document));
  return state.cursors.open({
    namespace: `${database}.$cmd.listCollections`,
    documents,
    batchSize: cursorBatchSize(request),
    session,
  });
}

function listDatabases(request: Request): Document {
  const { engine } = request.state;
  const matcher = compileFilter(optionalDocument(request, 'filter') ?? {});
  const databases = engine
    .databaseNames()
    .sort()
    .map((name) => {
      const sizeOnDisk = sizeOf(engine.collectionsOf(name));
      return { name, sizeOnDisk: Long.fromNumber(sizeOnDisk), empty: false };
    })
    .filter((document) => matcher.matches(document));
  if (isSet(request.command, 'nameOnly')) return { databases: databases.map(({ name }) => ({ name })), ok: 1 };
  const totalSize = databases.reduce((sum, { sizeOnDisk }) => sum + sizeOnDisk.toNumber(), 0);
  return {
    databases,
    totalSize: Long.fromNumber(totalSize),
    totalSizeMb: Long.fromNumber(Math.floor(totalSize / 2 ** 20)),
    ok: 1,
  };
}

function collMod(request: Request): Document {
  const { state, database } = request;
  const collection =
    targetCollection(request) ?? fail('NamespaceNotFound', `ns does not exist: ${database}.${targetName(request)}`);
  ensureNotGiven(request, ['validator', 'viewOn', 'pipeline', 'timeseries', 'cappedSize', 'cappedMax']);
  const change = optionalDocument(request, 'index');
  if (!change) return { ok: 1 };
  const index = findIndex(collection, change);
  const { spec, isHidden, expireAfterSeconds } = index.definition;
  const reply: Document = { ok: 1 };
  const changed = { ...spec };
  const seconds = toExpireChange(change, index);
  if (seconds !== undefined) {
    if (expireAfterSeconds !== undefined) reply['expireAfterSeconds_old'] = spec['expireAfterSeconds'];
    reply['expireAfterSeconds_new'] = seconds;
    changed['expireAfterSeconds'] = seconds;
  }
  const hidden = toHiddenChange(change, index);
  if (hidden !== undefined) {
    Object.assign(reply, { hidden_old: isHidden, hidden_new: hidden });
    changed['hidden'] = hidden;
  }
  state.engine.replaceIndexSpec(collection, index, changed);
  return reply;
}

/** @throws DatabaseError TypeMismatch or InvalidOptions */
function toExpireChange({ expireAfterSeconds }: Document, { definition }: CollectionIndex): unknown {
  if (expireAfterSeconds === undefined) return undefined;
  if (!isNumeric(expireAfterSeconds)) {
    return fail('TypeMismatch', "BSON field 'collMod.index.expireAfterSeconds' is the wrong type");
  }
  if (definition.fields.length > 1) {
    fail('InvalidOptions', 'TTL indexes are single-field indexes, compound indexes do not support TTL');
  }
  if (!(toNumber(expireAfterSeconds) >= 0))
    fail('InvalidOptions', 'TTL index expireAfterSeconds cannot be less than 0');
  return expireAfterSeconds;
}

/** Undefined also when the index already is as wanted. @throws DatabaseError TypeMismatch, or BadValue for `_id_` */
function toHiddenChange({ hidden }: Document, { name, definition }: CollectionIndex): boolean | undefined {
  if (hidden === undefined) return undefined;
  if (typeof hidden !== 'boolean' && !isNumeric(hidden)) {
    return fail('TypeMismatch', "BSON field 'collMod.index.hidden' is the wrong type");
  }
  const isWanted = hidden === true || (isNumeric(hidden) && toNumber(hidden) !== 0);
  if (name === '_id_') fail('BadValue', "can't hide _id index");
  return isWanted === definition.isHidden ? undefined : isWanted;
}

const CHANGE_FIELDS = new Set(['name', 'keyPattern', 'expireAfterSeconds', 'hidden', 'unique', 'prepareUnique']);

/** The index that `collMod` names by key pattern or by name. @throws DatabaseError IndexNotFound or InvalidOptions */
function findIndex(collection: Collection, change: Document): CollectionIndex {
  ensureKnownFields(change, CHANGE_FIELDS, 'collMod.index');
  const { keyPattern, name, unique, prepareUnique, expireAfterSeconds, hidden } = change;
  if (name !== undefined && keyPattern !== undefined)
    fail('InvalidOptions', 'Cannot specify both key pattern and name.');
  if (name === undefined && keyPattern === undefined) {
    fail('InvalidOptions', 'Must specify either index name or key pattern.');
  }
  if (unique !== undefined || prepareUnique !== undefined) {
    fail(
      'CommandNotSupported',
      "collMod's options index.unique and index.prepareUnique are not supported by this database",
    );
  }
  if (expireAfterSeconds === undefined && hidden === undefined) {
    fail('InvalidOptions', 'no expireAfterSeconds, hidden, unique, or prepareUnique field');
  }
  const index = isDocument(keyPattern) ? onlyIndexByKey(collection, keyPattern) : collection.indexes.get(String(name));
  return (
    index ??
    fail(
      'IndexNotFound',
      `cannot find index ${String(name ?? JSON.stringify(keyPattern))} for ns ${collection.namespace}`,
    )
  );
}

/** Commands on collections and databases. */
export const collectionCommands: Readonly<Record<string, Command>> = {
  create: {
    fields: new Set([...KEPT_OPTIONS, ...UNSUPPORTED_OPTIONS, ...IGNORED_OPTIONS]),
    isTransactional: true,
    run: create,
  },
  drop: { fields: NO_FIELDS, run: drop },
  dropDatabase: { fields: NO_FIELDS, run: dropDatabase },
  renameCollection: { fields: new Set(['to', 'dropTarget']), isAdminOnly: true, run: renameCollection },
  listCollections: {
    fields: new Set(['filter', 'nameOnly', 'authorizedCollections', 'cursor']),
    run: listCollections,
  },
  listDatabases: {
    fields: new Set(['filter', 'nameOnly', 'authorizedDatabases']),
    isAdminOnly: true,
    run: listDatabases,
  },
  collMod: {
    fields: new Set([
      'index',
      'validator',
      'validationLevel',
      'validationAction',
      'viewOn',
      'pipeline',
      'timeseries',
      'cappedSize',
      'cappedMax',
      'changeStreamPreAndPostImages',
    ]),
    run: collMod,
  },
};

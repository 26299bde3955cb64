import { Double } from 'bson';
import { toNumber } from '../bson/numbers.js';
import { type Document, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import { fail } from '../errors.js';
import { ensureNotGiven, requiredString } from './request/fields.js';
import type { Command, Request } from './request/request.js';
import { targetCollection, targetName, toNamespace } from './request/target.js';

/** The unit of the sizes in a reply, in bytes. @throws DatabaseError TypeMismatch, or Location51024 below 1 */
function toScale(given: unknown): number {
  if (given === undefined || given === null) return 1;
  if (!isNumeric(given)) return fail('TypeMismatch', "BSON field 'scale' is the wrong type, expected type 'long'");
  const scale = Math.trunc(toNumber(given));
  return scale >= 1 ? scale : fail('Location51024', `BSON field 'scale' value must be >= 1, actual value '${scale}'`);
}

/** Data is in memory and indexes are not measured, so the size of the documents stands for the storage. */
const NO_INDEX_BYTES = 0;

/** The statistics of a collection for `collStats` and the stage `$collStats`; zeros when there is no collection. */
export function describeStorage(namespace: string, collection: Collection | undefined, givenScale?: unknown): Document {
  const scale = toScale(givenScale);
  const bytes = collection?.dataBytes ?? 0;
  const count = collection?.records.size ?? 0;
  const { max, size: maxSize } = collection?.options ?? {};
  const indexNames = [...(collection?.indexes.keys() ?? [])];
  const size = Math.trunc(bytes / scale);
  return {
    ns: namespace,
    size,
    count,
    ...(count > 0 && { avgObjSize: Math.round(bytes / count) }),
    numOrphanDocs: 0,
    storageSize: size,
    freeStorageSize: 0,
    capped: collection?.isCapped ?? false,
    ...(max !== undefined && { max }),
    ...(maxSize !== undefined && { maxSize }),
    nindexes: indexNames.length,
    indexBuilds: [],
    totalIndexSize: NO_INDEX_BYTES,
    totalSize: size,
    indexSizes: Object.fromEntries(indexNames.map((name) => [name, NO_INDEX_BYTES])),
    indexDetails: {},
    scaleFactor: scale,
  };
}

function collStats(request: Request): Document {
  const namespace = `${request.database}.${targetName(request)}`;
  return { ...describeStorage(namespace, targetCollection(request), request.command['scale']), ok: 1 };
}

/** The size of the documents in collections, in bytes. */
export const sizeOf = (collections: readonly Collection[]): number =>
  collections.reduce((sum, { dataBytes }) => sum + dataBytes, 0);

function dbStats({ state, database, command }: Request): Document {
  const scale = toScale(command['scale']);
  const collections = state.engine.collectionsOf(database);
  const objects = collections.reduce((sum, { records }) => sum + records.size, 0);
  const bytes = sizeOf(collections);
  const size = new Double(bytes / scale);
  return {
    db: database,
    collections: collections.length,
    views: 0,
    objects,
    avgObjSize: new Double(objects > 0 ? bytes / objects : 0),
    dataSize: size,
    storageSize: size,
    freeStorageSize: new Double(0),
    indexes: collections.reduce((sum, { indexes }) => sum + indexes.size, 0),
    indexSize: new Double(NO_INDEX_BYTES),
    indexFreeStorageSize: new Double(0),
    totalSize: size,
    totalFreeStorageSize: new Double(0),
    scaleFactor: scale,
    ok: 1,
  };
}

function dataSize(request: Request): Document {
  ensureNotGiven(request, ['keyPattern', 'min', 'max']);
  const { database, name } = toNamespace(requiredString(request, 'dataSize'));
  const collection = request.state.engine.collection(database, name);
  return {
    estimate: false,
    size: collection?.dataBytes ?? 0,
    numObjects: collection?.records.size ?? 0,
    millis: 0,
    ok: 1,
  };
}

const COLL_STATS: Command = { fields: new Set(['scale']), run: collStats };
const DB_STATS: Command = { fields: new Set(['scale', 'freeStorage']), run: dbStats };
const DATA_SIZE: Command = { fields: new Set(['keyPattern', 'min', 'max', 'estimate']), run: dataSize };

/** Commands that measure collections and databases, in the spellings of tools. */
export const statisticsCommands: Readonly<Record<string, Command>> = {
  collStats: COLL_STATS,
  collstats: COLL_STATS,
  dbStats: DB_STATS,
  dbstats: DB_STATS,
  dataSize: DATA_SIZE,
  datasize: DATA_SIZE,
};

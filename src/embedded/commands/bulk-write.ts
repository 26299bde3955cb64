import { toNumber } from '../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { Writer } from '../engine/writer.js';
import { fail, toDatabaseError } from '../errors.js';
import { MAX_WRITE_BATCH_SIZE } from './handshake.js';
import { type Command, collationOf, isSet, type Request, requiredDocuments, variablesOf } from './request.js';
import { createProgress, createStatementRunner, performDelete, performUpdate, withId } from './statements.js';
import { ensureTarget, isFatal, isReplacement, toArrayFilters, toUpdate } from './write.js';

type Kind = 'insert' | 'update' | 'delete';

/** The field that holds an operation's namespace tells its kind, and which other fields it takes. */
const FIELDS: Readonly<Record<Kind, ReadonlySet<string>>> = {
  insert: new Set(['insert', 'document']),
  update: new Set([
    'update',
    'filter',
    'updateMods',
    'multi',
    'upsert',
    'collation',
    'arrayFilters',
    'hint',
    'constants',
    'sort',
  ]),
  delete: new Set(['delete', 'filter', 'multi', 'collation', 'hint']),
};

interface Operation {
  readonly kind: Kind;
  readonly given: Document;
  readonly collection: Collection;
}

const collectionsOf = (request: Request): Collection[] =>
  requiredDocuments(request, 'nsInfo').map(({ ns }) => {
    const namespace = String(ns);
    const dot = namespace.indexOf('.');
    if (dot <= 0) return fail('InvalidNamespace', `Invalid namespace specified '${namespace}'`);
    return ensureTarget({ ...request, database: namespace.slice(0, dot) }, namespace.slice(dot + 1));
  });

const toOperation = (given: Document, collections: readonly Collection[]): Operation => {
  const kind = (['insert', 'update', 'delete'] as const).find((name) => name in given);
  if (!kind) return fail('FailedToParse', 'A bulkWrite operation must be an insert, an update or a delete');
  for (const field of Object.keys(given)) {
    if (!FIELDS[kind].has(field)) fail('Location40415', `BSON field 'bulkWrite.ops.${field}' is an unknown field.`);
  }
  const position = given[kind];
  const collection = isNumeric(position) ? collections[toNumber(position)] : undefined;
  return collection
    ? { kind, given, collection }
    : fail('BadValue', `BulkWrite ops entry has an invalid nsInfo index ${String(position)}.`);
};

const filterOf = ({ filter }: Document): Document =>
  isDocument(filter)
    ? filter
    : fail('Location40414', "BSON field 'bulkWrite.ops.filter' is missing but a required field");

const perform = (request: Request, { kind, given, collection }: Operation, writer: Writer): Document => {
  if (kind === 'insert') {
    if (!isDocument(given['document']))
      return fail('Location40414', "BSON field 'bulkWrite.ops.document' is missing but a required field");
    writer.insert(collection, withId(given['document']));
    return { n: 1 };
  }
  const common = {
    filter: filterOf(given),
    isMulti: isSet(given, 'multi'),
    hint: given['hint'],
    collation: collationOf(given['collation'], collection),
    variables: variablesOf(request),
    progress: createProgress(),
  };
  if (kind === 'delete') return { n: performDelete(request, collection, { statement: common, writer }).deleted };
  const update = toUpdate(given['updateMods'], 'bulkWrite.ops.updateMods');
  if (common.isMulti && !Array.isArray(update) && isReplacement(update)) {
    fail('FailedToParse', 'multi update is not supported for replacement-style update');
  }
  const statement = {
    ...common,
    update,
    isUpsert: isSet(given, 'upsert'),
    sort: isDocument(given['sort']) ? given['sort'] : undefined,
    arrayFilters: toArrayFilters(given['arrayFilters']),
    variables: isDocument(given['constants']) ? { ...common.variables, ...given['constants'] } : common.variables,
  };
  const { matched, modified, upserted } = performUpdate(request, collection, { statement, writer });
  return {
    n: matched + (upserted ? 1 : 0),
    nModified: modified,
    ...(upserted && { upserted: { _id: upserted['_id'] } }),
  };
};

/** Totals of a bulkWrite by the names its reply has for them. */
const createTotals = (): Record<
  'nErrors' | 'nInserted' | 'nUpserted' | 'nMatched' | 'nModified' | 'nDeleted',
  number
> => ({
  nErrors: 0,
  nInserted: 0,
  nUpserted: 0,
  nMatched: 0,
  nModified: 0,
  nDeleted: 0,
});

const addTo = (totals: ReturnType<typeof createTotals>, kind: Kind, result: Document): void => {
  const count = result['n'] as number;
  if (kind === 'insert') totals.nInserted += count;
  else if (kind === 'delete') totals.nDeleted += count;
  else {
    const isUpsert = result['upserted'] !== undefined;
    totals.nUpserted += isUpsert ? 1 : 0;
    totals.nMatched += isUpsert ? 0 : count;
    totals.nModified += result['nModified'] as number;
  }
};

/** The bulkWrite command of MongoDB 8: inserts, updates and deletes over several collections. */
const bulkWrite = async (request: Request): Promise<Document> => {
  const { command, state, session, transaction } = request;
  if (request.database !== 'admin') fail('Unauthorized', 'bulkWrite may only be run against the admin database.');
  const given = requiredDocuments(request, 'ops');
  if (given.length === 0 || given.length > MAX_WRITE_BATCH_SIZE) {
    fail(
      'InvalidLength',
      `Write batch sizes must be between 1 and ${MAX_WRITE_BATCH_SIZE}. Got ${given.length} operations.`,
    );
  }
  const collections = collectionsOf(request);
  const isOrdered = command['ordered'] !== false;
  const isErrorsOnly = isSet(command, 'errorsOnly');
  const runner = createStatementRunner(request);
  const results: Document[] = [];
  const totals = createTotals();
  try {
    for (const [index, document] of given.entries()) {
      try {
        const operation = toOperation(document, collections);
        const result = await runner.run(index, (writer) => perform(request, operation, writer));
        addTo(totals, operation.kind, result);
        if (!isErrorsOnly) results.push({ ok: 1, idx: index, ...result });
      } catch (error) {
        const databaseError = toDatabaseError(error);
        if (isFatal(databaseError)) throw databaseError;
        const { code, message, extra } = databaseError;
        totals.nErrors += 1;
        results.push({ ok: 0, idx: index, code, errmsg: message, ...extra, n: 0 });
        if (isOrdered || transaction) break;
      }
    }
  } finally {
    runner.finish();
  }
  const cursor = isDocument(command['cursor']) ? command['cursor'] : {};
  const reply = state.cursors.open({
    namespace: 'admin.$cmd.bulkWrite',
    documents: results,
    batchSize: isNumeric(cursor['batchSize']) ? toNumber(cursor['batchSize']) : Number.POSITIVE_INFINITY,
    session,
    isOwner: true,
  });
  return { ...reply, ...totals };
};

export const bulkWriteCommands: Readonly<Record<string, Command>> = {
  bulkWrite: {
    fields: new Set(['ops', 'nsInfo', 'ordered', 'errorsOnly', 'cursor', 'bypassDocumentValidation', 'let']),
    isTransactional: true,
    run: bulkWrite,
  },
};

import { toNumber } from '../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { Namespace } from '../engine/database.js';
import type { Writer } from '../engine/writer.js';
import { fail } from '../errors.js';
import {
  type Command,
  collationOf,
  isSet,
  type Request,
  requiredDocuments,
  toNamespace,
  variablesOf,
} from './request/request.js';
import { requiredStatements, runBatch } from './statements/statement-batch.js';
import { toArrayFilters, toUpdate } from './statements/statement-fields.js';
import {
  createProgress,
  createStatementRunner,
  performDelete,
  performUpdate,
  toUpdateResult,
  withId,
} from './statements/statement-runner.js';

const KINDS = ['insert', 'update', 'delete'] as const;

type Kind = (typeof KINDS)[number];

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
  /** Absent when there is none and the operation makes none. */
  readonly collection: Collection | undefined;
}

const namespacesOf = (request: Request): Namespace[] =>
  requiredDocuments(request, 'nsInfo').map(({ ns }) => toNamespace(String(ns)));

const kindOf = (given: Document): Kind =>
  KINDS.find((kind) => fieldOf(given, kind) !== undefined) ??
  fail('FailedToParse', 'A bulkWrite operation must be an insert, an update or a delete');

function toOperation(request: Request, given: Document, namespaces: readonly Namespace[]): Operation {
  const kind = kindOf(given);
  for (const field of Object.keys(given)) {
    if (!FIELDS[kind].has(field)) fail('Location40415', `BSON field 'bulkWrite.ops.${field}' is an unknown field.`);
  }
  const position = given[kind];
  const namespace = isNumeric(position) ? namespaces[toNumber(position)] : undefined;
  if (!namespace) return fail('BadValue', `BulkWrite ops entry has an invalid nsInfo index ${String(position)}.`);
  const { engine } = request.state;
  const makes = kind === 'insert' || isSet(given, 'upsert');
  const collection = makes
    ? engine.openCollection(namespace, request.transaction)
    : engine.collection(namespace.database, namespace.name);
  return { kind, given, collection };
}

const filterOf = ({ filter }: Document): Document =>
  isDocument(filter)
    ? filter
    : fail('Location40414', "BSON field 'bulkWrite.ops.filter' is missing but a required field");

function perform(request: Request, { kind, given, collection }: Operation, writer: Writer): Document {
  if (kind === 'insert') {
    if (!isDocument(given['document']))
      return fail('Location40414', "BSON field 'bulkWrite.ops.document' is missing but a required field");
    if (collection) writer.insert(collection, withId(given['document']));
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
  if (kind === 'delete') {
    return { n: collection ? performDelete(request, collection, { statement: common, writer }).deleted : 0 };
  }
  const statement = {
    ...common,
    update: toUpdate(given['updateMods'], 'bulkWrite.ops.updateMods'),
    isUpsert: isSet(given, 'upsert'),
    sort: isDocument(given['sort']) ? given['sort'] : undefined,
    arrayFilters: toArrayFilters(given['arrayFilters']),
    variables: isDocument(given['constants']) ? { ...common.variables, ...given['constants'] } : common.variables,
  };
  return toUpdateResult(performUpdate(request, collection, { statement, writer }));
}

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

function addTo(totals: ReturnType<typeof createTotals>, kind: Kind, result: Document): void {
  const count = result['n'] as number;
  if (kind === 'insert') totals.nInserted += count;
  else if (kind === 'delete') totals.nDeleted += count;
  else {
    const isUpsert = result['upserted'] !== undefined;
    totals.nUpserted += isUpsert ? 1 : 0;
    totals.nMatched += isUpsert ? 0 : count;
    totals.nModified += result['nModified'] as number;
  }
}

/** The bulkWrite command of MongoDB 8: inserts, updates and deletes over several collections. */
async function bulkWrite(request: Request): Promise<Document> {
  const { command, state, session } = request;
  if (request.database !== 'admin') fail('Unauthorized', 'bulkWrite may only be run against the admin database.');
  const operations = requiredStatements(request, 'ops');
  const namespaces = namespacesOf(request);
  const isErrorsOnly = isSet(command, 'errorsOnly');
  const runner = createStatementRunner(request);
  const results: Document[] = [];
  const totals = createTotals();
  try {
    await runBatch(request, operations, {
      perform: (given, index) => {
        const operation = toOperation(request, given, namespaces);
        return runner.run(index, (writer) => perform(request, operation, writer));
      },
      onDone: (result, index) => {
        addTo(totals, kindOf(operations[index] as Document), result);
        if (!isErrorsOnly) results.push({ ok: 1, idx: index, ...result });
      },
      onError: ({ code, message, extra }, index) => {
        totals.nErrors += 1;
        results.push({ ok: 0, idx: index, code, errmsg: message, ...extra, n: 0 });
      },
    });
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
}

/** The command of MongoDB 8 that drivers use for `bulkWrite` of a client. */
export const bulkWriteCommands: Readonly<Record<string, Command>> = {
  bulkWrite: {
    fields: new Set(['ops', 'nsInfo', 'ordered', 'errorsOnly', 'cursor', 'bypassDocumentValidation', 'let']),
    isTransactional: true,
    run: bulkWrite,
  },
};

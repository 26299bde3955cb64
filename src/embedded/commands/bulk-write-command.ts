import { toNumber } from '../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { Namespace } from '../engine/database.js';
import type { Writer } from '../engine/writer.js';
import { ensureKnownFields, fail } from '../errors.js';
import { FAILED, SUCCEEDED } from '../wire/reply.js';
import { booleanOf, documentOf } from './request/field-types.js';
import { collationOf, cursorBatchSize, isSet, requiredDocuments, variablesOf } from './request/fields.js';
import type { Command, Request } from './request/request.js';
import { toNamespace } from './request/target.js';
import { performDelete } from './statements/delete-statement.js';
import { toArrayFilters, toUpdate } from './statements/parse-statement.js';
import { requiredStatements, runStatements } from './statements/run-statements.js';
import { createProgress, type TargetStatement } from './statements/statement-targets.js';
import { toStoredDocument } from './statements/stored-document.js';
import { performUpdate, toUpdateResult } from './statements/update-statement.js';

const KINDS = ['insert', 'update', 'delete'] as const;

type Kind = (typeof KINDS)[number];

/** The fields of each kind of operation. The field that names the kind contains the index of the namespace. */
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
  /** Undefined when it does not exist and the operation does not create it. */
  readonly collection: Collection | undefined;
}

const namespacesOf = (request: Request): Namespace[] =>
  requiredDocuments(request, 'nsInfo').map(({ ns }) => toNamespace(String(ns)));

const kindOf = (given: Document): Kind =>
  KINDS.find((kind) => fieldOf(given, kind) !== undefined) ??
  fail('FailedToParse', 'A bulkWrite operation must be an insert, an update or a delete');

function toOperation(request: Request, given: Document, namespaces: readonly Namespace[]): Operation {
  const kind = kindOf(given);
  ensureKnownFields(given, FIELDS[kind], 'bulkWrite.ops');
  const position = given[kind];
  const namespace = isNumeric(position) ? namespaces[toNumber(position)] : undefined;
  if (!namespace) return fail('BadValue', `BulkWrite ops entry has an invalid nsInfo index ${String(position)}.`);
  const { engine } = request.state;
  const isCreating = kind === 'insert' || booleanOf(given, 'upsert', 'bulkWrite.ops');
  const collection = isCreating
    ? engine.openCollection(namespace, request.transaction)
    : engine.collection(namespace.database, namespace.name);
  return { kind, given, collection };
}

const filterOf = ({ filter }: Document): Document =>
  isDocument(filter)
    ? filter
    : fail('Location40414', "BSON field 'bulkWrite.ops.filter' is missing but a required field");

function perform(request: Request, operation: Operation, writer: Writer): Document {
  const { kind, given, collection } = operation;
  if (kind === 'insert') return performInsert(operation, writer);
  const statement: TargetStatement = {
    filter: filterOf(given),
    isMulti: booleanOf(given, 'multi', 'bulkWrite.ops'),
    hint: given['hint'],
    collation: collationOf(given['collation'], collection),
    variables: variablesOf(request),
    progress: createProgress(),
  };
  if (kind === 'delete') {
    return { n: collection ? performDelete(request, collection, { statement, writer }).deleted : 0 };
  }
  const constants = documentOf(given, 'constants', 'bulkWrite.ops');
  const outcome = performUpdate(request, collection, {
    statement: {
      ...statement,
      update: toUpdate(given['updateMods'], 'bulkWrite.ops.updateMods'),
      isUpsert: booleanOf(given, 'upsert', 'bulkWrite.ops'),
      sort: documentOf(given, 'sort', 'bulkWrite.ops'),
      arrayFilters: toArrayFilters(given['arrayFilters']),
      variables: constants ? { ...statement.variables, ...constants } : statement.variables,
    },
    writer,
  });
  return toUpdateResult(outcome);
}

function performInsert({ given, collection }: Operation, writer: Writer): Document {
  const { document } = given;
  if (!isDocument(document)) {
    return fail('Location40414', "BSON field 'bulkWrite.ops.document' is missing but a required field");
  }
  if (collection) writer.insert(collection, toStoredDocument(document));
  return { n: 1 };
}

/** The totals of a bulkWrite, by their names in the reply. */
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

async function bulkWrite(request: Request): Promise<Document> {
  const { command, state, session } = request;
  const operations = requiredStatements(request, 'ops');
  const namespaces = namespacesOf(request);
  const isErrorsOnly = isSet(command, 'errorsOnly');
  const results: Document[] = [];
  const totals = createTotals();
  await runStatements(request, operations, {
    perform: (given, writer) => perform(request, toOperation(request, given, namespaces), writer),
    onDone: (result, index) => {
      addTo(totals, kindOf(operations[index] as Document), result);
      if (!isErrorsOnly) results.push({ ok: SUCCEEDED, idx: index, ...result });
    },
    onError: ({ code, message, extra }, index) => {
      totals.nErrors += 1;
      results.push({ ok: FAILED, idx: index, code, errmsg: message, ...extra, n: 0 });
    },
  });
  const reply = state.cursors.open({
    namespace: 'admin.$cmd.bulkWrite',
    documents: results,
    batchSize: cursorBatchSize(request) ?? Number.POSITIVE_INFINITY,
    session,
    isOwner: true,
  });
  return { ...reply, ...totals };
}

/** The command `bulkWrite` of MongoDB 8: inserts, updates and deletes in several collections. */
export const bulkWriteCommands: Readonly<Record<string, Command>> = {
  bulkWrite: {
    fields: new Set(['ops', 'nsInfo', 'ordered', 'errorsOnly', 'cursor', 'bypassDocumentValidation', 'let']),
    isTransactional: true,
    isAdminOnly: true,
    run: bulkWrite,
  },
};

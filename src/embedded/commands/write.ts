import { toNumber } from '../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import { type DatabaseError, fail, toDatabaseError } from '../errors.js';
import { MAX_WRITE_BATCH_SIZE } from './handshake.js';
import {
  type Command,
  collationOf,
  isSet,
  type Request,
  requiredDocuments,
  targetName,
  variablesOf,
} from './request.js';
import {
  createProgress,
  createStatementRunner,
  type DeleteStatement,
  performDelete,
  performUpdate,
  type UpdateStatement,
  withId,
} from './statements.js';

/** The collection a write goes to; it comes into being with the first write. */
export const ensureTarget = ({ state, database, transaction }: Request, name: string): Collection => {
  const existing = state.engine.collection(database, name);
  return existing ?? state.engine.createCollectionIn(transaction, { database, name }, {});
};

/** Whether an error is about the whole command, not about the one statement it came up in. */
export const isFatal = (error: DatabaseError): boolean =>
  error.errorLabels.length > 0 ||
  ['InternalError', 'OutOfDiskSpace', 'MaxTimeMSExpired', 'ShutdownInProgress', 'TransactionTooLarge'].includes(
    error.codeName,
  );

const toWriteError = (index: number, { code, message, extra }: DatabaseError): Document => ({
  index,
  code,
  errmsg: message,
  ...extra,
});

/** What to do with each statement of a command. It waits only for locks: most never do. */
interface Statements {
  readonly perform: (statement: Document, index: number) => Document | Promise<Document>;
  readonly onDone: (result: Document, index: number) => void;
}

/** Runs statements in order; a failing one ends an ordered command and is passed over in an unordered one. */
const runStatements = async (
  request: Request,
  statements: readonly Document[],
  { perform, onDone }: Statements,
): Promise<Document[]> => {
  const { command, transaction } = request;
  if (statements.length === 0 || statements.length > MAX_WRITE_BATCH_SIZE) {
    fail(
      'InvalidLength',
      `Write batch sizes must be between 1 and ${MAX_WRITE_BATCH_SIZE}. Got ${statements.length} operations.`,
    );
  }
  const isOrdered = command['ordered'] !== false;
  const errors: Document[] = [];
  for (const [index, statement] of statements.entries()) {
    try {
      const result = perform(statement, index);
      onDone(result instanceof Promise ? await result : result, index);
    } catch (error) {
      const databaseError = toDatabaseError(error);
      if (isFatal(databaseError)) throw databaseError;
      errors.push(toWriteError(index, databaseError));
      // A transaction in which a write failed is over.
      if (isOrdered || transaction) break;
    }
  }
  return errors;
};

const withErrors = (reply: Document, errors: readonly Document[]): Document =>
  errors.length > 0 ? { ...reply, writeErrors: errors, ok: 1 } : { ...reply, ok: 1 };

const insert = async (request: Request): Promise<Document> => {
  const documents = requiredDocuments(request, 'documents');
  const collection = ensureTarget(request, targetName(request));
  const runner = createStatementRunner(request);
  let inserted = 0;
  try {
    const errors = await runStatements(request, documents, {
      perform: (document, index) =>
        runner.run(index, (writer) => {
          writer.insert(collection, withId(document));
          return { n: 1 };
        }),
      onDone: () => {
        inserted += 1;
      },
    });
    return withErrors({ n: inserted }, errors);
  } finally {
    runner.finish();
  }
};

const UPDATE_FIELDS = new Set([
  'q',
  'u',
  'c',
  'multi',
  'upsert',
  'collation',
  'arrayFilters',
  'hint',
  'sort',
  'upsertSupplied',
]);
const DELETE_FIELDS = new Set(['q', 'limit', 'collation', 'hint']);

const ensureFields = (statement: Document, known: ReadonlySet<string>, where: string): void => {
  for (const field of Object.keys(statement)) {
    if (!known.has(field)) fail('Location40415', `BSON field '${where}.${field}' is an unknown field.`);
  }
};

const filterOf = (statement: Document, where: string): Document => {
  const filter = fieldOf(statement, 'q');
  return isDocument(filter) ? filter : fail('Location40414', `BSON field '${where}.q' is missing but a required field`);
};

/** What an update is made of: modifiers or a replacement, or the stages of a pipeline. */
export const toUpdate = (update: unknown, where: string): Document | Document[] => {
  if (isDocument(update)) return update;
  if (Array.isArray(update)) return update.map((stage) => (isDocument(stage) ? stage : failOnUpdate(where)));
  return failOnUpdate(where);
};

const failOnUpdate = (where: string): never =>
  fail('FailedToParse', `BSON field '${where}' must be an object or an array of objects`);

export const toArrayFilters = (value: unknown): Document[] | undefined => {
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value) ? (value as Document[]) : fail('TypeMismatch', 'arrayFilters must be an array');
};

const toUpdateStatement = (request: Request, collection: Collection, given: Document): UpdateStatement => {
  ensureFields(given, UPDATE_FIELDS, 'update.updates');
  const isMulti = isSet(given, 'multi');
  const update = toUpdate(given['u'], 'update.updates.u');
  if (isMulti && !Array.isArray(update) && isReplacement(update)) {
    fail('FailedToParse', 'multi update is not supported for replacement-style update');
  }
  if (given['sort'] !== undefined && isMulti) fail('FailedToParse', 'Cannot specify sort with multi=true');
  return {
    filter: filterOf(given, 'update.updates'),
    update,
    isMulti,
    isUpsert: isSet(given, 'upsert'),
    sort: isDocument(given['sort']) ? given['sort'] : undefined,
    hint: given['hint'],
    arrayFilters: toArrayFilters(given['arrayFilters']),
    collation: collationOf(given['collation'], collection),
    variables: isDocument(given['c']) ? { ...variablesOf(request), ...given['c'] } : variablesOf(request),
    progress: createProgress(),
  };
};

export const isReplacement = (update: Document): boolean => {
  for (const key in update) return !key.startsWith('$');
  return true;
};

const update = async (request: Request): Promise<Document> => {
  const statements = requiredDocuments(request, 'updates');
  const collection = ensureTarget(request, targetName(request));
  const runner = createStatementRunner(request);
  let matched = 0;
  let modified = 0;
  const upserted: Document[] = [];
  try {
    const errors = await runStatements(request, statements, {
      perform: (given, index) => {
        const statement = toUpdateStatement(request, collection, given);
        return runner.run(index, (writer) => {
          const outcome = performUpdate(request, collection, { statement, writer });
          const id = outcome.upserted && { _id: outcome.upserted['_id'] };
          return { n: outcome.matched + (id ? 1 : 0), nModified: outcome.modified, ...(id && { upserted: id }) };
        });
      },
      onDone: (result, index) => {
        matched += result['n'] as number;
        modified += result['nModified'] as number;
        if (isDocument(result['upserted'])) upserted.push({ index, ...result['upserted'] });
      },
    });
    const reply: Document = { n: matched, nModified: modified };
    if (upserted.length > 0) reply['upserted'] = upserted;
    return withErrors(reply, errors);
  } finally {
    runner.finish();
  }
};

const toDeleteStatement = (request: Request, collection: Collection, given: Document): DeleteStatement => {
  ensureFields(given, DELETE_FIELDS, 'delete.deletes');
  const limit = given['limit'];
  if (!isNumeric(limit))
    return fail('Location40414', "BSON field 'delete.deletes.limit' is missing but a required field");
  if (toNumber(limit) !== 0 && toNumber(limit) !== 1) {
    fail('FailedToParse', `The limit field in delete objects must be 0 or 1. Got ${toNumber(limit)}`);
  }
  return {
    filter: filterOf(given, 'delete.deletes'),
    isMulti: toNumber(limit) === 0,
    hint: given['hint'],
    collation: collationOf(given['collation'], collection),
    variables: variablesOf(request),
    progress: createProgress(),
  };
};

const remove = async (request: Request): Promise<Document> => {
  const statements = requiredDocuments(request, 'deletes');
  const collection = request.state.engine.collection(request.database, targetName(request));
  if (!collection) return { n: 0, ok: 1 };
  const runner = createStatementRunner(request);
  let deleted = 0;
  try {
    const errors = await runStatements(request, statements, {
      perform: (given, index) => {
        const statement = toDeleteStatement(request, collection, given);
        return runner.run(index, (writer) => ({
          n: performDelete(request, collection, { statement, writer }).deleted,
        }));
      },
      onDone: (result) => {
        deleted += result['n'] as number;
      },
    });
    return withErrors({ n: deleted }, errors);
  } finally {
    runner.finish();
  }
};

/** The commands that change documents by statements. */
export const writeCommands: Readonly<Record<string, Command>> = {
  insert: {
    fields: new Set(['documents', 'ordered', 'bypassDocumentValidation']),
    isTransactional: true,
    run: insert,
  },
  update: {
    fields: new Set(['updates', 'ordered', 'bypassDocumentValidation', 'let']),
    isTransactional: true,
    run: update,
  },
  delete: { fields: new Set(['deletes', 'ordered', 'let']), isTransactional: true, run: remove },
};

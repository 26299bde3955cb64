import { type Document, isDocument } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { DatabaseError } from '../errors.js';
import type { Command, Request } from './request/request.js';
import { openTarget, targetCollection, targetName } from './request/target.js';
import { performDelete } from './statements/delete-statement.js';
import { toDeleteStatement, toUpdateStatement } from './statements/parse-statement.js';
import { requiredStatements, runStatements } from './statements/run-statements.js';
import { toStoredDocument } from './statements/stored-document.js';
import { performUpdate, toUpdateResult } from './statements/update-statement.js';

const toWriteError = ({ code, message, extra }: DatabaseError, index: number): Document => ({
  index,
  code,
  errmsg: message,
  ...extra,
});

const toReply = (counts: Document, writeErrors: readonly Document[]): Document =>
  writeErrors.length > 0 ? { ...counts, writeErrors, ok: 1 } : { ...counts, ok: 1 };

async function insert(request: Request): Promise<Document> {
  const documents = requiredStatements(request, 'documents');
  const collection = openTarget(request, targetName(request));
  const errors: Document[] = [];
  let inserted = 0;
  await runStatements(request, documents, {
    perform: (document, writer) => {
      writer.insert(collection, toStoredDocument(document));
      return { n: 1 };
    },
    onDone: () => {
      inserted += 1;
    },
    onError: (error, index) => errors.push(toWriteError(error, index)),
  });
  return toReply({ n: inserted }, errors);
}

async function update(request: Request): Promise<Document> {
  const name = targetName(request);
  const find = (): Collection | undefined => request.state.engine.collection(request.database, name);
  // A malformed statement fails the command before anything is written. An update that does not fit a document fails
  // only its statement.
  const statements = requiredStatements(request, 'updates').map((given) => toUpdateStatement(request, find(), given));
  const errors: Document[] = [];
  const upserted: Document[] = [];
  let matched = 0;
  let modified = 0;
  await runStatements(request, statements, {
    perform: (statement, writer) => {
      const collection = statement.isUpsert ? openTarget(request, name) : find();
      return toUpdateResult(performUpdate(request, collection, { statement, writer }));
    },
    onDone: (result, index) => {
      matched += result['n'] as number;
      modified += result['nModified'] as number;
      if (isDocument(result['upserted'])) upserted.push({ index, ...result['upserted'] });
    },
    onError: (error, index) => errors.push(toWriteError(error, index)),
  });
  const counts: Document = { n: matched, nModified: modified };
  if (upserted.length > 0) counts['upserted'] = upserted;
  return toReply(counts, errors);
}

async function remove(request: Request): Promise<Document> {
  const collection = targetCollection(request);
  const statements = requiredStatements(request, 'deletes').map((given) =>
    toDeleteStatement(request, collection, given),
  );
  if (!collection) return { n: 0, ok: 1 };
  const errors: Document[] = [];
  let deleted = 0;
  await runStatements(request, statements, {
    perform: (statement, writer) => ({ n: performDelete(request, collection, { statement, writer }).deleted }),
    onDone: (result) => {
      deleted += result['n'] as number;
    },
    onError: (error, index) => errors.push(toWriteError(error, index)),
  });
  return toReply({ n: deleted }, errors);
}

/** The commands `insert`, `update` and `delete`. */
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

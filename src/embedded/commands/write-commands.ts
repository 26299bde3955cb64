import { type Document, isDocument } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { DatabaseError } from '../errors.js';
import { type Command, openTarget, type Request, targetName } from './request/request.js';
import { requiredStatements, runBatch } from './statements/statement-batch.js';
import { toDeleteStatement, toUpdateStatement } from './statements/statement-fields.js';
import {
  createStatementRunner,
  performDelete,
  performUpdate,
  toUpdateResult,
  withId,
} from './statements/statement-runner.js';

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
  const runner = createStatementRunner(request);
  const errors: Document[] = [];
  let inserted = 0;
  try {
    await runBatch(request, documents, {
      perform: (document, index) =>
        runner.run(index, (writer) => {
          writer.insert(collection, withId(document));
          return { n: 1 };
        }),
      onDone: () => {
        inserted += 1;
      },
      onError: (error, index) => errors.push(toWriteError(error, index)),
    });
    return toReply({ n: inserted }, errors);
  } finally {
    runner.finish();
  }
}

async function update(request: Request): Promise<Document> {
  const name = targetName(request);
  const find = (): Collection | undefined => request.state.engine.collection(request.database, name);
  // What is malformed fails the command; what does not fit the documents fails its statement.
  const statements = requiredStatements(request, 'updates').map((given) => toUpdateStatement(request, find(), given));
  const runner = createStatementRunner(request);
  const errors: Document[] = [];
  const upserted: Document[] = [];
  let matched = 0;
  let modified = 0;
  try {
    await runBatch(request, statements, {
      perform: (statement, index) => {
        const collection = statement.isUpsert ? openTarget(request, name) : find();
        return runner.run(index, (writer) => toUpdateResult(performUpdate(request, collection, { statement, writer })));
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
  } finally {
    runner.finish();
  }
}

async function remove(request: Request): Promise<Document> {
  const collection = request.state.engine.collection(request.database, targetName(request));
  const statements = requiredStatements(request, 'deletes').map((given) =>
    toDeleteStatement(request, collection, given),
  );
  if (!collection) return { n: 0, ok: 1 };
  const runner = createStatementRunner(request);
  const errors: Document[] = [];
  let deleted = 0;
  try {
    await runBatch(request, statements, {
      perform: (statement, index) =>
        runner.run(index, (writer) => ({ n: performDelete(request, collection, { statement, writer }).deleted })),
      onDone: (result) => {
        deleted += result['n'] as number;
      },
      onError: (error, index) => errors.push(toWriteError(error, index)),
    });
    return toReply({ n: deleted }, errors);
  } finally {
    runner.finish();
  }
}

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

import { type Document, fieldOf, isDocument } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import { DirectWriter } from '../engine/direct-writer.js';
import { createDuplicateIdError } from '../engine/duplicate-key.js';
import { LockedError } from '../engine/lock.js';
import { readDocuments } from '../engine/read.js';
import type { Writer } from '../engine/writer.js';
import { fail } from '../errors.js';
import { evaluateVariables } from '../query/expressions/expression.js';
import { compileFilter } from '../query/filters/filter.js';
import type { PipelineOutput } from '../query/pipelines/pipeline.js';
import { type MergeSpecification, parseMerge } from './merge-specification.js';
import type { Request } from './request/request.js';
import { waitForLock } from './statements/lock-wait.js';
import { createStatementRunner } from './statements/statement-runner.js';
import { createProgress } from './statements/statement-targets.js';
import { toStoredDocument } from './statements/stored-document.js';
import { performUpdate } from './statements/update-statement.js';

/** Writes the results of an aggregation as its `$out` or `$merge` stage specifies. */
export async function writeOutput(
  request: Request,
  output: PipelineOutput,
  results: readonly Document[],
): Promise<void> {
  if (request.transaction) {
    fail('OperationNotSupportedInTransaction', `${output.kind} cannot be used in a transaction`);
  }
  const concern = request.command['readConcern'];
  if (isDocument(concern) && concern['level'] === 'linearizable') {
    fail('InvalidOptions', `${output.kind} cannot be used with a 'linearizable' read concern level`);
  }
  if (output.kind === '$out')
    await replaceCollection(request, targetOf(request, output.spec), results.map(toStoredDocument));
  else await mergeInto(request, output, results);
}

/** The target collection of an output stage: a name or `{ db, coll }`. */
function targetOf(request: Request, into: unknown): Collection {
  const { database, state } = request;
  if (typeof into === 'string') return state.engine.openCollection({ database, name: into });
  if (!isDocument(into) || typeof into['coll'] !== 'string')
    return fail('FailedToParse', 'The output stage must name a collection');
  const given = into['db'];
  return state.engine.openCollection({ database: typeof given === 'string' ? given : database, name: into['coll'] });
}

/** Replaces all documents in one frame of the log, so readers see the old or the new content, even after a crash. */
async function replaceCollection(
  { state, deadline }: Request,
  collection: Collection,
  documents: readonly Document[],
): Promise<void> {
  const writer = new DirectWriter(state.engine);
  for (;;) {
    try {
      for (const { document } of [...collection.records.values()]) writer.remove(collection, document);
      for (const document of documents) writer.insert(collection, document);
      writer.commit();
      return;
    } catch (error) {
      writer.rollback();
      if (!(error instanceof LockedError)) throw error;
      await waitForLock(error, deadline);
    }
  }
}

async function mergeInto(request: Request, { spec }: PipelineOutput, results: readonly Document[]): Promise<void> {
  const specification = parseMerge(spec);
  const collection = targetOf(request, specification.into);
  ensureUnique(collection, specification.on);
  const runner = createStatementRunner({ ...request, isRetryable: false });
  try {
    for (const [position, document] of results.entries()) {
      await runner.run(position, (writer) => mergeOne(request, { collection, specification, document, writer }));
    }
  } finally {
    runner.finish();
  }
}

/** @throws DatabaseError Location51183 when no unique index has exactly these fields */
function ensureUnique(collection: Collection, on: readonly string[]): void {
  const wanted = [...on].sort().join(',');
  const isUnique = [...collection.indexes.values()].some(
    ({ definition }) =>
      definition.isUnique &&
      !definition.partialFilter &&
      definition.fields
        .map(({ path }) => path)
        .sort()
        .join(',') === wanted,
  );
  if (!isUnique) fail('Location51183', 'Cannot find index to verify that join fields will be unique');
}

interface MergeStep {
  readonly collection: Collection;
  readonly specification: MergeSpecification;
  readonly document: Document;
  readonly writer: Writer;
}

function mergeOne(request: Request, step: MergeStep): Document {
  const { collection, specification, writer } = step;
  // A generated `_id` matches nothing, but is inserted.
  const document = specification.on.includes('_id') ? toStoredDocument(step.document) : step.document;
  const filter = Object.fromEntries(specification.on.map((field) => [field, { $eq: keyAt(document, field) }]));
  const [existing] = readDocuments(collection, {
    matcher: compileFilter(filter),
    limit: 1,
    transaction: request.transaction,
    checkTime: request.deadline.check,
  });
  if (existing) mergeMatched(request, existing, { collection, specification, document, writer });
  else mergeUnmatched({ collection, specification, document, writer });
  return {};
}

function mergeUnmatched({ collection, specification, document, writer }: MergeStep): void {
  if (specification.whenNotMatched === 'fail') {
    fail(
      'MergeStageNoMatchingDocument',
      '$merge could not find a matching document in the target collection for at least one document in the source collection',
    );
  }
  if (specification.whenNotMatched === 'insert') writer.insert(collection, toStoredDocument(document));
}

function mergeMatched(
  request: Request,
  existing: Document,
  { collection, specification: { whenMatched, variables }, document, writer }: MergeStep,
): void {
  if (whenMatched === 'keepExisting') return;
  if (whenMatched === 'fail') throw createDuplicateIdError(collection, existing);
  performUpdate(request, collection, {
    statement: {
      filter: { _id: { $eq: existing['_id'] } },
      update: toMergeUpdate(whenMatched, document),
      isMulti: false,
      isUpsert: false,
      collation: undefined,
      variables: evaluateVariables(variables, { document }),
      progress: createProgress(),
    },
    writer,
  });
}

function toMergeUpdate(whenMatched: MergeSpecification['whenMatched'], document: Document): Document | Document[] {
  if (whenMatched === 'replace') return document;
  if (typeof whenMatched !== 'string') return [...whenMatched];
  // A literal, because values can look like expressions.
  return [{ $replaceWith: { $mergeObjects: ['$$ROOT', { $literal: document }] } }];
}

/** @throws DatabaseError Location51132 or Location51185 for a value that identifies no document */
function keyAt(document: Document, dotted: string): unknown {
  let value: unknown = document;
  for (const segment of dotted.split('.')) {
    if (Array.isArray(value)) fail('Location51185', "$merge write error: 'on' field cannot be an array");
    value = isDocument(value) ? fieldOf(value, segment) : undefined;
  }
  if (value === undefined || value === null || Array.isArray(value)) {
    fail('Location51132', "$merge write error: 'on' field cannot be missing, null, undefined or an array");
  }
  return value;
}

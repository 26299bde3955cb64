import { type Document, fieldOf, isDocument } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import { DirectWriter } from '../engine/direct-writer.js';
import { createDuplicateKeyError } from '../engine/duplicate-key.js';
import { LockedError } from '../engine/lock.js';
import { readDocuments } from '../engine/read.js';
import type { Writer } from '../engine/writer.js';
import { fail } from '../errors.js';
import { compileFilter } from '../query/filters/filter.js';
import type { PipelineOutput } from '../query/pipelines/pipeline.js';
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
  const options: Document = typeof spec === 'string' ? { into: spec } : isDocument(spec) ? spec : {};
  const collection = targetOf(request, options['into']);
  const runner = createStatementRunner({ ...request, isRetryable: false });
  const on = toOnFields(collection, options['on']);
  try {
    for (const [position, document] of results.entries()) {
      await runner.run(position, (writer) =>
        mergeOne(request, { collection, options, on, document: toStoredDocument(document), writer }),
      );
    }
  } finally {
    runner.finish();
  }
}

function toOnFields(collection: Collection, on: unknown): string[] {
  const fields = on === undefined ? ['_id'] : Array.isArray(on) ? on.map(String) : [String(on)];
  const wanted = [...fields].sort().join(',');
  const isUnique = [...collection.indexes.values()].some(
    ({ definition }) =>
      definition.isUnique &&
      !definition.partialFilter &&
      definition.fields
        .map(({ path }) => path)
        .sort()
        .join(',') === wanted,
  );
  return isUnique ? fields : fail('Location51183', 'Cannot find index to verify that join fields will be unique');
}

interface MergeStep {
  readonly collection: Collection;
  readonly options: Document;
  readonly on: readonly string[];
  readonly document: Document;
  readonly writer: Writer;
}

function mergeOne(request: Request, { collection, options, on, document, writer }: MergeStep): Document {
  const filter = Object.fromEntries(on.map((field) => [field, { $eq: valueAt(document, field) }]));
  const [existing] = readDocuments(collection, {
    matcher: compileFilter(filter),
    limit: 1,
    transaction: request.transaction,
    checkTime: request.deadline.check,
  });
  if (existing) mergeMatched(request, existing, { collection, options, on, document, writer });
  else mergeUnmatched({ collection, options, on, document, writer });
  return {};
}

function mergeUnmatched({ collection, options, document, writer }: MergeStep): void {
  const whenNotMatched = options['whenNotMatched'] ?? 'insert';
  if (whenNotMatched === 'fail') {
    fail(
      'MergeStageNoMatchingDocument',
      '$merge could not find a matching document in the target collection for at least one document in the source collection',
    );
  }
  if (whenNotMatched === 'insert') writer.insert(collection, document);
}

function mergeMatched(
  request: Request,
  existing: Document,
  { collection, options, document, writer }: MergeStep,
): void {
  const whenMatched = options['whenMatched'] ?? 'merge';
  if (whenMatched === 'keepExisting') return;
  if (whenMatched === 'fail') {
    const index = collection.indexes.get('_id_');
    if (index) throw createDuplicateKeyError(collection, index, existing);
  }
  const { _id: _ignored, ...rest } = document;
  performUpdate(request, collection, {
    statement: {
      filter: { _id: existing['_id'] },
      update: toMergeUpdate(whenMatched, rest),
      isMulti: false,
      isUpsert: false,
      collation: undefined,
      variables: { ...(isDocument(options['let']) ? options['let'] : {}), new: document },
      progress: createProgress(),
    },
    writer,
  });
}

function toMergeUpdate(whenMatched: unknown, document: Document): Document | Document[] {
  if (whenMatched === 'replace') return document;
  if (Array.isArray(whenMatched)) return whenMatched.filter(isDocument);
  // A pipeline with literals, because values can look like expressions.
  return Object.entries(document).map(([key, value]) => ({ $set: { [key]: { $literal: value } } }));
}

function valueAt(document: Document, dotted: string): unknown {
  let value: unknown = document;
  for (const segment of dotted.split('.')) value = isDocument(value) ? fieldOf(value, segment) : undefined;
  return value ?? null;
}

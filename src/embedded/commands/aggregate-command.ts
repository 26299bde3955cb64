import type { Collation } from '../bson/collation.js';
import { toNumber } from '../bson/numbers.js';
import { type Document, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import { type ReadRequest, type ReadStatistics, readDocuments } from '../engine/read.js';
import { fail } from '../errors.js';
import { compileFilter } from '../query/filters/filter.js';
import { type AggregateContext, compilePipeline } from '../query/pipelines/pipeline.js';
import { writeOutput } from './aggregate-output.js';
import { readChanges } from './change-stream.js';
import {
  collationOf,
  cursorBatchSize,
  isSet,
  optionalDocument,
  requiredDocuments,
  variablesOf,
} from './request/fields.js';
import { resolveHint } from './request/hint.js';
import type { Command, Request } from './request/request.js';
import { describeStorage } from './statistics-commands.js';

/** The name of the source collection; undefined for `aggregate: 1`. */
function sourceName({ command, database }: Request): string | undefined {
  const name = command['aggregate'];
  if (typeof name === 'string') {
    return name === '' ? fail('InvalidNamespace', `Invalid namespace specified '${database}.'`) : name;
  }
  if (isNumeric(name) && toNumber(name) === 1) return undefined;
  return fail('FailedToParse', "Invalid command format: the 'aggregate' field must specify a collection name or 1");
}

function createContext(request: Request, collation: Collation | undefined): AggregateContext {
  const { command, state, database, transaction, deadline } = request;
  return {
    collection: (name) => ({
      find: (filter: Document, options: { sort?: Document; limit?: number } = {}) => {
        const collection = state.engine.collection(database, name);
        if (!collection) return [];
        const matcher = compileFilter(filter, { collation, variables: variablesOf(request) });
        return readDocuments(collection, { matcher, ...options, transaction, checkTime: deadline.check });
      },
      indexes: () => indexStatistics(state.engine.collection(database, name)),
      statistics: (scale) => describeStorage(`${database}.${name}`, state.engine.collection(database, name), scale),
    }),
    database,
    source: sourceName(request),
    collation,
    variables: variablesOf(request),
    now: new Date(),
    allowDiskUse: isSet(command, 'allowDiskUse'),
    checkTime: deadline.check,
  };
}

const indexStatistics = (collection: Collection | undefined): Document[] =>
  [...(collection?.indexes.values() ?? [])].map((index) => ({
    name: index.name,
    key: index.definition.spec['key'],
    spec: index.definition.spec,
    accesses: { ops: 0, since: new Date(0) },
  }));

/** A parsed aggregate command. */
export interface AggregatePlan {
  readonly collection: Collection | undefined;
  readonly pipeline: ReturnType<typeof compilePipeline>;
  /** The read of the source collection, with the leading stages of the pipeline. */
  readonly read: ReadRequest;
}

/** Replaces a first stage that reads no collection by `$documents`: with the sessions, or with changes. */
function withSource(request: Request, stages: Document[]): Document[] {
  const [first, ...rest] = stages;
  if (first?.['$changeStream'] !== undefined) {
    const events = readChanges(request, first['$changeStream'], sourceName(request));
    return [{ $documents: { $literal: events } }, ...rest];
  }
  if (first?.['$listLocalSessions'] === undefined) return stages;
  const { state } = request;
  const sessions = [...state.engine.sessions.values()].map(({ id, lastUsedAt }) => ({
    _id: { id },
    lastUse: new Date(Date.now() - (performance.now() - lastUsedAt)),
  }));
  return [{ $documents: { $literal: sessions } }, ...rest];
}

/** Stages that start a pipeline without a collection. */
const WITHOUT_COLLECTION: ReadonlySet<string> = new Set(['$documents', '$listLocalSessions', '$changeStream']);

/** @throws DatabaseError InvalidNamespace for a pipeline that needs a collection and has none, or the reverse */
function ensureSource(name: string | undefined, [first]: readonly Document[]): void {
  const [stage = ''] = Object.keys(first ?? {});
  if (name !== undefined && stage === '$documents') {
    fail('InvalidNamespace', "'$documents' can only be run with {aggregate: 1}");
  }
  if (name !== undefined || WITHOUT_COLLECTION.has(stage)) return;
  if (first === undefined) fail('InvalidNamespace', '{aggregate: 1} is not valid for an empty pipeline.');
  fail('InvalidNamespace', `{aggregate: 1} is not valid for '${stage}'; a collection is required.`);
}

/** Parses an aggregate command. */
export function toAggregatePlan(request: Request, statistics?: ReadStatistics): AggregatePlan {
  const { command, state, database, transaction, deadline } = request;
  const name = sourceName(request);
  const stages = requiredDocuments(request, 'pipeline');
  const isRead = name !== undefined && stages[0]?.['$changeStream'] === undefined;
  const collection = isRead ? state.engine.collection(database, name) : undefined;
  const collation = collationOf(command['collation'], collection);
  const pipeline = compilePipeline(withSource(request, stages), createContext(request, collation));
  ensureSource(name, stages);
  return {
    collection,
    pipeline,
    read: {
      matcher: compileFilter(pipeline.leadingMatch ?? {}, { collation, variables: variablesOf(request) }),
      sort: pipeline.leadingSort,
      limit: pipeline.leadingLimit,
      hint: collection && resolveHint(collection, command['hint']),
      transaction,
      allowDiskUse: isSet(command, 'allowDiskUse'),
      checkTime: deadline.check,
      ...(statistics && { statistics }),
    },
  };
}

async function aggregate(request: Request): Promise<Document> {
  const { command, state, session, database } = request;
  if (!optionalDocument(request, 'cursor') && command['explain'] === undefined) {
    fail('FailedToParse', "The 'cursor' option is required, except for aggregate with the explain argument");
  }
  const { collection, pipeline, read } = toAggregatePlan(request);
  const input = collection ? readDocuments(collection, read) : [];
  const results = [...pipeline.run(input)];
  const namespace = `${database}.${sourceName(request) ?? '$cmd.aggregate'}`;
  const batchSize = cursorBatchSize(request);
  if (!pipeline.out) {
    return state.cursors.open({ namespace, documents: results, batchSize, session, isOwner: true });
  }
  await writeOutput(request, pipeline.out, results);
  return state.cursors.open({ namespace, documents: [], batchSize, session });
}

const AGGREGATE_FIELDS = new Set([
  'pipeline',
  'cursor',
  'explain',
  'allowDiskUse',
  'bypassDocumentValidation',
  'collation',
  'hint',
  'let',
  'readConcern',
]);

/** The command `aggregate`. */
export const aggregateCommands: Readonly<Record<string, Command>> = {
  aggregate: { fields: AGGREGATE_FIELDS, isTransactional: true, run: aggregate },
};

import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { createExpressionContext } from '../expressions/expression.js';
import { parseSort } from '../sort.js';
import type { AggregateContext, Documents, Stage, StageCompiler, StageContext, SubPipeline } from './stage-context.js';
import { bucketStages } from './stages/bucket.js';
import { fieldStages } from './stages/fields.js';
import { flowStages } from './stages/flow.js';
import { graphStages } from './stages/graph-lookup.js';
import { groupStages } from './stages/group.js';
import { lookupStages } from './stages/lookup.js';
import { sourceStages } from './stages/source.js';
import { unwindStages } from './stages/unwind.js';
import { windowStages } from './stages/window.js';

export type { AggregateContext } from './stage-context.js';

/** The `$out` or `$merge` stage at the end of a pipeline. */
export interface PipelineOutput {
  readonly kind: '$out' | '$merge';
  /** The specification of the stage. */
  readonly spec: unknown;
}

/** A compiled pipeline. */
export interface Pipeline {
  /** The first stages, which the engine runs with an index, in this order. */
  readonly leadingMatch: Document | undefined;
  readonly leadingSort: Document | undefined;
  readonly leadingLimit: number | undefined;
  readonly out: PipelineOutput | undefined;
  /** Runs the remaining stages. */
  run(input: Documents): Documents;
}

const STAGES: ReadonlyMap<string, StageCompiler> = new Map([
  ...fieldStages,
  ...flowStages,
  ...unwindStages,
  ...groupStages,
  ...bucketStages,
  ...lookupStages,
  ...graphStages,
  ...windowStages,
  ...sourceStages,
]);

/** Stages that are valid only as the first stage. */
const FIRST_ONLY: ReadonlySet<string> = new Set(['$collStats', '$indexStats', '$documents']);

const OUTPUTS: ReadonlySet<string> = new Set(['$out', '$merge']);

/** The name and specification of a stage. */
interface RawStage {
  readonly name: string;
  readonly specification: unknown;
}

/**
 * Compiles an aggregation pipeline.
 * @throws DatabaseError Location40324 naming a stage that is unknown
 */
export function compilePipeline(stages: readonly Document[], context: AggregateContext): Pipeline {
  const raw = stages.map(readStage);
  ensurePositions(raw);
  const last = raw.at(-1);
  const out = last !== undefined && OUTPUTS.has(last.name) ? last : undefined;
  const leading = takeLeading(out === undefined ? raw : raw.slice(0, -1));
  const stageContext = toStageContext(context);
  const compiled = leading.rest.map(({ name, specification }) => compileStage(name, specification, stageContext));
  return {
    leadingMatch: leading.match,
    leadingSort: leading.sort,
    leadingLimit: leading.limit,
    out: out && { kind: out.name as PipelineOutput['kind'], spec: out.specification },
    run: (input) => runStages(compiled, input, context),
  };
}

/** Runs stages, and checks the time limit between them. */
const runStages = (stages: readonly Stage[], input: Documents, { checkTime }: AggregateContext): Documents =>
  stages.reduce((documents, stage) => withinTime(stage(documents), checkTime), withinTime(input, checkTime));

/** The number of documents between two checks of the time limit. */
const CHECK_EVERY = 256;

function* withinTime(documents: Documents, checkTime: () => void): Documents & Generator<Document> {
  let untilCheck = CHECK_EVERY;
  for (const document of documents) {
    untilCheck -= 1;
    if (untilCheck === 0) {
      checkTime();
      untilCheck = CHECK_EVERY;
    }
    yield document;
  }
}

function readStage(stage: unknown): RawStage {
  const keys = isDocument(stage) ? Object.keys(stage) : [];
  const [name] = keys;
  if (!isDocument(stage)) return fail('TypeMismatch', "Each element of the 'pipeline' array must be an object");
  if (name === undefined || keys.length !== 1) {
    return fail('Location40323', 'A pipeline stage specification object must contain exactly one field.');
  }
  return { name, specification: stage[name] };
}

function ensurePositions(stages: readonly RawStage[]): void {
  for (const [index, { name }] of stages.entries()) {
    if (OUTPUTS.has(name) && index < stages.length - 1) {
      fail('Location40601', `${name} can only be the final stage in the pipeline`);
    }
    if (FIRST_ONLY.has(name) && index > 0) {
      fail('Location40602', `${name} is only valid as the first stage in a pipeline.`);
    }
  }
}

/** Stages of MongoDB that this database does not support. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  '$changeStream',
  '$changeStreamSplitLargeEvent',
  '$currentOp',
  '$densify',
  '$fill',
  '$geoNear',
  '$listSampledQueries',
  '$listSearchIndexes',
  '$listSessions',
  '$planCacheStats',
  '$querySettings',
  '$queryStats',
  '$rankFusion',
  '$search',
  '$searchMeta',
  '$shardedDataDistribution',
  '$vectorSearch',
]);

/** Whether MongoDB has a stage of this name. */
export const isStage = (name: string): boolean => STAGES.has(name) || OUTPUTS.has(name) || UNSUPPORTED.has(name);

function compileStage(name: string, specification: unknown, context: StageContext): Stage {
  const compiler = STAGES.get(name);
  if (compiler === undefined && UNSUPPORTED.has(name)) {
    return fail('CommandNotSupported', `the stage ${name} is not supported by this database`);
  }
  if (compiler === undefined) return fail('Location40324', `Unrecognized pipeline stage name: '${name}'`);
  return compiler(specification, context);
}

interface Leading {
  readonly match: Document | undefined;
  readonly sort: Document | undefined;
  readonly limit: number | undefined;
  readonly rest: readonly RawStage[];
}

/** Splits leading `$match` stages, then a `$sort`, then a `$limit` off a pipeline. */
function takeLeading(stages: readonly RawStage[]): Leading {
  let index = 0;
  const matches: Document[] = [];
  for (; stages[index]?.name === '$match'; index += 1) {
    const filter = stages[index]?.specification;
    if (!isDocument(filter)) return fail('Location15959', 'the match filter must be an expression in an object');
    matches.push(filter);
  }
  const sort = stages[index]?.name === '$sort' ? stages[index]?.specification : undefined;
  const hasSort = isDocument(sort) && Object.keys(sort).length > 0;
  if (hasSort) {
    parseSort(sort);
    index += 1;
  }
  const limit = stages[index]?.name === '$limit' ? stages[index]?.specification : undefined;
  // The stage itself reports an invalid limit.
  const hasLimit = typeof limit === 'number' && Number.isInteger(limit) && limit > 0;
  if (hasLimit) index += 1;
  return {
    match: matches.length > 1 ? { $and: matches } : matches[0],
    sort: hasSort ? sort : undefined,
    limit: hasLimit ? limit : undefined,
    rest: stages.slice(index),
  };
}

function toStageContext(context: AggregateContext): StageContext {
  const { collation, now, variables } = context;
  return {
    ...context,
    expressions: createExpressionContext({ collation, now, variables }),
    compileInner: (stages, inner) => compileInner(stages, { ...context, variables: { ...variables, ...inner } }),
  };
}

function compileInner(stages: unknown, context: AggregateContext): SubPipeline {
  if (!Array.isArray(stages)) return fail('TypeMismatch', "'pipeline' option must be specified as an array");
  const raw = stages.map(readStage);
  ensurePositions(raw);
  for (const { name } of raw) {
    if (OUTPUTS.has(name)) fail('Location51047', `${name} is not allowed within a nested pipeline`);
  }
  const stageContext = toStageContext(context);
  const compileAll = (list: readonly RawStage[]): Stage[] =>
    list.map(({ name, specification }) => compileStage(name, specification, stageContext));
  const compiled = compileAll(raw);
  return {
    run: (input) => runStages(compiled, input, context),
    runOn: (collection) => {
      const { match, sort, limit, rest } = takeLeading(raw);
      // The engine does not know the variables of this pipeline, so expressions stay in the stage.
      if (match === undefined || mentionsExpression(match)) {
        return runStages(compiled, collection.find(match === undefined ? {} : withoutExpressions(match)), context);
      }
      const found = collection.find(match, { ...(sort && { sort }), ...(limit !== undefined && { limit }) });
      return runStages(compileAll(rest), found, context);
    },
  };
}

function mentionsExpression(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(mentionsExpression);
  if (!isDocument(value)) return false;
  return Object.entries(value).some(([key, inner]) => key === '$expr' || mentionsExpression(inner));
}

/** The conditions of a conjunction that contain no expression, and hence no variable. */
function withoutExpressions(filter: Document): Document {
  const plain = Object.entries(filter).flatMap(([key, value]): [string, unknown][] => {
    if (key === '$and' && Array.isArray(value)) {
      const clauses = value
        .filter(isDocument)
        .map(withoutExpressions)
        .filter((clause) => Object.keys(clause).length > 0);
      return clauses.length > 0 ? [[key, clauses]] : [];
    }
    return mentionsExpression({ [key]: value }) ? [] : [[key, value]];
  });
  return Object.fromEntries(plain);
}

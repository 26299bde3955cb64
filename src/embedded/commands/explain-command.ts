import { type Document, fieldOf, isDocument } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { IndexPlan } from '../engine/planner/index-plan.js';
import type { Plan } from '../engine/planner/planner.js';
import { createStatistics, planOf, type ReadRequest, readDocuments } from '../engine/read.js';
import { fail } from '../errors.js';
import { compileFilter } from '../query/filters/filter.js';
import { toAggregatePlan } from './aggregate-command.js';
import { SERVER_VERSION } from './handshake-commands.js';
import { toFindPlan } from './read-commands.js';
import { collationOf, isSet, variablesOf } from './request/fields.js';
import type { Command, Request } from './request/request.js';
import { targetCollection } from './request/target.js';

/** A plan in the format of mongod. */
function describePlan(plan: Plan, sort: Document | undefined): Document {
  switch (plan.kind) {
    case 'key':
      return { stage: 'IDHACK', indexName: '_id_', keyPattern: { _id: 1 } };
    case 'scan':
      return { stage: 'COLLSCAN', direction: plan.isReversed ? 'backward' : 'forward' };
    case 'index': {
      const inputStages = describeScans(plan);
      const [inputStage] = inputStages;
      const isMerged = inputStages.length > 1;
      return {
        stage: 'FETCH',
        inputStage: isMerged ? { stage: 'SORT_MERGE', sortPattern: sort, inputStages } : inputStage,
      };
    }
    case 'merge': {
      const inputStages = plan.plans.flatMap(describeScans);
      return { stage: 'FETCH', inputStage: { stage: 'SORT_MERGE', sortPattern: sort, inputStages } };
    }
    default: {
      const inputStages = plan.plans.map((branch) => describePlan(branch, undefined));
      return { stage: 'FETCH', inputStage: { stage: 'OR', inputStages } };
    }
  }
}

/** The scans of an index: one, or one for each range that is merged. */
function describeScans({ index, bounds, ranges, isReversed, isMerged }: IndexPlan): Document[] {
  const { definition } = index;
  const scan = {
    stage: 'IXSCAN',
    keyPattern: definition.spec['key'],
    indexName: definition.name,
    isMultiKey: index.isMultikey,
    isUnique: definition.isUnique,
    isSparse: definition.isSparse,
    isPartial: definition.partialFilter !== undefined,
    // The tree of a descending index is ascending.
    direction: isReversed === (definition.fields[0]?.direction === -1) ? 'forward' : 'backward',
    boundedFields: definition.fields.slice(0, bounds.length).map(({ path }) => path),
  };
  return isMerged && ranges.length > 1
    ? ranges.map(() => ({ ...scan, ranges: 1 }))
    : [{ ...scan, ranges: ranges.length }];
}

const wrap = (stage: Document, inputStage: Document): Document => ({ ...stage, inputStage });

function describeRead(plan: Plan, { sort, skip = 0, limit = 0 }: ReadRequest): Document {
  let description = describePlan(plan, sort);
  const isSorting = sort !== undefined && !plan.isSorted;
  if (isSorting) description = wrap({ stage: 'SORT', sortPattern: sort }, description);
  if (skip > 0) description = wrap({ stage: 'SKIP', skipAmount: skip }, description);
  if (limit > 0 && !isSorting) description = wrap({ stage: 'LIMIT', limitAmount: limit }, description);
  return description;
}

interface Explained {
  readonly collection: Collection | undefined;
  readonly read: ReadRequest;
  readonly filter: Document;
  readonly isProjected?: boolean;
}

function explained(request: Request): Explained {
  const { name, command, deadline } = request;
  const statistics = createStatistics();
  if (name === 'aggregate') {
    if (command['writeConcern'] !== undefined) {
      fail('FailedToParse', "Aggregation explain does not support the 'writeConcern' option");
    }
    const { collection, read, pipeline } = toAggregatePlan(request, statistics);
    return { collection, read, filter: pipeline.leadingMatch ?? {} };
  }
  const collection = targetCollection(request);
  if (name === 'find') {
    const { read, project } = toFindPlan(request, collection, statistics);
    const filter = fieldOf(command, 'filter');
    return { collection, read, filter: isDocument(filter) ? filter : {}, isProjected: project !== undefined };
  }
  const filter = filterOf(request);
  const collation = collationOf(command['collation'], collection);
  const matcher = compileFilter(filter, { collation, variables: variablesOf(request) });
  return { collection, read: { matcher, checkTime: deadline.check, statistics }, filter };
}

function filterOf({ name, command }: Request): Document {
  const list = command['updates'] ?? command['deletes'];
  const holder = Array.isArray(list) && isDocument(list[0]) ? list[0] : command;
  const filter = name === 'update' || name === 'delete' ? holder['q'] : holder['query'];
  return isDocument(filter) ? filter : {};
}

const VERBOSITIES: ReadonlySet<string> = new Set(['queryPlanner', 'executionStats', 'allPlansExecution']);
const EXPLAINABLE = ['find', 'aggregate', 'count', 'distinct', 'update', 'delete', 'findAndModify', 'findandmodify'];

function explain(request: Request): Document {
  const inner = request.command['explain'];
  if (!isDocument(inner))
    return fail('TypeMismatch', "BSON field 'explain.explain' is the wrong type, expected type 'object'");
  const [name = ''] = Object.keys(inner);
  if (!EXPLAINABLE.includes(name)) fail('CommandNotFound', `Explain failed due to unknown command: ${name}`);
  const verbosity = String(request.command['verbosity'] ?? 'allPlansExecution');
  if (!VERBOSITIES.has(verbosity)) {
    fail('BadValue', `Enumeration value '${verbosity}' for field 'explain.verbosity' is not a valid value.`);
  }
  return describe({ ...request, name, command: inner }, verbosity);
}

/** Whether an aggregate command has `explain: true`. */
export const isExplainedAggregate = ({ name, command }: Request): boolean =>
  name === 'aggregate' && isSet(command, 'explain');

/** The explain output of a command. */
export function describe(request: Request, verbosity: string): Document {
  const { collection, read, filter, isProjected = false } = explained(request);
  const namespace = `${request.database}.${String(request.command[request.name])}`;
  const startedAt = performance.now();
  const plan = collection && planOf(collection, read);
  let winningPlan: Document = plan ? describeRead(plan, read) : { stage: 'EOF' };
  if (isProjected) winningPlan = wrap({ stage: 'PROJECTION_DEFAULT' }, winningPlan);
  const reply: Document = {
    explainVersion: '1',
    queryPlanner: { namespace, parsedQuery: filter, winningPlan, rejectedPlans: [] },
    command: request.command,
    serverInfo: { host: 'embedded', version: SERVER_VERSION },
    ok: 1,
  };
  if (verbosity !== 'queryPlanner') {
    const returned = collection ? readDocuments(collection, read).length : 0;
    reply['executionStats'] = {
      executionSuccess: true,
      nReturned: returned,
      executionTimeMillis: Math.round(performance.now() - startedAt),
      totalKeysExamined: read.statistics?.keysExamined ?? 0,
      totalDocsExamined: read.statistics?.documentsExamined ?? 0,
      executionStages: winningPlan,
    };
  }
  return reply;
}

/** The command `explain`. */
export const explainCommands: Readonly<Record<string, Command>> = {
  explain: { fields: new Set(['verbosity']), run: explain },
};

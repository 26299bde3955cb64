import mongoose, { type Connection } from 'mongoose';
import { expect } from 'vitest';

/** One access to the database, as `explain` tells it. */
export interface Access {
  readonly collection: string;
  readonly method: string;
  readonly filter: unknown;
  readonly documentsExamined: number;
  /** Stages of the plan, outermost first, the indexes they read included. */
  readonly stages: readonly string[];
  readonly indexes: readonly string[];
}

/** What may be read to show a page of a hundred. */
export const READ_MAX = 150;

/** Holds when an access reads by indexes alone, and no more documents than it needs. @param what was done */
export function expectBoundedAccess(access: Access, what: string, most = READ_MAX): void {
  const where = `${what}: ${JSON.stringify(access)}`;
  expect(access.stages, where).not.toContain('COLLSCAN');
  expect(access.documentsExamined, where).toBeLessThanOrEqual(most);
}

interface Call {
  readonly collection: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

type Options = Record<string, unknown>;

/**
 * Does something and explains every access that any connection of this process made meanwhile. Writes are explained by the
 * way they find what they write.
 */
export async function accessesOf(connection: Connection, work: () => Promise<unknown>): Promise<Access[]> {
  const calls: Call[] = [];
  mongoose.set('debug', (collection: string, method: string, ...args: unknown[]) => {
    calls.push({ collection, method, args });
  });
  try {
    await work();
  } finally {
    mongoose.set('debug', false);
  }
  const accesses: Access[] = [];
  for (const call of calls) {
    for (const command of toCommands(call)) accesses.push(await explain(connection, call, command));
  }
  return accesses;
}

function toCommands({ collection, method, args: [first, second, third] }: Call): Options[] {
  const find = (filter: unknown, { sort, limit, skip, hint, projection, collation }: Options = {}): Options =>
    withoutUndefined({ find: collection, filter, sort, limit, skip, hint, projection, collation });
  switch (method) {
    case 'find':
    case 'countDocuments':
      return [find(first, second as Options)];
    case 'findOne':
      return [find(first, { ...(second as Options), limit: 1 })];
    case 'findOneAndUpdate':
    case 'updateOne':
    case 'updateMany':
      return [find(first, { sort: (third as Options | undefined)?.['sort'] })];
    case 'deleteMany':
    case 'findOneAndDelete':
      return [find(first)];
    case 'aggregate':
      return [
        withoutUndefined({ aggregate: collection, pipeline: first, cursor: {}, hint: (second as Options)?.['hint'] }),
      ];
    case 'bulkWrite':
      return (first as Record<string, { filter?: unknown }>[]).flatMap((operation) =>
        Object.values(operation).flatMap(({ filter }) => (filter === undefined ? [] : [find(filter)])),
      );
    case 'insertOne':
    case 'insertMany':
    case 'indexes':
      return [];
    default:
      throw new Error(`no way to explain ${method}`);
  }
}

const withoutUndefined = (options: Options): Options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

async function explain(connection: Connection, { collection, method }: Call, command: Options): Promise<Access> {
  const reply = await connection.db?.command({ explain: command, verbosity: 'executionStats' });
  const stages: string[] = [];
  const indexes: string[] = [];
  const visit = (stage: Record<string, unknown> | undefined): void => {
    if (stage === undefined) return;
    stages.push(String(stage['stage']));
    if (stage['indexName'] !== undefined) indexes.push(String(stage['indexName']));
    visit(stage['inputStage'] as typeof stage);
    for (const input of (stage['inputStages'] as (typeof stage)[] | undefined) ?? []) visit(input);
  };
  // MongoDB tells of a pipeline by its stages, unless it runs all of it as a query.
  const read = reply?.['stages']?.[0].$cursor ?? reply;
  const { winningPlan } = read.queryPlanner;
  visit(winningPlan.queryPlan ?? winningPlan);
  const documentsExamined = read.executionStats.totalDocsExamined;
  const filter = command['filter'] ?? command['pipeline'];
  return { collection, method, filter, documentsExamined, stages, indexes };
}

import { Binary, BSONRegExp, Decimal128, Double, Long, ObjectId, Timestamp } from 'bson';
import type { Collation } from '../../../src/embedded/bson/collation.js';
import type { Document } from '../../../src/embedded/bson/values.js';
import type { Collection } from '../../../src/embedded/engine/collection.js';
import { Database } from '../../../src/embedded/engine/database.js';
import { DirectWriter } from '../../../src/embedded/engine/direct-writer.js';
import { planOf, type ReadRequest, readDocuments } from '../../../src/embedded/engine/read.js';
import { DatabaseError } from '../../../src/embedded/errors.js';
import { compileFilter, type Matcher } from '../../../src/embedded/query/filters/filter.js';
import { compileSort } from '../../../src/embedded/query/sort.js';
import { createRandom, type Random } from '../../support/random.js';
import { createMemoryStorage } from '../support/memory-storage.js';

/*
 * Compares the planner with a full scan: random queries on random documents of mixed types with random indexes. A plan
 * must find the same documents as a full scan, in an order that satisfies the sort.
 */

const PATHS = ['a', 'b', 'c', 'd', 'n.x', 'n.y', 'list.p', 'list.q', '_id'] as const;
const DATE_BASE = 1_700_000_000_000;

const scalars: readonly ((random: Random) => unknown)[] = [
  (random) => random.integer(12) - 3,
  (random) => random.integer(12) - 3,
  (random) => new Double(random.integer(6)),
  (random) => random.integer(20) / 4 + 0.1,
  (random) => Long.fromNumber(random.integer(6)),
  (random) => Decimal128.fromString(random.pick(['1', '2.50', '-0', '3', 'NaN', '1E+400'])),
  (random) => random.pick([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0]),
  (random) => random.pick(['', 'a', 'ab', 'abc', 'abd', 'B', 'Äb', 'ä', 'z', 'a\u0000b', '\ud83d\ude00', '\uffff']),
  (random) => random.pick(['a', 'ab', 'abc', 'b', 'ba']),
  (random) => random.pick([true, false]),
  () => null,
  () => undefined,
  (random) => new Date(DATE_BASE + random.integer(5) * 1000 - 2000),
  (random) => new ObjectId(`65000000000000000000000${random.integer(6)}`),
  (random) => new ObjectId(random.pick(['0', '6', 'f']).repeat(24)),
  (random) => new Timestamp({ t: random.integer(3), i: random.integer(3) }),
  (random) => new Binary(Uint8Array.from([random.integer(3), 1])),
  (random) => new BSONRegExp(random.pick(['^a', 'b']), ''),
  (random) => ({ x: random.integer(3), y: random.pick(['a', 1, null]) }),
  () => ({}),
];

const scalar = (random: Random): unknown => random.pick(scalars)(random);

function value(random: Random): unknown {
  if (!random.chance(0.15)) return scalar(random);
  return Array.from({ length: random.integer(4) }, () =>
    random.chance(0.1) ? [scalar(random)] : (scalar(random) ?? null),
  );
}

const without = (document: Document): Document =>
  Object.fromEntries(Object.entries(document).filter(([, field]) => field !== undefined));

function createDocument(random: Random, id: number): Document {
  const document: Document = { _id: random.chance(0.8) ? id : new ObjectId() };
  for (const field of ['a', 'b', 'c', 'd']) if (random.chance(0.85)) document[field] = value(random);
  if (random.chance(0.7)) document['n'] = without({ x: value(random), y: scalar(random) });
  else if (random.chance(0.5)) document['n'] = scalar(random);
  if (random.chance(0.6)) {
    document['list'] = Array.from({ length: random.integer(4) }, () =>
      random.chance(0.85) ? without({ p: value(random), q: scalar(random) }) : (scalar(random) ?? null),
    );
  } else if (random.chance(0.4)) {
    document['list'] = without({ p: scalar(random), q: scalar(random) });
  }
  return without(document);
}

function operand(random: Random): unknown {
  const chosen = random.chance(0.08) ? value(random) : scalar(random);
  return chosen === undefined ? null : chosen;
}

function comparison(random: Random): Document {
  const condition: Document = { [random.pick(['$gt', '$gte', '$lt', '$lte'])]: operand(random) };
  if (random.chance(0.5)) condition[random.pick(['$gt', '$gte', '$lt', '$lte'])] = operand(random);
  return condition;
}

const conditions: readonly ((random: Random) => unknown)[] = [
  operand,
  operand,
  (random) => ({ $eq: operand(random) }),
  comparison,
  comparison,
  (random) => ({ $in: Array.from({ length: random.integer(5) }, () => operand(random)) }),
  (random) => ({ $in: [...Array.from({ length: 2 }, () => operand(random)), new BSONRegExp('^ab', '')] }),
  (random) => ({ $exists: random.chance(0.5) }),
  (random) => ({ $ne: operand(random) }),
  (random) => ({ $nin: [operand(random), operand(random)] }),
  (random) => ({ $not: comparison(random) }),
  (random) => ({ $elemMatch: comparison(random) }),
  (random) => ({ $all: [operand(random)] }),
  (random) => ({ $type: random.pick(['string', 'number', 'null', 'object', 'date']) }),
  (random) => ({ $type: [random.pick(['string', 'bool']), random.pick(['int', 'objectId', 'object', 'array'])] }),
  (random) =>
    new BSONRegExp(
      random.pick(['^a', '^ab', '^ab?', '^ab*c', 'b', '^(a|b)', '^a|z', '^', '^a\\.b', '^ab$', '^ä']),
      random.pick(['', '', 'i']),
    ),
];

function clause(random: Random): Document {
  if (random.chance(0.05)) return { list: { $elemMatch: { p: random.pick(conditions)(random), q: operand(random) } } };
  return { [random.pick(PATHS)]: random.pick(conditions)(random) };
}

function createFilter(random: Random): Document {
  const filter: Document = {};
  for (let count = random.integer(4); count > 0; count -= 1) Object.assign(filter, clause(random));
  if (random.chance(0.15))
    filter['$or'] = Array.from({ length: 1 + random.integer(3) }, () => ({
      ...clause(random),
      ...(random.chance(0.3) && clause(random)),
    }));
  if (random.chance(0.1)) filter['$and'] = [clause(random), clause(random)];
  return filter;
}

function createSort(random: Random): Document | undefined {
  if (random.chance(0.4)) return undefined;
  const sort: Document = {};
  for (let count = 1 + random.integer(3); count > 0; count -= 1) sort[random.pick(PATHS)] = random.pick([1, -1]);
  return sort;
}

const partialFilters: readonly Document[] = [
  { a: { $gt: 1 } },
  { a: { $exists: true } },
  { b: { $type: 'string' } },
  { c: 'ab' },
  { d: { $lte: 3 }, a: { $gte: 0 } },
];

function createIndexSpec(random: Random, position: number): Document {
  const key: Document = {};
  for (let count = 1 + random.integer(3); count > 0; count -= 1)
    key[random.pick(PATHS.slice(0, -1))] = random.pick([1, -1]);
  const spec: Document = { key, name: `index${position}` };
  if (random.chance(0.2)) spec['sparse'] = true;
  else if (random.chance(0.25)) spec['partialFilterExpression'] = random.pick(partialFilters);
  if (random.chance(0.15)) spec['collation'] = { locale: 'en', strength: 2 };
  return spec;
}

/** Inserts a document unless the indexes reject it, as they reject parallel arrays. */
function insertWhatFits(database: Database, collection: Collection, document: Document): void {
  const writer = new DirectWriter(database);
  for (const index of collection.indexes.values()) {
    try {
      index.keysOf(document);
    } catch {
      return;
    }
  }
  writer.insert(collection, document);
  writer.commit();
}

function changeSome(database: Database, collection: Collection, random: Random): void {
  for (const { document } of [...collection.records.values()]) {
    if (!random.chance(0.2)) continue;
    const writer = new DirectWriter(database);
    writer.remove(collection, document);
    writer.commit();
    if (random.chance(0.7))
      insertWhatFits(database, collection, { ...createDocument(random, 0), _id: document['_id'] });
  }
}

function createWorld(random: Random): { database: Database; collection: Collection } {
  const database = new Database({ storage: createMemoryStorage(), onProblem: () => {} });
  const collection = database.openCollection({ database: 'fuzz', name: 'documents' });
  for (let position = 0; position < 5; position += 1)
    database.createIndex(collection, createIndexSpec(random, position));
  const size = random.pick([5, 40, 150]);
  for (let id = 0; id < size; id += 1)
    insertWhatFits(database, collection, createDocument(random, id % 20 === 0 ? id : id));
  changeSome(database, collection, random);
  return { database, collection };
}

const QUERIES_PER_WORLD = 250;

/** Counts by which a test checks that the run covered the relevant plans. */
export interface FuzzReport {
  readonly queries: number;
  readonly plans: Record<string, number>;
  readonly sortedByIndex: number;
}

const describe = (details: Document): string =>
  JSON.stringify(details, (_key, field: unknown) => (field === undefined ? null : field));

/** Like MongoDB, a sort cannot combine two arrays of a document. */
function isSortable(documents: Iterable<Document>, sort: Document): boolean {
  const compare = compileSort(sort);
  try {
    for (const document of documents) compare(document, document);
    return true;
  } catch (error) {
    if (error instanceof DatabaseError) return false;
    throw error;
  }
}

function compareRead(collection: Collection, request: ReadRequest, details: Document): void {
  const { matcher, sort, skip = 0, limit = 0 } = request;
  const everything = [...collection.records.values()].map(({ document }) => document);
  const matching = new Set(everything.filter((document) => matcher.matches(document)));
  if (sort && !isSortable(matching, sort)) return;
  const found = readDocuments(collection, request);
  const expected = Math.max(0, Math.min(matching.size - skip, limit > 0 ? limit : Number.POSITIVE_INFINITY));
  const fault = (what: string): never => {
    throw new Error(`${what}: found ${found.length}, expected ${expected}; ${describe(details)}`);
  };
  if (found.length !== expected) fault('another number of documents');
  if (new Set(found).size !== found.length) fault('a document twice');
  if (!found.every((document) => matching.has(document))) fault('a document that does not match');
  if (!sort) return;
  const compare = compileSort(sort, matcher.collation);
  const inOrder = [...matching].sort(compare).slice(skip, skip + expected);
  if (!inOrder.every((document, position) => compare(document, found[position] as Document) === 0))
    fault('another order');
}

/** Some combinations are errors in MongoDB, too, such as `$gt` with a regular expression. */
function tryCompile(filter: Document, collation: Collation | undefined): Matcher | undefined {
  try {
    return compileFilter(filter, { collation });
  } catch (error) {
    if (error instanceof DatabaseError) return undefined;
    throw error;
  }
}

/**
 * Runs random queries.
 * @throws Error with everything needed to reproduce the first difference
 */
export function fuzzPlanner(seed: number, queries: number): FuzzReport {
  const random = createRandom(seed);
  const plans: Record<string, number> = {};
  let sortedByIndex = 0;
  let done = 0;
  while (done < queries) {
    const { collection } = createWorld(random);
    const indexes = [...collection.indexes.values()].map(({ definition }) => definition.spec);
    for (let query = 0; query < QUERIES_PER_WORLD && done < queries; query += 1) {
      const filter = createFilter(random);
      const sort = createSort(random);
      const skip = random.chance(0.2) ? random.integer(5) : 0;
      const limit = random.chance(0.4) ? 1 + random.integer(10) : 0;
      const collation = random.chance(0.15)
        ? ({ locale: 'en', strength: 2, caseLevel: false, caseFirst: 'off', numericOrdering: false } as const)
        : undefined;
      const matcher = tryCompile(filter, collation);
      if (!matcher) continue;
      const request: ReadRequest = { matcher, sort, skip, limit, checkTime: () => {} };
      const plan = planOf(collection, request);
      plans[plan.kind] = (plans[plan.kind] ?? 0) + 1;
      if (sort && plan.kind === 'index' && plan.isSorted) sortedByIndex += 1;
      const chosen = plan.kind === 'index' ? plan.index.name : plan.kind;
      compareRead(collection, request, { seed, done, filter, sort, skip, limit, collation, chosen, indexes });
      done += 1;
    }
  }
  return { queries: done, plans, sortedByIndex };
}

const MERGED_KEYS = ['a', 'b', 'c'] as const;

/** A condition on a leading field of an index: few values, so that many documents satisfy it. */
function leadingCondition(random: Random): unknown {
  const few = (): unknown => random.pick([0, 1, 'a', null, new ObjectId('6'.repeat(24))]);
  return random.chance(0.6) ? { $in: Array.from({ length: 1 + random.integer(4) }, few) } : few();
}

/** Conditions on the leading fields of an index, and a sort by those behind them. */
function createMergedQuery(random: Random, key: readonly string[]): { filter: Document; sort: Document } {
  const leading = 1 + random.integer(key.length - 1);
  const branch = (): Document => ({
    ...Object.fromEntries(key.slice(0, leading).map((path) => [path, leadingCondition(random)])),
    ...(random.chance(0.5) && { [key[leading] ?? 'b']: comparison(random) }),
  });
  const filter = random.chance(0.5) ? branch() : { $or: Array.from({ length: 2 + random.integer(2) }, branch) };
  const sorted = key.slice(leading, leading + 1 + random.integer(2));
  const direction = random.pick([1, -1]);
  return {
    filter,
    sort: Object.fromEntries(sorted.map((path) => [path, random.chance(0.8) ? direction : -direction])),
  };
}

/**
 * Runs random queries for several values of the leading fields of an index, or for several branches of an `$or`, sorted
 * by the fields behind.
 * @throws Error as `fuzzPlanner`
 */
export function fuzzMerges(seed: number, queries: number): { merged: number; mergedBranches: number } {
  const random = createRandom(seed);
  const counts = { merged: 0, mergedBranches: 0 };
  for (let done = 0; done < queries; ) {
    const database = new Database({ storage: createMemoryStorage(), onProblem: () => {} });
    const collection = database.openCollection({ database: 'fuzz', name: 'documents' });
    const key: readonly string[] = random.pick([MERGED_KEYS, ['b', 'a', 'c'], ['d', 'b', 'c'], ['d', 'c']]);
    const spec = Object.fromEntries(key.map((path) => [path, random.pick([1, -1])]));
    database.createIndex(collection, { key: spec, name: 'merged' });
    database.createIndex(collection, { key: { [random.pick(MERGED_KEYS)]: 1 }, name: 'other' });
    const few = (): unknown => random.pick([0, 1, 'a', null, new ObjectId('6'.repeat(24))]);
    for (let id = 0; id < 120; id += 1) {
      const document: Document = { _id: id, a: few(), d: random.chance(0.5) ? [few(), few()] : few() };
      for (const path of ['b', 'c']) document[path] = random.chance(0.3) ? few() : scalar(random);
      // In some collections a field of the sort is an array, which no index can sort by.
      if (done % 500 > 400 && random.chance(0.02)) document['c'] = [few(), scalar(random) ?? null];
      insertWhatFits(database, collection, without(document));
    }
    changeSome(database, collection, random);
    for (let query = 0; query < 50; query += 1, done += 1) {
      const { filter, sort } = createMergedQuery(random, key);
      const matcher = tryCompile(filter, undefined);
      if (!matcher) continue;
      const [skip, limit] = [random.integer(3), random.chance(0.7) ? 1 + random.integer(10) : 0];
      const request: ReadRequest = { matcher, sort, skip, limit, checkTime: () => {} };
      const plan = planOf(collection, request);
      if (plan.kind === 'index' && plan.isMerged) counts.merged += 1;
      if (plan.kind === 'merge') counts.mergedBranches += 1;
      compareRead(collection, request, { seed, done, filter, sort, skip, limit, spec, chosen: plan.kind });
    }
  }
  return counts;
}

import { mongo } from 'mongoose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { startEmbeddedDatabase } from '../../support/database.js';

/*
 * Errors and limits of MongoDB that the embedded database must have, too. The README of the database lists them.
 */

let client: mongo.MongoClient;
let db: mongo.Db;
let stop: () => Promise<void>;

beforeAll(async () => {
  const database = await startEmbeddedDatabase();
  client = await new mongo.MongoClient(database.url).connect();
  db = client.db('strict');
  await db.createCollection('c');
  stop = async () => {
    await client.close();
    await database.stop();
  };
  return () => stop();
});

const names = async (): Promise<string[]> => (await db.listCollections().toArray()).map(({ name }) => name);

/** The outcome of a command: `ok`, its error code, or `statement` with the code of its first write error. */
async function outcomeOf(command: Document, database = db): Promise<unknown> {
  try {
    const { writeErrors } = await database.command(command);
    return writeErrors === undefined ? 'ok' : `statement ${writeErrors[0].code}`;
  } catch (error) {
    return (error as mongo.MongoServerError).code;
  }
}

const fields = (count: number): Document => Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, 1]));
const nested = (levels: number): Document => (levels === 0 ? {} : { a: nested(levels - 1) });
const index = (key: Document, more: Document = {}): Document => ({ key, name: Object.keys(key).join('_'), ...more });
const createIndexes = (...indexes: Document[]): Document => ({ createIndexes: 'indexed', indexes });
const partial = (filter: Document): Document => createIndexes(index({ p: 1 }, { partialFilterExpression: filter }));
const readAfter = (time: { t: number; i: number }, more: Document = {}): Document => ({
  find: 'c',
  readConcern: { afterClusterTime: new mongo.Timestamp(time), ...more },
});
const insert = (more: Document = {}, document: Document = {}): Document => ({
  insert: 'c',
  documents: [document],
  ...more,
});

describe('rejects a command with', () => {
  test.each<[what: string, command: Document, code: number | string]>([
    ['a view', { create: 'v', viewOn: 'c', pipeline: [] }, 115],
    ['a validator', { create: 'v', validator: { a: 1 } }, 115],
    ['a validator for an existing collection', { collMod: 'c', validator: { a: 1 } }, 115],
    ['a stage that is not supported', { aggregate: 'c', pipeline: [{ $densify: {} }], cursor: {} }, 115],
    ['a stage that does not exist', { aggregate: 'c', pipeline: [{ $foo: {} }], cursor: {} }, 40324],
    ['an index over 33 fields', createIndexes(index(fields(33))), 13103],
    ['65 indexes', createIndexes(...Object.keys(fields(64)).map((field) => index({ [field]: 1 }))), 67],
    ['a negation in a partial index', partial({ a: { $ne: 1 } }), 67],
    ['$exists: false in a partial index', partial({ a: { $exists: false } }), 67],
    ['a regular expression in a partial index', partial({ a: /x/ }), 67],
    ['a regular expression in a branch of a partial index', partial({ $or: [{ b: 1 }, { a: { $regex: 'x' } }] }), 67],
    ['$size in a partial index', partial({ a: { $size: 1 } }), 67],
    ['a document with 101 levels', insert({}, nested(100)), 'statement 15'],
    ['a negative maxTimeMS', { find: 'c', maxTimeMS: -1 }, 2],
    ['a maxTimeMS above the int32 range', { find: 'c', maxTimeMS: 2 ** 31 }, 2],
    ['a maxTimeMS that is not a number', { find: 'c', maxTimeMS: 'soon' }, 2],
    ['a fractional maxTimeMS', { find: 'c', maxTimeMS: 1.5 }, 2],
    ['a negative maxTimeMS of an aggregate', { aggregate: 'c', pipeline: [], cursor: {}, maxTimeMS: -1 }, 51024],
    ['a maxTimeMS of an aggregate in words', { aggregate: 'c', pipeline: [], cursor: {}, maxTimeMS: 'soon' }, 14],
    ['a fractional maxTimeMS of an aggregate', { aggregate: 'c', pipeline: [], cursor: {}, maxTimeMS: 1.5 }, 2],
    ['a scale that is no number', { collStats: 'c', scale: 'kB' }, 14],
    ['a scale below 1', { dbStats: 1, scale: 0 }, 51024],
    ['the size of a range of keys', { dataSize: 'strict.c', min: { _id: 1 } }, 115],
    ['an unknown read concern level', { find: 'c', readConcern: { level: 'best' } }, 2],
    ['an unknown read concern field', { find: 'c', readConcern: { kind: 'local' } }, 40415],
    ['a cluster time with linearizable', readAfter({ t: 1, i: 1 }, { level: 'linearizable' }), 72],
    ['a cluster time in the future', readAfter({ t: 4_000_000_000, i: 1 }), 72],
    ['a cluster time that is not a timestamp', { find: 'c', readConcern: { afterClusterTime: 5 } }, 14],
    ['a read concern on a write', insert({ readConcern: { level: 'majority' } }), 72],
    ['a write concern on a read', { find: 'c', writeConcern: { w: 1 } }, 72],
    ['a write concern with 51 nodes', insert({ writeConcern: { w: 51 } }), 9],
    ['a negative write concern', insert({ writeConcern: { w: -1 } }), 9],
    ['both j and fsync', insert({ writeConcern: { w: 1, j: true, fsync: true } }), 9],
    [
      'a write concern on an explained aggregation',
      { aggregate: 'c', pipeline: [{ $out: 'x' }], explain: true, writeConcern: { w: 1 } },
      9,
    ],
    ['an unknown verbosity', { explain: { find: 'c' }, verbosity: 'all' }, 2],
    ['an update without a filter', { update: 'c', updates: [{ u: { $set: { a: 1 } } }] }, 40414],
    ['an unknown field of an update', { update: 'c', updates: [{ q: {}, u: {}, foo: 1 }] }, 40415],
    ['a delete without a limit', { delete: 'c', deletes: [{ q: {} }] }, 40414],
    [
      'an unknown update operator, even without a collection',
      { update: 'no', updates: [{ q: {}, u: { $foo: {} } }] },
      'statement 9',
    ],
    ['a sort by $natural and a field', { find: 'c', sort: { $natural: 1, a: 1 } }, 2],
    ['a sort by $natural in no direction', { find: 'c', sort: { $natural: 2 } }, 2],
    ['a sort by $natural on an index', { find: 'c', sort: { $natural: 1 }, hint: '_id_' }, 2],
    ['another version of the API', { ping: 1, apiVersion: '2' }, 322],
    ['strictness without a version of the API', { ping: 1, apiStrict: true }, 4_886_600],
    [
      'a command outside of the strict API',
      { distinct: 'c', key: 'a', apiVersion: '1', apiStrict: true, apiDeprecationErrors: true },
      323,
    ],
    [
      'a stage outside of the strict API',
      { aggregate: 'c', pipeline: [{ $indexStats: {} }], cursor: {}, apiVersion: '1', apiStrict: true },
      323,
    ],
    ['a pipeline without a collection', { aggregate: 1, pipeline: [{ $match: {} }], cursor: {} }, 73],
    ['an empty pipeline without a collection', { aggregate: 1, pipeline: [], cursor: {} }, 73],
    ['$documents on a collection', { aggregate: 'c', pipeline: [{ $documents: [] }], cursor: {} }, 73],
    ['an unknown command', { shutDownNow: 1 }, 59],
    ['an unknown option', { find: 'c', fast: true }, 40415],
  ])('%s', async (_what, command, code) => {
    expect(await outcomeOf(command)).toBe(code);
  });

  test('a reserved system collection', async () => {
    expect(await outcomeOf({ insert: 'system.foo', documents: [{}] })).toBe(73);
    expect(await outcomeOf({ create: 'system.foo' })).toBe(73);
    expect(await outcomeOf({ insert: 'system.js', documents: [{}] })).toBe('ok');
  });

  test('a database name that differs from another only by case, or has 64 bytes', async () => {
    expect(await outcomeOf(insert())).toBe('ok');
    expect(await outcomeOf(insert(), client.db('STRICT'))).toBe(13297);
    expect(await outcomeOf(insert(), client.db('ä'.repeat(32)))).toBe(73);
  });

  test('a write concern inside a transaction', async () => {
    const session = client.startSession();
    session.startTransaction();
    const command = { insert: 'c', documents: [{}], writeConcern: { w: 1 } };
    await expect(db.command(command, { session })).rejects.toMatchObject({ code: 72 });
    await session.endSession();
  });
});

test('sorts by $natural in storage order, without an index', async () => {
  const documents = [3, 1, 2].map((_id) => ({ _id }));
  await db.command({ insert: 'natural', documents });
  const sorted = async (direction: number): Promise<unknown[]> =>
    (
      await db
        .collection('natural')
        .find({}, { sort: { $natural: direction } as never })
        .toArray()
    ).map(({ _id }) => _id);
  expect([await sorted(1), await sorted(-1)]).toEqual([
    [3, 1, 2],
    [2, 1, 3],
  ]);
  const last = {
    findAndModify: 'natural',
    query: { _id: { $gt: 0 } },
    sort: { $natural: -1 },
    update: { $set: { a: 1 } },
  };
  expect((await db.command(last))['value']).toEqual({ _id: 2 });
  const { queryPlanner } = await db.command({ explain: { find: 'natural', sort: { $natural: -1 } } });
  expect(queryPlanner.winningPlan).toEqual({ stage: 'COLLSCAN', direction: 'backward' });
});

test('accepts the version of the Stable API, and the options of validate that drivers send', async () => {
  expect(await outcomeOf({ find: 'c', apiVersion: '1', apiStrict: true })).toBe('ok');
  expect(await outcomeOf({ distinct: 'c', key: 'a', apiVersion: '1' })).toBe('ok');
  expect(await outcomeOf({ validate: 'c', scandata: true, full: false })).toBe('ok');
});

describe('has the limits of MongoDB', () => {
  test('stores a document with 100 levels', async () => {
    expect(await outcomeOf(insert({}, nested(99)))).toBe('ok');
  });

  test('creates an index with 32 fields, and 63 indexes besides _id', async () => {
    expect(await outcomeOf(createIndexes(index(fields(32))))).toBe('ok');
    const many = Object.keys(fields(63)).map((field) => index({ [field]: 1 }));
    expect(await outcomeOf({ createIndexes: 'many', indexes: many })).toBe('ok');
  });

  test('sorts up to 100 MB, more with allowDiskUse, with a limit or by an index', async () => {
    const sorted = db.collection<{ n: number; text: string; list?: string[] }>('sorted');
    const text = 'x'.repeat(5 * 1024 * 1024);
    for (let n = 0; n < 22; n += 1) await sorted.insertOne({ n: -n, text });
    const find = (more: Document) => outcomeOf({ find: 'sorted', sort: { n: 1 }, projection: { n: 1 }, ...more });
    expect(await find({})).toBe(292);
    expect(await find({ allowDiskUse: true })).toBe('ok');
    expect(await find({ limit: 3 })).toBe('ok');
    const pipeline = [{ $sort: { n: 1 } }, { $project: { n: 1 } }];
    expect(await outcomeOf({ aggregate: 'sorted', pipeline, cursor: {} })).toBe(292);
    expect(await outcomeOf({ aggregate: 'sorted', pipeline, cursor: {}, allowDiskUse: true })).toBe('ok');
    const late = [{ $set: { m: '$n' } }, { $sort: { m: 1 } }, { $project: { m: 1 } }];
    expect(await outcomeOf({ aggregate: 'sorted', pipeline: late, cursor: {} })).toBe(292);
    await sorted.createIndex({ n: 1 });
    expect(await find({})).toBe('ok');
    const grown = { $push: { list: { $each: [text, text, text] } } };
    await expect(sorted.updateOne({ n: 0 }, grown)).rejects.toMatchObject({ code: 10334 });
    const doubled = [{ $limit: 1 }, { $project: { a: '$text', b: '$text', c: '$text', d: '$text' } }];
    expect(await outcomeOf({ aggregate: 'sorted', pipeline: doubled, cursor: {} })).toBe(10334);
  });
});

describe('creates a collection', () => {
  test('for an upsert, but not for an update, a delete or a findAndModify', async () => {
    const set = { $set: { a: 1 } };
    const ghost = db.collection<{ _id: number; a?: number }>('ghost');
    expect(await ghost.updateOne({ _id: 1 }, set)).toMatchObject({ matchedCount: 0, upsertedCount: 0 });
    await ghost.updateMany({}, set);
    await ghost.deleteMany({});
    await ghost.findOneAndUpdate({}, set);
    const namespace = 'strict.ghost';
    await client.bulkWrite([
      { name: 'updateOne', namespace, filter: {}, update: set },
      { name: 'deleteOne', namespace, filter: {} },
    ]);
    expect(await names()).not.toContain('ghost');
    await ghost.updateOne({ _id: 1 }, set, { upsert: true });
    expect(await names()).toContain('ghost');
    expect(await ghost.findOne()).toEqual({ _id: 1, a: 1 });
  });
});

describe('a sort over arrays', () => {
  test('takes the fields of one array from the same element', async () => {
    const pairs = db.collection<{ _id: number }>('pairs');
    await pairs.insertMany([
      {
        _id: 1,
        l: [
          { x: 1, y: 5 },
          { x: 2, y: 0 },
        ],
      },
      { _id: 2, l: [{ x: 1, y: 3 }] },
      { _id: 3, l: [] },
      { _id: 4, l: { x: 1, y: 4 } },
    ] as never[]);
    const order = async (sort: mongo.Sort) => (await pairs.find().sort(sort).toArray()).map(({ _id }) => _id);
    expect(await order({ 'l.x': 1, 'l.y': 1 })).toEqual([3, 2, 4, 1]);
    expect(await order({ 'l.x': -1, 'l.y': 1 })).toEqual([1, 2, 4, 3]);
    await pairs.createIndex({ 'l.x': 1, 'l.y': 1 });
    expect(await order({ 'l.x': 1, 'l.y': 1 })).toEqual([3, 2, 4, 1]);
  });

  test('rejects two parallel arrays', async () => {
    await db.collection('parallel').insertOne({ a: [1, 2], b: [3, 4] });
    expect(await outcomeOf({ find: 'parallel', sort: { a: 1, b: 1 } })).toBe(2);
  });
});

test('supports the lower-case names of commands', async () => {
  await db.createCollection('counted');
  for (const name of ['collStats', 'collstats'])
    expect(await db.command({ [name]: 'counted' })).toMatchObject({ count: 0 });
});

test('measures databases and collections in the unit that is asked for', async () => {
  const measured = client.db('measured');
  await measured.collection('c').insertMany([{ text: 'x'.repeat(3000) }, { text: 'x'.repeat(2000) }]);
  const { size, numObjects } = await measured.command({ dataSize: 'measured.c' });
  expect([size > 5000, numObjects]).toEqual([true, 2]);
  expect(await measured.command({ dataSize: 'measured.none' })).toMatchObject({ size: 0, numObjects: 0 });
  const inKilobytes = { size: 4, storageSize: 4, totalSize: 4, count: 2, scaleFactor: 1024 };
  expect(await measured.command({ collStats: 'c', scale: 1024 })).toMatchObject(inKilobytes);
  const stages = [{ $collStats: { storageStats: { scale: 1024 } } }];
  const [{ storageStats } = {}] = await measured.collection('c').aggregate(stages).toArray();
  expect(storageStats).toMatchObject(inKilobytes);
  expect(await measured.command({ dbStats: 1, scale: 1024 })).toMatchObject({
    dataSize: size / 1024,
    totalSize: size / 1024,
  });
  expect(await measured.command({ collStats: 'none' })).toMatchObject({ ns: 'measured.none', count: 0, totalSize: 0 });
});

test('lists its commands', async () => {
  const { commands } = await db.command({ listCommands: 1 });
  expect(Object.keys(commands)).toEqual(expect.arrayContaining(['find', 'hello', 'listCommands']));
});

test('leaves the cursor of a full batch open, unless it is known that nothing follows', async () => {
  const full = db.collection<{ _id: number; a: number }>('full');
  await full.insertMany([1, 2, 3].map((_id) => ({ _id, a: _id })));
  const isOpen = async (command: Document): Promise<boolean> =>
    Number((await db.command({ find: 'full', batchSize: 3, ...command }))['cursor'].id) !== 0;
  expect(await isOpen({})).toBe(true);
  expect(await isOpen({ sort: { _id: -1 } })).toBe(true);
  expect(await isOpen({ batchSize: 4 })).toBe(false);
  expect(await isOpen({ limit: 3 })).toBe(false);
  expect(await isOpen({ singleBatch: true })).toBe(false);
  expect(await isOpen({ sort: { a: 1 } })).toBe(false);
  expect(await isOpen({ filter: { _id: 1 }, batchSize: 1 })).toBe(false);
  const { cursor } = await db.command({ find: 'full', batchSize: 3 });
  expect(await outcomeOf({ getMore: cursor.id, collection: 'full', maxTimeMS: 100 })).toBe(2);
  expect((await db.command({ getMore: cursor.id, collection: 'full' }))['cursor']).toMatchObject({ nextBatch: [] });
  expect(await full.find({}, { batchSize: 1 }).toArray()).toHaveLength(3);
});

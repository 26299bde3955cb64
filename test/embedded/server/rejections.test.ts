import { Binary, Double, MaxKey, MinKey } from 'bson';
import { mongo } from 'mongoose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { startEmbeddedDatabase } from '../../support/database.js';

/*
 * What MongoDB rejects, by its error codes, where it would be easy to accept or to ignore it.
 */

interface Stored {
  _id: unknown;
  [field: string]: unknown;
}

let db: mongo.Db;

beforeAll(async () => {
  const database = await startEmbeddedDatabase();
  const client = await new mongo.MongoClient(database.url).connect();
  db = client.db('rejections');
  await db.collection<Stored>('c').insertMany([
    { _id: 1, a: 1, list: [{ b: 1 }], under: { list: [1, 2] } },
    { _id: 2, a: 2, list: [{ b: 2 }] },
  ]);
  return async () => {
    await client.close();
    await database.stop();
  };
});

/** The outcome of a command: `ok`, its error code, or `statement` with the code of its first write error. */
async function outcomeOf(command: Document): Promise<unknown> {
  try {
    const { writeErrors } = await db.command(command);
    return writeErrors === undefined ? 'ok' : `statement ${writeErrors[0].code}`;
  } catch (error) {
    return (error as mongo.MongoServerError).code;
  }
}

describe('a stage', () => {
  test.each([
    [{ $project: { x: '$' } }, 16872],
    [{ $project: { x: '$a.' } }, 40353],
    [{ $project: { x: '$$' } }, 9],
    [{ $project: { x: '$$$a' } }, 9],
    [{ $project: { x: '$$ROOT.' } }, 40353],
    [{ $project: { 'a.': 1 } }, 40353],
    [{ $project: { 'a.$': 1 } }, 31324],
    [{ $project: { 'a.$.b': 1 } }, 31394],
    [{ $project: { x: { $rand: { a: 1 } } } }, 3040501],
    [{ $project: { x: { $rand: null } } }, 10065],
    [{ $project: { x: { $rand: [] } } }, 'ok'],
    [{ $match: { $expr: { $expr: 1 } } }, 168],
    [{ $unset: ['a', 'a'] }, 31250],
    [{ $unset: 1 }, 31002],
    [{ $sort: { 'a..b': 1 } }, 15998],
    [{ $sample: { size: 'a' } }, 28746],
    [{ $sample: { size: 0.5 } }, 28747],
    [{ $sample: { size: 1.5 } }, 'ok'],
  ])('%j', async (stage, outcome) => {
    // The collection does not exist: the stage is checked nevertheless.
    expect(await outcomeOf({ aggregate: 'none', pipeline: [stage], cursor: {} })).toBe(outcome);
  });
});

describe('an expression on a value of a wrong type', () => {
  test.each([
    [{ $first: 'x' }, 28689],
    [{ $arrayElemAt: [[1], 'x'] }, 28690],
    [{ $slice: ['x', 1] }, 28724],
    [{ $concatArrays: ['x'] }, 28664],
    [{ $reverseArray: 'x' }, 34435],
    [{ $map: { input: 'x', in: 1 } }, 16883],
    [{ $filter: { input: 'x', cond: 1 } }, 28651],
    [{ $reduce: { input: 'x', initialValue: 1, in: 1 } }, 40080],
    [{ $range: ['x', 1] }, 34443],
    [{ $sortArray: { input: 'x', sortBy: 1 } }, 2942504],
    [{ $abs: 'x' }, 28765],
    [{ $round: 'x' }, 51081],
    [{ $pow: ['x', 1] }, 28762],
    [{ $multiply: ['x', 1] }, 14],
  ])('%j', async (x, code) => {
    expect(await outcomeOf({ aggregate: 'c', pipeline: [{ $project: { x } }], cursor: {} })).toBe(code);
  });
});

describe('a projection', () => {
  test.each([
    [{ 'list.$': 0 }, 31395],
    [{ 'list.$.b': 1 }, 31394],
    [{ 'list..$': 1 }, 40353],
    [{ 'list.$': 1 }, 'ok'],
  ])('%j', async (projection, outcome) => {
    expect(await outcomeOf({ find: 'c', filter: { 'list.b': 1 }, projection })).toBe(outcome);
  });
});

describe('a filter', () => {
  const idsOf = async (filter: Document) =>
    (await db.collection('values').find(filter).sort({ _id: 1 }).toArray()).map(({ _id }) => _id as unknown);

  beforeAll(async () => {
    await db
      .collection<Stored>('values')
      .insertMany([
        { _id: 'min', v: new MinKey() },
        { _id: 'missing' },
        { _id: 'null', v: null },
        { _id: 'too large', v: new Double(2 ** 63) },
        { _id: 'x', v: 1 },
        { _id: 'z max', v: new MaxKey() },
      ]);
  });

  test('on MinKey or MaxKey compares missing values, too, with and without an index', async () => {
    const between = ['missing', 'null', 'too large', 'x'];
    for (const create of [
      undefined,
      {},
      { sparse: true, name: 's' },
      { partialFilterExpression: { v: { $exists: true } }, name: 'p' },
    ]) {
      if (create) await db.collection('values').createIndex({ v: 1 }, create);
      expect(await idsOf({ v: { $gt: new MinKey() } })).toEqual([...between, 'z max']);
      expect(await idsOf({ v: { $lt: new MaxKey() } })).toEqual(['min', ...between]);
      expect(await idsOf({ v: { $lte: new MinKey() } })).toEqual(['min']);
    }
  });

  test('on bits does not match a double beyond 64 bits', async () => {
    expect(await idsOf({ v: { $bitsAllClear: 2 } })).toEqual(['x']);
    expect(await idsOf({ v: { $bitsAllClear: new Binary(Buffer.from([2])) } })).toEqual(['x']);
  });

  test.each([
    [{ v: { $ref: 'c' } }, 2],
    [{ v: { $id: 1 } }, 2],
    [{ v: { $ref: 'c', $id: 1 } }, 'ok'],
    [{ v: { $elemMatch: { $ref: 'c' } } }, 'ok'],
  ])('%j', async (filter, outcome) => {
    expect(await outcomeOf({ find: 'values', filter })).toBe(outcome);
  });
});

describe('$rename', () => {
  test.each([
    [{ 'a.b': 'x' }, 'statement 28'],
    [{ 'list.b': 'x' }, 'statement 28'],
    [{ 'list.-1': 'x' }, 'statement 28'],
    [{ 'list.0': 'x' }, 'statement 2'],
    [{ 'list.7': 'x' }, 'ok'],
    [{ 'none.b': 'x' }, 'ok'],
  ])('%j', async ($rename, outcome) => {
    expect(await outcomeOf({ update: 'c', updates: [{ q: { _id: 1 }, u: { $rename } }] })).toBe(outcome);
  });
});

describe('the type of an option', () => {
  const q = { _id: 1 };
  const u = { $set: { seen: true } };
  const index = (options: Document): Document => ({ key: { typed: 1 }, name: 'typed_1', ...options });
  const bulk = (op: Document): Document => ({ bulkWrite: 1, ops: [op], nsInfo: [{ ns: 'rejections.c' }] });

  test.each<[Document, unknown]>([
    [{ insert: 'c', documents: [{}], ordered: 'yes' }, 14],
    [{ insert: 'c', documents: [{}], bypassDocumentValidation: 'yes' }, 14],
    [{ update: 'c', updates: [{ q, u, multi: 1 }] }, 14],
    [{ update: 'c', updates: [{ q, u, upsert: 'yes' }] }, 14],
    [{ update: 'c', updates: [{ q, u, sort: 'a' }] }, 14],
    [{ update: 'c', updates: [{ q, u, c: 1 }] }, 14],
    [{ delete: 'c', deletes: [{ q, limit: 1 }], ordered: 1 }, 14],
    [{ findAndModify: 'c', query: q, update: u, upsert: 'yes' }, 14],
    [{ findAndModify: 'c', query: q, update: u, new: 'yes' }, 14],
    [{ findAndModify: 'c', query: q, update: u, new: 1 }, 'ok'],
    [{ findAndModify: 'c', query: q, remove: 'yes' }, 14],
    [{ find: 'c', batchSize: 'all' }, 14],
    [{ find: 'c', limit: true }, 14],
    [{ find: 'c', singleBatch: 1 }, 14],
    [{ find: 'c', singleBatch: null, limit: null }, 'ok'],
    [{ count: 'c', limit: 'all' }, 14],
    [{ aggregate: 'c', pipeline: [], cursor: { batchSize: true } }, 14],
    [{ aggregate: 'c', pipeline: [], cursor: { batchSize: -1 } }, 51024],
    [{ aggregate: 'c', pipeline: [], cursor: {}, allowDiskUse: 'yes' }, 14],
    [{ listCollections: 1, nameOnly: 'yes' }, 14],
    [{ create: 'capped', capped: 'yes', size: 100 }, 14],
    [{ create: 'capped', capped: true, size: 'x' }, 14],
    [{ create: 'capped', capped: true, size: 0 }, 51024],
    [{ create: 'capped', capped: true, size: 100, max: 'x' }, 14],
    [{ createIndexes: 'c', indexes: [index({ unique: {} })] }, 14],
    [{ createIndexes: 'c', indexes: [index({ sparse: 'yes' })] }, 14],
    [{ createIndexes: 'c', indexes: [index({}), index({ name: 'other' })] }, 85],
    [{ createIndexes: 'c', indexes: [index({}), index({ key: { other: 1 } })] }, 86],
    [{ dropIndexes: 'c' }, 40414],
    [{ dropIndexes: 'c', index: true }, 14],
    [{ dropIndexes: 'c', index: [1] }, 14],
    [{ dropIndexes: 'c', index: [{ _id: 1 }] }, 14],
  ])('%j', async (command, outcome) => {
    expect(await outcomeOf(command)).toBe(outcome);
  });

  test.each(['multi', 'upsert', 'sort', 'constants'])('%s of an operation of bulkWrite', async (field) => {
    const admin = db.client.db('admin');
    const { cursor } = await admin.command(bulk({ update: 0, filter: q, updateMods: u, [field]: 'yes' }));
    expect(cursor.firstBatch).toMatchObject([{ ok: 0, code: 14 }]);
  });

  test('a fractional batch size counts as its whole part', async () => {
    const { cursor } = await db.command({ aggregate: 'c', pipeline: [], cursor: { batchSize: 1.9 } });
    expect(cursor.firstBatch).toHaveLength(1);
  });

  test('leaves nothing behind', async () => {
    expect(await db.collection('c').countDocuments({ seen: true, _id: { $ne: 1 } as never })).toBe(0);
    expect((await db.collection('c').indexes()).map(({ name }) => name)).toEqual(['_id_']);
    expect(await db.listCollections({ name: 'capped' }).toArray()).toEqual([]);
  });
});

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

import type { mongo } from 'mongoose';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { startTestServer } from '../support/running-server.js';

interface Item {
  _id: number;
  [field: string]: unknown;
}

let db: mongo.Db;

beforeEach(async () => {
  ({ db } = await startTestServer());
  await db.collection<Item>('source').insertMany([
    { _id: 1, name: 'a', count: 3, 'x.y': 0 },
    { _id: 2, name: 'b', count: 4 },
  ]);
  await db.collection<Item>('target').insertMany([{ _id: 10, name: 'a', count: 1 }]);
  await db.collection('target').createIndex({ name: 1 }, { unique: true });
});

const merge = (specification: unknown, ...before: Document[]) =>
  db
    .collection('source')
    .aggregate([...before, { $merge: specification }])
    .toArray();

const target = () => db.collection('target').find().sort({ _id: 1 }).toArray();

describe('$merge', () => {
  const withoutId = { $unset: '_id' };

  test('evaluates its let for each document, also with the time', async () => {
    await merge(
      {
        into: 'target',
        on: 'name',
        let: { added: { $add: ['$count', 1] }, now: '$$NOW' },
        whenMatched: [{ $set: { count: { $add: ['$count', '$$added'] }, of: '$$new.name', at: '$$now' } }],
      },
      { $match: { _id: 1 } },
    );
    expect(await target()).toEqual([{ _id: 10, name: 'a', count: 5, of: 'a', at: expect.any(Date) }]);
  });

  test.each(['merge', 'replace'])('does not change the _id of a document with %s', async (whenMatched) => {
    const specification = { into: 'target', on: 'name', whenMatched };
    await expect(merge(specification)).rejects.toMatchObject({ codeName: 'ImmutableField' });
    expect(await target()).toEqual([{ _id: 10, name: 'a', count: 1 }]);
    await merge(specification, { $match: { name: 'a' } }, withoutId, { $unset: 'x' });
    expect(await target()).toMatchObject([{ _id: 10, name: 'a', count: 3 }]);
  });

  test('merges a name that looks like a path or an expression as it is', async () => {
    await merge({ into: 'target', on: 'name' }, { $match: { _id: 1 } }, withoutId, { $set: { text: '$name' } });
    await merge({ into: 'target', on: 'name' }, { $match: { _id: 1 } }, withoutId, {
      $set: { text: { $literal: '$name' } },
    });
    expect(await target()).toEqual([{ _id: 10, name: 'a', count: 3, 'x.y': 0, text: '$name' }]);
  });

  test.each([
    ['a missing field in on', { into: 'target', on: 'name' }, { $unset: 'name' }, 51132],
    ['an array in on', { into: 'target', on: 'name' }, { $set: { name: ['a'] } }, 51132],
  ])('rejects %s', async (_name, specification, stage, code) => {
    await expect(merge(specification, stage)).rejects.toMatchObject({ code });
  });

  test.each([
    [null, 14],
    [[], 14],
    [1, 14],
    [{}, 40414],
    [{ into: 1 }, 51178],
    [{ into: 'target', other: 1 }, 40415],
    [{ into: 'target', on: 1 }, 51186],
    [{ into: 'target', on: [1] }, 51134],
    [{ into: 'target', on: [] }, 51187],
    [{ into: 'target', on: ['name', 'name'] }, 31465],
    [{ into: 'target', on: 'count' }, 51183],
    [{ into: 'target', let: 1 }, 14],
    [{ into: 'target', let: {} }, 51199],
    [{ into: 'target', let: { new: 1 }, whenMatched: [] }, 51273],
    [{ into: 'target', whenMatched: 1 }, 51191],
    [{ into: 'target', whenMatched: 'other' }, 2],
    [{ into: 'target', whenMatched: ['a'] }, 14],
    [{ into: 'target', whenNotMatched: 1 }, 14],
    [{ into: 'target', whenNotMatched: 'other' }, 2],
    [{ into: 'target', whenMatched: 'fail', whenNotMatched: 'discard' }, 51181],
    [{ into: 'target', whenMatched: 'keepExisting', whenNotMatched: 'fail' }, 51181],
  ])('rejects %j and writes nothing', async (specification, code) => {
    await expect(merge(specification)).rejects.toMatchObject({ code });
    expect(await target()).toEqual([{ _id: 10, name: 'a', count: 1 }]);
  });
});

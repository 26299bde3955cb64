import type { mongo } from 'mongoose';
import { describe, expect, test } from 'vitest';
import { createMemoryStorage } from '../support/memory-storage.js';
import { startTestServer } from '../support/running-server.js';

type Things = mongo.Collection<{ _id: number; [field: string]: unknown }>;

async function ensureValid(db: mongo.Db): Promise<void> {
  expect(await db.command({ validate: 'things' })).toMatchObject({ valid: true, errors: [] });
}

describe('a failed write changes nothing', () => {
  test('with two arrays in one index, in memory and on disk', async () => {
    const storage = createMemoryStorage();
    const { db, server, client } = await startTestServer({ storage });
    const things: Things = db.collection('things');
    await things.createIndexes([{ key: { z: 1 } }, { key: { a: 1, b: 1 } }, { key: { 'c.d': 1, 'c.e': 1 } }]);
    await things.insertOne({ _id: 1, a: [1, 2], b: 3, z: 1 });
    const refused = { codeName: 'CannotIndexParallelArrays' };
    const code = { code: 171 };
    await expect(things.insertOne({ _id: 2, a: [1], b: [2] })).rejects.toMatchObject(code);
    await expect(things.insertOne({ _id: 2, c: { d: [1], e: [2] } })).rejects.toMatchObject(code);
    await expect(things.updateOne({ _id: 1 }, { $set: { z: 2, b: [1] } })).rejects.toMatchObject(code);
    await expect(things.findOneAndUpdate({ _id: 1 }, { $set: { z: 2, b: [1] } })).rejects.toMatchObject(refused);
    await client.withSession(async (session) => {
      session.startTransaction();
      await expect(things.insertOne({ _id: 3, a: [1], b: [2] }, { session })).rejects.toMatchObject(code);
    });
    const expected = [{ _id: 1, a: [1, 2], b: 3, z: 1 }];
    for (const filter of [{}, { a: 2 }, { z: 1 }]) expect(await things.find(filter).toArray()).toEqual(expected);
    await ensureValid(db);
    await server.stop();
    const again = await startTestServer({ storage });
    expect(await again.db.collection('things').find().toArray()).toEqual(expected);
  });

  test('with an index that was created while its transaction was open', async () => {
    const { db, client } = await startTestServer();
    const things: Things = db.collection('things');
    await things.insertOne({ _id: 1 });
    await client.withSession(async (session) => {
      session.startTransaction();
      await things.insertMany([{ _id: 2 }, { _id: 3, a: [1], b: [2] }], { session });
      await things.createIndex({ a: 1, b: 1 });
      await expect(session.commitTransaction()).rejects.toThrow('parallel arrays');
    });
    expect(await things.find().toArray()).toEqual([{ _id: 1 }]);
    await ensureValid(db);
  });

  test('with an $out whose results violate an index', async () => {
    const { db } = await startTestServer();
    const things: Things = db.collection('things');
    await things.createIndex({ n: 1 }, { unique: true });
    await things.insertMany([
      { _id: 1, n: 1 },
      { _id: 2, n: 2 },
    ]);
    const same = things.aggregate([{ $set: { n: 7 } }, { $out: 'things' }]).toArray();
    await expect(same).rejects.toMatchObject({ code: 11000 });
    expect(await things.find({ n: { $gt: 0 } }).toArray()).toHaveLength(2);
    await ensureValid(db);
  });
});

describe('a write on a locked document', () => {
  test('waits when it is an $out, and then replaces everything', async () => {
    const { db, client } = await startTestServer();
    const things: Things = db.collection('things');
    await things.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    await db.collection<{ _id: number }>('source').insertOne({ _id: 9 });
    const session = client.startSession();
    session.startTransaction();
    await things.updateOne({ _id: 2 }, { $set: { n: 1 } }, { session });
    const replaced = db
      .collection('source')
      .aggregate([{ $out: 'things' }])
      .toArray();
    // The reply to a later command of another connection proves that the aggregation has reached the lock.
    const limited = db
      .collection('source')
      .aggregate([{ $out: 'things' }], { maxTimeMS: 50 })
      .toArray();
    await expect(limited).rejects.toMatchObject({ codeName: 'MaxTimeMSExpired' });
    expect(await things.countDocuments()).toBe(3);
    await session.commitTransaction();
    await session.endSession();
    await replaced;
    expect(await things.find().toArray()).toEqual([{ _id: 9 }]);
    await ensureValid(db);
  });

  test('fails when the collection is dropped while it waits', async () => {
    const { db, client } = await startTestServer();
    const things: Things = db.collection('things');
    await things.insertOne({ _id: 1 });
    const session = client.startSession();
    session.startTransaction();
    await things.insertOne({ _id: 2 }, { session });
    const waiting = things.insertOne({ _id: 2 });
    await expect(things.insertOne({ _id: 2 }, { maxTimeMS: 50 })).rejects.toMatchObject({
      codeName: 'MaxTimeMSExpired',
    });
    await things.drop();
    await session.abortTransaction();
    await session.endSession();
    await expect(waiting).rejects.toThrow('dropped');
  });

  test('is rejected in a transaction on a capped collection', async () => {
    const { db, client } = await startTestServer();
    const things = await db.createCollection('things', { capped: true, size: 4096, max: 2 });
    await client.withSession(async (session) => {
      session.startTransaction();
      await expect(things.insertOne({ a: 1 }, { session })).rejects.toThrow('capped');
    });
    await things.insertMany([{ a: 1 }, { a: 2 }, { a: 3 }]);
    expect(await things.countDocuments()).toBe(2);
  });
});

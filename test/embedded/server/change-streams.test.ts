import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { createMemoryStorage } from '../support/memory-storage.js';
import { startTestServer } from '../support/running-server.js';

interface Stored {
  _id: number;
  [field: string]: unknown;
}

async function startWatched(storage = createMemoryStorage()) {
  const { db, client } = await startTestServer({ storage });
  const { operationTime } = await db.command({ ping: 1 });
  const since = async (startAtOperationTime: mongo.Timestamp = operationTime, pipeline: object[] = []) => {
    const stream = db.watch(pipeline as mongo.Document[], { startAtOperationTime });
    const events: mongo.Document[] = [];
    for (let event = await stream.tryNext(); event !== null; event = await stream.tryNext()) events.push(event);
    await stream.close();
    return events;
  };
  return { db, client, operationTime: operationTime as mongo.Timestamp, since };
}

test('tells what was inserted, updated and deleted since a time, in order', async () => {
  const { db, since } = await startWatched();
  const c = db.collection<Stored>('c');
  await c.insertOne({ _id: 1, list: [{ a: 1 }, { a: 2 }, 3], inner: { x: 1, y: 2 }, gone: 1, same: 1 });
  await c.updateOne(
    { _id: 1 },
    {
      $set: { 'list.1.a': 5, 'inner.y': 3, same: 1, more: 'x' },
      $unset: { gone: 1 },
    },
  );
  await c.updateOne({ _id: 1 }, { $push: { list: { a: 6 } as never } });
  await c.updateOne({ _id: 1 }, { $pull: { list: { a: 1 } as never } });
  // Changes nothing.
  await c.updateOne({ _id: 1 }, { $set: { same: 1 } });
  await c.deleteOne({ _id: 1 });
  const events = await since();
  expect(events.map(({ operationType, ns, documentKey }) => [operationType, ns, documentKey])).toEqual(
    ['insert', 'update', 'update', 'update', 'delete'].map((type) => [type, { db: 'test', coll: 'c' }, { _id: 1 }]),
  );
  expect(events[0]?.['fullDocument']).toMatchObject({ _id: 1, gone: 1 });
  expect(events.slice(1, 4).map(({ updateDescription }) => updateDescription)).toEqual([
    {
      updatedFields: { 'list.1.a': 5, 'inner.y': 3, more: 'x' },
      removedFields: ['gone'],
      truncatedArrays: [],
    },
    { updatedFields: { 'list.3': { a: 6 } }, removedFields: [], truncatedArrays: [] },
    {
      updatedFields: { 'list.0.a': 5, 'list.1': 3, 'list.2': { a: 6 } },
      removedFields: [],
      truncatedArrays: [{ field: 'list', newSize: 3 }],
    },
  ]);
  const tokens = events.map(({ _id }) => _id._data);
  expect(tokens).toEqual(tokens.toSorted());
  expect(new Set(tokens).size).toBe(tokens.length);
});

test('tells the changes of a transaction once it is committed, and none of one that was aborted', async () => {
  const { db, client, since } = await startWatched();
  const c = db.collection<Stored>('c');
  const session = client.startSession();
  for (const end of ['abortTransaction', 'commitTransaction'] as const) {
    session.startTransaction();
    await c.insertMany([{ _id: 1 }, { _id: 2 }], { session });
    expect(await since()).toEqual([]);
    await session[end]();
  }
  await session.endSession();
  expect((await since()).map(({ documentKey }) => documentKey._id)).toEqual([1, 2]);
});

test('takes a pipeline, starts at a time, and tells nothing of other collections to a stream of one', async () => {
  const { db, since } = await startWatched();
  await db.collection<Stored>('a').insertMany([{ _id: 1 }, { _id: 2 }]);
  await db.collection<Stored>('b').insertOne({ _id: 3 });
  // That of what was stored last.
  const { operationTime: later } = await db.command({ ping: 1 });
  const keys = (events: mongo.Document[]): unknown[] => events.map(({ documentKey }) => documentKey._id);
  expect(keys(await since(later))).toEqual([3]);
  expect(keys(await since(undefined, [{ $match: { 'ns.coll': 'a', 'documentKey._id': { $gt: 1 } } }]))).toEqual([2]);
  const stream = db.collection('b').watch([], { startAtOperationTime: new mongo.Timestamp({ t: 1, i: 1 }) });
  expect(await stream.tryNext()).toMatchObject({ documentKey: { _id: 3 } });
  expect(await stream.tryNext()).toBeNull();
  await stream.close();
});

test('says that changes from before its start, and more than it keeps, are lost', async () => {
  const storage = createMemoryStorage();
  const { db, operationTime, since } = await startWatched(storage);
  const numbers = Array.from({ length: 20_001 }, (_, _id) => ({ _id }));
  await db.collection<Stored>('c').insertMany(numbers.slice(0, 20_000));
  expect(await since()).toHaveLength(20_000);
  await db.collection<Stored>('c').insertMany(numbers.slice(20_000));
  await expect(since()).rejects.toMatchObject({ code: 286, codeName: 'ChangeStreamHistoryLost' });
  const again = await startWatched(storage);
  await expect(again.since(operationTime)).rejects.toMatchObject({ code: 286 });
  expect(await again.since()).toEqual([]);
});

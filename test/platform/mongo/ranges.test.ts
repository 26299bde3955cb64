import { mongo, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Position, rangesAfter } from '../../../src/platform/mongo/keyset.js';
import { startDatabase, type TestDatabase } from '../../support/database.js';
import { sortValues } from '../../support/sort-values.js';

let database: TestDatabase;
let client: mongo.MongoClient;
let collection: mongo.Collection;

beforeAll(async () => {
  database = await startDatabase();
  client = await new mongo.MongoClient(database.url).connect();
  collection = client.db().collection('ranges');
});
afterAll(async () => {
  await client.close();
  await database.stop();
});

test('lists values of all types and arrays in the order of the database, each once', async () => {
  const documents = [...sortValues, ...sortValues].map((value, index) => ({
    _id: new Types.ObjectId(),
    pinned: index % 3 === 0,
    ...(value === undefined ? {} : { at: value }),
  }));
  await collection.insertMany(documents);
  const order = ['pinned', 'at', '_id'];
  const sort = { pinned: -1, at: -1, _id: -1 } as const;
  const describe = (found: readonly mongo.WithId<mongo.Document>[]) =>
    found.map(({ _id }) => [documents.findIndex((one) => one._id.equals(_id)) % sortValues.length, String(_id)]);
  const expected = describe(await collection.find().sort(sort).toArray());
  for (const limit of [1, 7, 60]) {
    const found: mongo.WithId<mongo.Document>[] = [];
    for (let position: Position | undefined; found.length <= documents.length; ) {
      const before = found.length;
      for (const range of position === undefined ? [{}] : rangesAfter(order, position)) {
        const missing = limit - (found.length - before);
        if (missing > 0) found.push(...(await collection.find(range).sort(sort).limit(missing).toArray()));
      }
      const last = found.at(-1);
      if (found.length === before || last === undefined) break;
      position = order.map((field) => last[field]);
    }
    expect(describe(found), String(limit)).toEqual(expected);
  }
});

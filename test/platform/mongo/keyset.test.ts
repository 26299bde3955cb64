import { type Connection, createConnection, Schema, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KeysetPlace, readAfter } from '../../../src/platform/mongo/keyset.js';
import { startDatabase, type TestDatabase } from '../../support/database.js';
import { sortValues as values } from '../../support/sort-values.js';

let database: TestDatabase;
let connection: Connection;

beforeAll(async () => {
  database = await startDatabase();
  connection = await createConnection(database.url, { autoIndex: false }).asPromise();
});
afterAll(async () => {
  await connection.close();
  await database.stop();
});

test.each(['descending', 'ascending'] as const)(
  'lists values of all types and arrays in the order of the database, each once (%s)',
  async (direction) => {
    const schema = new Schema({}, { strict: false, collection: direction });
    const model = connection.model<{ _id: Types.ObjectId; at?: unknown }>(direction, schema);
    const { collection } = model;
    const documents = [...values, ...values].map((value) => ({
      _id: new Types.ObjectId(),
      list: 'a',
      ...(value === undefined ? {} : { at: value }),
    }));
    await collection.insertMany(documents as never);
    await collection.insertOne({ _id: new Types.ObjectId(), list: 'b', at: new Date(2) } as never);
    await collection.createIndex({ list: 1, at: -1, _id: -1 });
    const order = direction === 'ascending' ? 1 : -1;
    const sorted = await collection.find({ list: 'a' }).sort({ at: order, _id: order }).toArray();
    const expected = sorted.map(({ _id }) => String(_id));
    expect(expected).toHaveLength(2 * values.length);
    const list = { base: { list: 'a' }, field: 'at', direction };
    for (const limit of [1, 7, 200]) {
      const found: string[] = [];
      for (let place: KeysetPlace | undefined; found.length <= expected.length; ) {
        const page = await readAfter<{ _id: Types.ObjectId; at?: unknown }>(model, list, { place, limit });
        const last = page.at(-1);
        found.push(...page.map(({ _id }) => String(_id)));
        if (last === undefined) break;
        place = { value: last.at, _id: last._id };
      }
      const describe = (ids: readonly string[]) =>
        ids.map((id) => [documents.findIndex(({ _id }) => String(_id) === id) % values.length, id]);
      expect(describe(found), String(limit)).toEqual(describe(expected));
    }
  },
);

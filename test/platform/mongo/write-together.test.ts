import { type Connection, createConnection, Types } from 'mongoose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { isDuplicateKey } from '../../../src/platform/mongo/duplicate-key.js';
import { runTransaction, StaleError } from '../../../src/platform/mongo/transaction.js';
import { createWriteTogether, type Write, type WriteTogether } from '../../../src/platform/mongo/write-together.js';
import { startDatabase, type TestDatabase } from '../../support/database.js';
import { type MongoProxy, nameOf, startMongoProxy } from '../../support/mongo-proxy.js';

/*
 * Writes with conditions, on a server with `bulkWrite` and behind a stand-in for an earlier one: the proxy refuses the command
 * as the primary of a cluster does that is being upgraded to MongoDB 8.
 */

let database: TestDatabase;
let proxy: MongoProxy;
let connection: Connection;
let writeTogether: WriteTogether;
let nowMs: number;

beforeAll(async () => {
  database = await startDatabase();
  proxy = await startMongoProxy(database.url);
  connection = await createConnection(proxy.url('directConnection=true')).asPromise();
});
beforeEach(async () => {
  proxy.rules = {};
  proxy.commands.length = 0;
  await Promise.all(['things', 'others'].map((name) => connection.collection(name).deleteMany({})));
  nowMs = 1000;
  writeTogether = createWriteTogether(connection, () => nowMs);
});
afterAll(async () => {
  await connection.close();
  await proxy.close();
  await database.stop();
});

/** Refuses `bulkWrite` as an earlier version, or as one whose compatibility version is an earlier one. */
function beEarlier(code: number): void {
  proxy.rules.onCommand = (command) =>
    nameOf(command) === 'bulkWrite' ? { ok: 0, code, errmsg: 'refused by a stand-in' } : undefined;
}

const sent = (name: string): number => proxy.commands.filter((command) => nameOf(command) === name).length;
const insertOf = (_id: Types.ObjectId): Write => ({ collection: 'others', insert: { _id } });
const stored = async (): Promise<number> => connection.collection('others').countDocuments();

/** A thing as it was read, and the conditions of which each holds only while it is so. */
async function createThing() {
  const _id = new Types.ObjectId();
  const foe = new Types.ObjectId();
  await connection.collection('things').insertOne({ _id, name: 'a', list: [foe] });
  const conditions: Write[] = [
    { collection: 'things', expects: { _id, name: { $eq: 'a' }, list: { $eq: [foe] }, absent: { $eq: null } } },
    { collection: 'things', excludes: { _id: { $in: [_id, foe] }, name: { $in: ['b', 'c'] } } },
  ];
  return { _id, conditions };
}

type Way = [name: string, run: (writes: readonly Write[]) => Promise<unknown>];

const ways: Way[] = [
  ['in order', async (writes) => (await writeTogether.inOrder(writes))?.error],
  [
    'in a transaction',
    (writes) =>
      runTransaction(connection, (session) =>
        writeTogether.inTransaction(writes, session).catch((error: unknown) => {
          // Else it would run again, for nothing has changed.
          if (error instanceof StaleError) return error;
          throw error;
        }),
      ),
  ],
];

test.each(ways)('conditions that hold change nothing, and what follows them is written %s', async (_name, run) => {
  const { _id, conditions } = await createThing();
  const before = await connection.collection('things').find().toArray();
  expect(await run([...conditions, insertOf(_id)])).not.toBeInstanceOf(Error);
  expect(await connection.collection('things').find().toArray()).toEqual(before);
  expect(await stored()).toBe(1);
  expect(sent('bulkWrite')).toBe(1);
});

const changes: [name: string, change: (id: Types.ObjectId) => Promise<unknown>][] = [
  ['another value', (_id) => connection.collection('things').updateOne({ _id }, { $set: { name: 'd' } })],
  ['an excluded value', (_id) => connection.collection('things').updateOne({ _id }, { $set: { name: 'b' } })],
  ['another list', (_id) => connection.collection('things').updateOne({ _id }, { $push: { list: 1 } as never })],
  ['a further field', (_id) => connection.collection('things').updateOne({ _id }, { $set: { absent: 0 } })],
  ['gone', (_id) => connection.collection('things').deleteOne({ _id })],
];

test.each(ways.flatMap(([name, run]) => changes.map(([what, change]) => [name, what, change, run] as const)))(
  'writes %s: nothing is written behind a condition of a document that is %s',
  async (_name, _what, change, run) => {
    const { _id, conditions } = await createThing();
    await change(_id);
    const before = await connection.collection('things').find().toArray();
    expect(await run([...conditions, insertOf(_id)])).toBeInstanceOf(StaleError);
    expect(await connection.collection('things').find().toArray()).toEqual(before);
    expect(await stored()).toBe(0);
  },
);

test('reports how much was written before the write that failed', async () => {
  const { _id, conditions } = await createThing();
  const outcome = await writeTogether.inOrder([
    ...conditions,
    insertOf(_id),
    insertOf(_id),
    insertOf(new Types.ObjectId()),
  ]);
  expect(outcome?.done).toBe(3);
  expect(isDuplicateKey(outcome?.error, '_id')).toBe(true);
  expect(await stored()).toBe(1);
});

test.each([59, 115])(
  'falls back while a primary of an earlier version refuses with %i, and comes back',
  async (code) => {
    const { _id, conditions } = await createThing();
    const inTransaction = (id: Types.ObjectId) =>
      runTransaction(connection, (session) => writeTogether.inTransaction([...conditions, insertOf(id)], session));
    await inTransaction(_id);
    beEarlier(code);
    // The first one is refused and run again; the next ones are not tried.
    for (let n = 0; n < 3; n += 1) expect(await inTransaction(new Types.ObjectId())).toEqual([1, 0, 1]);
    expect(await writeTogether.inOrder([insertOf(new Types.ObjectId())])).toBeUndefined();
    expect(sent('bulkWrite')).toBe(2);
    expect(await stored()).toBe(4);
    await connection.collection('things').updateOne({ _id }, { $set: { name: 'b' } });
    const stale = runTransaction(connection, async (session) => {
      await expect(
        writeTogether.inTransaction([...conditions, insertOf(new Types.ObjectId())], session),
      ).rejects.toThrow(StaleError);
    });
    await stale;
    proxy.rules = {};
    nowMs += 60_000;
    expect(await writeTogether.inOrder([insertOf(new Types.ObjectId())])).toEqual({ done: 1 });
    expect(sent('bulkWrite')).toBe(3);
    expect(await stored()).toBe(5);
  },
);

test('a refusal of writes in order writes nothing and is not repeated', async () => {
  beEarlier(59);
  for (let n = 0; n < 2; n += 1) expect(await writeTogether.inOrder([insertOf(new Types.ObjectId())])).toBeUndefined();
  expect(sent('bulkWrite')).toBe(1);
  expect(await stored()).toBe(0);
});

test('asks for a majority', async () => {
  await writeTogether.inOrder([insertOf(new Types.ObjectId())]);
  expect(proxy.commands.find((command) => nameOf(command) === 'bulkWrite')?.['writeConcern']).toMatchObject({
    w: 'majority',
  });
});

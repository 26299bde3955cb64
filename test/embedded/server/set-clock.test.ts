import type { mongo } from 'mongoose';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { until } from '../../support/until.js';
import { createMemoryStorage } from '../support/memory-storage.js';
import { startTestServer } from '../support/running-server.js';

/* The date of the machine is set back by a day while the database runs. Time itself goes on, timers too. */

const DAY_MS = 86_400_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'], now: Date.now() }));
afterEach(() => void vi.useRealTimers());

const setBack = (): void => void vi.setSystemTime(Date.now() - DAY_MS);
const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

async function startLocked(client: mongo.MongoClient, items: mongo.Collection) {
  await items.insertOne({ _id: 1 as never, n: 0 });
  const session = client.startSession();
  session.startTransaction();
  await items.updateOne({ _id: 1 as never }, { $inc: { n: 1 } }, { session });
  return session;
}

test('an abandoned transaction is aborted after a minute, and the write that waits for it goes on', async () => {
  const { client, db } = await startTestServer();
  const items = db.collection('items');
  const session = await startLocked(client, items);
  const waiting = items.updateOne({ _id: 1 as never }, { $inc: { n: 10 } });
  setBack();
  pass(61_000);
  await waiting;
  expect(await items.findOne()).toMatchObject({ n: 10 });
  await session.endSession();
});

test('a write waits for a lock no longer than its limit', async () => {
  const { client, db } = await startTestServer();
  const items = db.collection('items');
  const session = await startLocked(client, items);
  const waiting = items.findOneAndUpdate({ _id: 1 as never }, { $inc: { n: 10 } }, { maxTimeMS: 200 });
  const failed = expect(waiting).rejects.toMatchObject({ code: 50 });
  await db.command({ ping: 1 });
  setBack();
  pass(300);
  await failed;
  await session.abortTransaction();
  await session.endSession();
});

test('an idle cursor is closed', async () => {
  const { db } = await startTestServer();
  await db.collection('items').insertMany([{}, {}, {}]);
  await db.command({ find: 'items', batchSize: 1 });
  const open = async () => (await db.command({ serverStatus: 1 }))['metrics'].cursor.open.total;
  expect(Number(await open())).toBe(1);
  setBack();
  pass(11 * 60_000);
  await until(async () => Number(await open()) === 0);
});

test('writes go on after a failed sync as soon as there is a disk again', async () => {
  const storage = createMemoryStorage();
  const { db } = await startTestServer({ storage });
  const items = db.collection('items');
  const write = (): Promise<unknown> => items.insertOne({}, { writeConcern: { w: 1, j: true } });
  const isRefused = (): Promise<boolean> =>
    write().then(
      () => false,
      () => true,
    );
  await write();
  storage.syncError = new Error('EIO: i/o error, fdatasync');
  await until(isRefused);
  pass(2000);
  await until(isRefused);
  setBack();
  storage.syncError = undefined;
  pass(2000);
  await until(async () => !(await isRefused()));
});

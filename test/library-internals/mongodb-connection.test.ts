import { createServer, connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Connection, mongo as driver } from 'mongoose';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createConnectionType } from '../../src/library-internals/mongodb-connection.js';
import { connectMongo } from '../../src/platform/mongo/connect.js';
import { runTransaction } from '../../src/platform/mongo/transaction.js';
import { startEmbeddedDatabase } from '../support/database.js';

/** A database behind a door of our own, whose connections can be cut at an exact moment. */
async function startBreakable(): Promise<{ connection: Connection; cut: () => void }> {
  const database = await startEmbeddedDatabase();
  const { directory } = database;
  onTestFinished(() => database.stop());
  const databasePath = decodeURIComponent(new URL(database.url).hostname);
  const near = new Set<Socket>();
  const door = createServer((socket) => {
    near.add(socket);
    const far = dial(databasePath);
    socket.pipe(far).pipe(socket);
    socket.on('error', () => undefined).on('close', () => far.destroy());
    far.on('error', () => undefined).on('close', () => socket.destroy());
  });
  const path = join(directory, 'door.sock');
  await new Promise<void>((resolve) => door.listen(path, resolve));
  onTestFinished(() => void door.close());
  const { connection, close } = await connectMongo({
    createConnectionType,
    mongodbUrl: `mongodb://${encodeURIComponent(path)}/test?directConnection=true`,
    directory,
    startupTimeoutMs: 120_000,
    poolMax: 100,
    selectionTimeoutMs: 15_000,
    operationTimeoutMs: 20_000,
    logger: pino({ enabled: false }),
  });
  onTestFinished(close);
  const cut = (): void => {
    for (const socket of near) socket.destroy();
    near.clear();
  };
  return { connection, cut };
}

test('a command on a breaking connection is retried once on another connection', async () => {
  const { connection, cut } = await startBreakable();
  const notes = connection.collection<{ _id: number; n: number }>('notes');
  const ids = Array.from({ length: 10 }, (_, id) => id);
  await Promise.all(ids.map((_id) => notes.insertOne({ _id, n: 0 })));
  cut();
  // The driver learns of it within the first turns of the event loop: one write in each of them finds every state.
  const writes: Promise<unknown>[] = [];
  for (const _id of ids) {
    writes.push(notes.updateOne({ _id }, { $inc: { n: 1 } }));
    await new Promise(setImmediate);
  }
  await Promise.all(writes);
  expect(await notes.distinct('n')).toEqual([1]);
});

test('a command that cannot be retried fails as an unavailable database', async () => {
  const { connection, cut } = await startBreakable();
  const notes = connection.collection<{ _id: number; n: number }>('notes');
  await notes.insertOne({ _id: 0, n: 0 });
  cut();
  // Writes to many documents are not sent again.
  await expect(notes.updateMany({}, { $inc: { n: 1 } })).rejects.toBeInstanceOf(driver.MongoNetworkError);
});

test('a transaction whose connection breaks during the commit is applied once', async () => {
  const { connection, cut } = await startBreakable();
  const counters = connection.collection<{ _id: string; n: number }>('counters');
  await counters.insertOne({ _id: 'a', n: 0 });
  let runs = 0;
  await runTransaction(connection, async (session) => {
    runs += 1;
    await counters.updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { session });
    cut();
  });
  expect(runs).toBe(1);
  expect(await counters.findOne()).toEqual({ _id: 'a', n: 1 });
});

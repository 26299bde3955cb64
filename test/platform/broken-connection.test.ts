import { createServer, connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import mongoose, { type Connection } from 'mongoose';
import { expect, onTestFinished, test } from 'vitest';
import { startEmbedded } from '../../src/embedded/index.js';
import { isDatabaseAway } from '../../src/platform/mongo.js';
import { runTransaction } from '../../src/realtime/counters/transaction.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** A database behind a door of our own, whose connections can be cut at an exact moment. */
async function startBreakable(): Promise<{ connection: Connection; cut: () => void }> {
  const directory = await temporaryDirectory();
  const database = await startEmbedded({ directory });
  const socketPath = decodeURIComponent(new URL(database.url).hostname);
  const near = new Set<Socket>();
  const door = createServer((socket) => {
    near.add(socket);
    const far = dial(socketPath);
    socket.pipe(far).pipe(socket);
    for (const [one, other] of [
      [socket, far],
      [far, socket],
    ] as const) {
      one.on('error', () => undefined).on('close', () => other.destroy());
    }
  });
  const path = join(directory, 'door.sock');
  await new Promise<void>((resolve) => door.listen(path, resolve));
  const connection = await mongoose
    .createConnection(`mongodb://${encodeURIComponent(path)}/test?directConnection=true`)
    .asPromise();
  onTestFinished(async () => {
    await connection.close();
    door.close();
    await database.stop();
  });
  const cut = (): void => {
    for (const socket of near) socket.destroy();
    near.clear();
  };
  return { connection, cut };
}

test('a connection that breaks in the moment of writing is a database that is away', async () => {
  const { connection, cut } = await startBreakable();
  const notes = connection.collection<{ _id: number }>('notes');
  await notes.insertOne({ _id: 0 });
  cut();
  const error: unknown = await notes.insertOne({ _id: 1 }).catch((cause) => cause);
  expect(isDatabaseAway(error)).toBe(true);
});

test('a transaction whose connection breaks in the moment of its commit is committed, once', async () => {
  const { connection, cut } = await startBreakable();
  const counters = connection.collection<{ _id: string; n: number }>('counters');
  await counters.insertOne({ _id: 'a', n: 0 });
  let runs = 0;
  await runTransaction(connection, async (session) => {
    runs += 1;
    await counters.updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { session });
    cut();
  });
  expect(await counters.findOne()).toEqual({ _id: 'a', n: 1 });
  expect(runs).toBe(1);
});

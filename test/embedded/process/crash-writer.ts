import { mongo } from 'mongoose';
import { createConnectionType } from '../../../src/library-internals/mongodb-connection.js';

/*
 * A client that writes as fast as possible and reports acknowledged writes to its parent. Each step moves one unit between
 * two accounts in a transaction, inserts a document, and increments the counter of the client.
 */
const [, , url = '', name = ''] = process.argv;
const connectionType: object = { connectionType: createConnectionType({ maxTimeMs: 120_000 }) };
const client = await new mongo.MongoClient(url, { serverSelectionTimeoutMS: 120_000, ...connectionType }).connect();
const db = client.db('crash');
const accounts = db.collection<{ _id: number; balance: number }>('accounts');
const entries = db.collection<{ _id: string }>('entries');
const counters = db.collection<{ _id: string; n: number }>('counters');

const acknowledged = { entries: 0, increments: 0, transfers: 0 };
let isStopping = false;
process.on('message', () => {
  isStopping = true;
});

/** Whether a write is acknowledged. Drivers retry once; if the server is down for longer, the outcome is unknown. */
const isAcknowledged = (write: () => Promise<unknown>): Promise<boolean> =>
  write().then(
    () => true,
    (error: unknown) => {
      if (error instanceof mongo.MongoError) return false;
      throw error;
    },
  );

const transfer = (): Promise<unknown> =>
  client.withSession((session) =>
    session.withTransaction(async () => {
      const from = Math.floor(Math.random() * 10);
      const to = (from + 1 + Math.floor(Math.random() * 9)) % 10;
      await accounts.updateOne({ _id: from }, { $inc: { balance: -1 } }, { session });
      await accounts.updateOne({ _id: to }, { $inc: { balance: 1 } }, { session });
    }),
  );

const maybeIncremented: number[] = [];
for (let n = 0; !isStopping; n += 1) {
  const [isEntered, isIncremented, isTransferred] = await Promise.all([
    isAcknowledged(() => entries.insertOne({ _id: `${name}-${n}` })),
    isAcknowledged(() => counters.updateOne({ _id: name }, { $inc: { n: 1 } }, { upsert: true })),
    isAcknowledged(transfer),
  ]);
  if (isEntered) process.send?.({ kind: 'entry', id: `${name}-${n}` });
  if (isIncremented) acknowledged.increments += 1;
  else maybeIncremented.push(n);
  if (isTransferred) acknowledged.transfers += 1;
}
process.send?.({ kind: 'done', name, ...acknowledged, unknown: maybeIncremented.length }, () => process.exit(0));

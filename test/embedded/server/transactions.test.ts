import { mongo } from 'mongoose';
import { describe, expect, test } from 'vitest';
import { createMemoryStorage } from '../support/memory-storage.js';
import { sendRaw } from '../support/raw-client.js';
import { startTestServer } from '../support/running-server.js';

interface Account {
  _id: string;
  balance: number;
  mail?: string;
}

async function startBank(options: Parameters<typeof startTestServer>[0] = {}) {
  const running = await startTestServer(options);
  const accounts = running.db.collection<Account>('accounts');
  await accounts.insertMany([
    { _id: 'ann', balance: 100 },
    { _id: 'bob', balance: 50 },
  ]);
  return { ...running, accounts };
}

async function balances(accounts: mongo.Collection<Account>, session?: mongo.ClientSession): Promise<string> {
  const found = await accounts
    .find({}, session ? { session } : {})
    .sort({ _id: 1 })
    .toArray();
  return found.map(({ _id, balance }) => `${_id} ${balance}`).join(', ');
}

describe('transactions', () => {
  test('create collections and indexes only where there was none', async () => {
    const { client, db } = await startBank();
    const inTransaction = (command: mongo.Document): Promise<unknown> =>
      client.withSession(async (session) => {
        session.startTransaction();
        const outcome = await db.command(command, { session }).then(
          ({ ok }) => ok,
          ({ code }) => code,
        );
        await session.abortTransaction();
        return outcome;
      });
    const indexes = [{ key: { balance: 1 }, name: 'balance_1' }];
    expect(await inTransaction({ create: 'accounts' })).toBe(48);
    expect(await inTransaction({ createIndexes: 'accounts', indexes })).toBe(263);
    expect(await inTransaction({ createIndexes: 'accounts', indexes: [{ key: { _id: 1 }, name: '_id_' }] })).toBe(1);
    expect(await inTransaction({ createIndexes: 'news', indexes })).toBe(1);
    expect(await inTransaction({ create: 'others' })).toBe(1);
  });

  test('see their own writes immediately, and show them to others on commit', async () => {
    const { client, accounts } = await startBank();
    const session = client.startSession();
    session.startTransaction();
    await accounts.updateOne({ _id: 'ann' }, { $inc: { balance: -30 } }, { session });
    await accounts.insertOne({ _id: 'cleo', balance: 30 }, { session });
    await accounts.deleteOne({ _id: 'bob' }, { session });
    expect(await balances(accounts, session)).toBe('ann 70, cleo 30');
    expect(await balances(accounts)).toBe('ann 100, bob 50');
    expect(await accounts.countDocuments({ balance: { $lt: 60 } }, { session })).toBe(1);
    await session.commitTransaction();
    expect(await balances(accounts)).toBe('ann 70, cleo 30');
    await session.endSession();
  });

  test('support read concern snapshot, which is rejected outside transactions', async () => {
    const { client, accounts } = await startBank();
    const session = client.startSession({ snapshot: true });
    await expect(accounts.findOne({}, { session })).rejects.toMatchObject({ codeName: 'CommandNotSupported' });
    await session.endSession();
    await expect(accounts.findOne({}, { readConcern: { level: 'newest' as 'local' } })).rejects.toThrow('newest');
    await client.withSession((within) =>
      within.withTransaction(async () => expect(await balances(accounts, within)).toBe('ann 100, bob 50'), {
        readConcern: { level: 'snapshot' },
      }),
    );
  });

  test.each([
    ['LockTimeout', 24, ['TransientTransactionError']],
    ['SnapshotUnavailable', 246, ['TransientTransactionError']],
    ['PreparedTransactionInProgress', 267, ['TransientTransactionError']],
    ['BadValue', 2, undefined],
  ])('have the error labels that tell drivers whether to retry: %s', async (_name, errorCode, errorLabels) => {
    const { db, path } = await startBank();
    await db.admin().command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['insert'], errorCode },
    });
    const scope = { lsid: { id: new mongo.UUID() }, txnNumber: mongo.Long.fromNumber(1), autocommit: false };
    const insert = { insert: 'accounts', documents: [{ _id: 'cleo' }], ...scope, startTransaction: true };
    expect((await sendRaw(path, insert))['errorLabels']).toEqual(errorLabels);
  });

  test('read the snapshot of their start, by index and by scan', async () => {
    const { client, accounts } = await startBank();
    await accounts.createIndex({ balance: 1 });
    const session = client.startSession();
    session.startTransaction();
    expect(await balances(accounts, session)).toBe('ann 100, bob 50');
    await accounts.updateOne({ _id: 'ann' }, { $set: { balance: 1 } });
    await accounts.deleteOne({ _id: 'bob' });
    await accounts.insertOne({ _id: 'cleo', balance: 75 });
    expect(await balances(accounts, session)).toBe('ann 100, bob 50');
    const rich = await accounts
      .find({ balance: { $gt: 60 } }, { session })
      .sort({ balance: -1 })
      .toArray();
    expect(rich.map(({ _id }) => _id)).toEqual(['ann']);
    expect(await accounts.findOne({ _id: 'cleo' }, { session })).toBeNull();
    await session.abortTransaction();
    expect(await balances(accounts)).toBe('ann 1, cleo 75');
    await session.endSession();
  });

  test('let the first writer win', async () => {
    const { client, accounts } = await startBank();
    const [first, second] = [client.startSession(), client.startSession()];
    first.startTransaction();
    second.startTransaction();
    await accounts.updateOne({ _id: 'ann' }, { $inc: { balance: 1 } }, { session: first });
    const conflict = await accounts
      .updateOne({ _id: 'ann' }, { $inc: { balance: 1 } }, { session: second })
      .catch((error: mongo.MongoServerError) => error);
    expect(conflict).toMatchObject({ code: 112, codeName: 'WriteConflict' });
    expect((conflict as mongo.MongoServerError).hasErrorLabel('TransientTransactionError')).toBe(true);
    await first.commitTransaction();
    await expect(second.commitTransaction()).rejects.toMatchObject({ code: 251 });
    expect(await balances(accounts)).toBe('ann 101, bob 50');
    await Promise.all([first.endSession(), second.endSession()]);
  });

  test('do not overwrite a document that was committed after their start', async () => {
    const { client, accounts } = await startBank();
    const session = client.startSession();
    session.startTransaction();
    await accounts.findOne({ _id: 'bob' }, { session });
    await accounts.updateOne({ _id: 'ann' }, { $inc: { balance: 1 } });
    await expect(accounts.updateOne({ _id: 'ann' }, { $inc: { balance: 1 } }, { session })).rejects.toMatchObject({
      code: 112,
    });
    await session.abortTransaction();
    await session.endSession();
  });

  test('lock unique keys that they claim or release', async () => {
    const { client, accounts } = await startBank();
    await accounts.createIndex({ mail: 1 }, { unique: true, sparse: true });
    await accounts.updateOne({ _id: 'ann' }, { $set: { mail: 'ann@x' } });
    const [first, second] = [client.startSession(), client.startSession()];
    first.startTransaction();
    second.startTransaction();
    await accounts.insertOne({ _id: 'cleo', balance: 1, mail: 'cleo@x' }, { session: first });
    await accounts.updateOne({ _id: 'ann' }, { $unset: { mail: 1 } }, { session: first });
    await expect(
      accounts.insertOne({ _id: 'dora', balance: 1, mail: 'cleo@x' }, { session: second }),
    ).rejects.toMatchObject({ code: 112 });
    await second.abortTransaction();
    second.startTransaction();
    await expect(
      accounts.insertOne({ _id: 'dora', balance: 1, mail: 'ann@x' }, { session: second }),
    ).rejects.toMatchObject({ code: 112 });
    await second.abortTransaction();
    await accounts.insertOne({ _id: 'dora', balance: 1, mail: 'ann@x' }, { session: first });
    await expect(
      accounts.insertOne({ _id: 'eve', balance: 1, mail: 'cleo@x' }, { session: first }),
    ).rejects.toMatchObject({ code: 11000 });
    await first.abortTransaction();
    expect(await accounts.countDocuments({ mail: 'ann@x' })).toBe(1);
    await Promise.all([first.endSession(), second.endSession()]);
  });

  test('make a write outside transactions wait, and it then sees their writes', async () => {
    const { client, accounts } = await startBank();
    const session = client.startSession();
    session.startTransaction();
    await accounts.updateOne({ _id: 'ann' }, { $inc: { balance: 1 } }, { session });
    const order: string[] = [];
    const outside = accounts
      .updateMany({ balance: { $gt: 0 } }, { $inc: { balance: 1000 } })
      .then(() => order.push('outside'));
    // Writes of other documents do not wait.
    await accounts.insertOne({ _id: 'cleo', balance: 0 });
    order.push('commit');
    await session.commitTransaction();
    await outside;
    expect(order).toEqual(['commit', 'outside']);
    expect(await balances(accounts)).toBe('ann 1101, bob 1050, cleo 0');
    await session.endSession();
  });

  test('fail a waiting write at its time limit', async () => {
    const { client, accounts } = await startBank();
    const session = client.startSession();
    session.startTransaction();
    await accounts.updateOne({ _id: 'ann' }, { $inc: { balance: 1 } }, { session });
    await expect(
      accounts.findOneAndUpdate({ _id: 'ann' }, { $inc: { balance: 1 } }, { maxTimeMS: 30 }),
    ).rejects.toMatchObject({ code: 50 });
    await session.abortTransaction();
    await session.endSession();
  });

  test('are aborted when a statement fails', async () => {
    const { client, accounts } = await startBank();
    const session = client.startSession();
    session.startTransaction();
    await accounts.updateOne({ _id: 'bob' }, { $set: { balance: 0 } }, { session });
    await expect(accounts.insertOne({ _id: 'ann', balance: 1 }, { session })).rejects.toMatchObject({ code: 11000 });
    await expect(session.commitTransaction()).rejects.toMatchObject({ codeName: 'NoSuchTransaction' });
    expect(await balances(accounts)).toBe('ann 100, bob 50');
    await session.endSession();
  });

  test('leave nothing when they are aborted, not even a new collection', async () => {
    const { client, db } = await startBank();
    const session = client.startSession();
    session.startTransaction();
    await db.collection('fresh').insertOne({ a: 1 }, { session });
    await session.abortTransaction();
    await session.endSession();
    expect(await db.listCollections({ name: 'fresh' }).toArray()).toEqual([]);
  });

  test('commit once when the commit is retried, even after a restart', async () => {
    const storage = createMemoryStorage();
    const { path, server } = await startBank({ storage });
    const scope = { lsid: { id: new mongo.UUID() }, txnNumber: mongo.Long.fromNumber(1), autocommit: false };
    const update = { update: 'accounts', updates: [{ q: { _id: 'ann' }, u: { $inc: { balance: 1 } } }] };
    expect(await sendRaw(path, { ...update, ...scope, startTransaction: true })).toMatchObject({ ok: 1, n: 1 });
    const commit = { commitTransaction: 1, ...scope, $db: 'admin' };
    expect(await sendRaw(path, commit)).toEqual({ ok: 1 });
    expect(await sendRaw(path, commit)).toEqual({ ok: 1 });
    await server.stop();
    const again = await startTestServer({ storage });
    expect(await sendRaw(again.path, commit)).toEqual({ ok: 1 });
    expect(await sendRaw(again.path, { ...update, ...scope })).toMatchObject({ codeName: 'TransactionCommitted' });
    expect(await again.db.collection<Account>('accounts').findOne({ _id: 'ann' })).toMatchObject({ balance: 101 });
  });

  test('commit once when the reply of the commit is lost', async () => {
    const { client, db, accounts } = await startBank();
    await db.admin().command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['commitTransaction'], closeConnection: true },
    });
    await client.withSession((session) =>
      session.withTransaction(() => accounts.updateOne({ _id: 'ann' }, { $inc: { balance: 1 } }, { session })),
    );
    expect(await balances(accounts)).toBe('ann 101, bob 50');
  });

  test('are undone completely on a full disk', async () => {
    const { client, accounts, storage } = await startBank();
    const session = client.startSession();
    session.startTransaction();
    await accounts.updateOne({ _id: 'ann' }, { $set: { balance: 0 } }, { session });
    await accounts.updateOne({ _id: 'bob' }, { $set: { balance: 150 } }, { session });
    storage.roomBytes = 40;
    await expect(session.commitTransaction()).rejects.toMatchObject({ codeName: 'OutOfDiskSpace' });
    expect(await balances(accounts)).toBe('ann 100, bob 50');
    storage.roomBytes = 10_000;
    await accounts.updateOne({ _id: 'ann' }, { $inc: { balance: 1 } });
    await session.endSession();
  });
});

describe('retryable writes', () => {
  const scopeOf = (id: mongo.UUID, txnNumber: number) => ({
    lsid: { id },
    txnNumber: mongo.Long.fromNumber(txnNumber),
  });

  test('return the stored result on retry, even after a restart', async () => {
    const storage = createMemoryStorage();
    const { path, server } = await startTestServer({ storage });
    const id = new mongo.UUID();
    const updates = [
      { q: { _id: 1 }, u: { $inc: { n: 1 } }, upsert: true },
      { q: { _id: 1 }, u: { $inc: { n: 1 } } },
    ];
    const increment = { update: 'things', updates, ...scopeOf(id, 5) };
    const first = await sendRaw(path, increment);
    expect(first).toMatchObject({ n: 2, nModified: 1, upserted: [{ index: 0, _id: 1 }], ok: 1 });
    expect(await sendRaw(path, increment)).toEqual(first);
    const take = {
      findAndModify: 'things',
      query: { _id: 1 },
      update: { $inc: { n: 1 } },
      new: true,
      ...scopeOf(id, 6),
    };
    const taken = await sendRaw(path, take);
    expect(taken['value']).toEqual({ _id: 1, n: 3 });
    await server.stop();
    const again = await startTestServer({ storage });
    expect(await sendRaw(again.path, take)).toEqual(taken);
    expect(await again.db.collection('things').findOne()).toEqual({ _id: 1, n: 3 });
    expect(await sendRaw(again.path, increment)).toMatchObject({ codeName: 'TransactionTooOld', ok: 0 });
  });

  test('retry only the statements that failed', async () => {
    const { path, db } = await startTestServer();
    const documents = [{ _id: 1 }, { _id: 1 }, { _id: 2 }];
    const insert = { insert: 'things', ordered: false, documents, ...scopeOf(new mongo.UUID(), 1) };
    expect(await sendRaw(path, insert)).toMatchObject({ n: 2, writeErrors: [{ index: 1 }] });
    await db.collection('things').deleteMany({});
    expect(await sendRaw(path, insert)).toMatchObject({ n: 3, ok: 1 });
    expect(await db.collection('things').find().toArray()).toEqual([{ _id: 1 }]);
  });

  test('are applied once when the connection closes before the reply', async () => {
    const { db } = await startTestServer();
    await db.admin().command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['insert'], closeConnection: true },
    });
    await db.collection('things').insertOne({ a: 1 });
    expect(await db.collection('things').countDocuments()).toBe(1);
  });
});

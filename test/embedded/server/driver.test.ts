import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import mongoose, { mongo } from 'mongoose';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { EXPIRY_INTERVAL_MS } from '../../../src/embedded/server/housekeeping.js';
import { createMemoryStorage } from '../support/memory-storage.js';
import { startTestServer } from '../support/running-server.js';

async function insertNumbers(collection: mongo.Collection, count: number): Promise<void> {
  await collection.insertMany(Array.from({ length: count }, (_, n) => ({ n, group: n % 7 })));
}

describe('through the driver', () => {
  test('rejects documents that nest too deeply to be read again', async () => {
    const storage = createMemoryStorage();
    const first = await startTestServer({ storage });
    const documents = first.db.collection<{ _id: number }>('documents');
    const nest = (depth: number): object => (depth === 0 ? {} : { a: nest(depth - 1) });
    const path = (length: number): string => Array.from({ length }, () => 'a').join('.');
    await documents.insertOne({ _id: 1 });
    await expect(documents.updateOne({ _id: 1 }, { $set: { [path(60)]: nest(60) } })).rejects.toMatchObject({
      code: 15,
    });
    // The deepest allowed document, which nests deeper in the results of the session.
    await documents.findOneAndUpdate({ _id: 1 }, { $set: { [path(50)]: nest(49) } }, { returnDocument: 'after' });
    await first.server.stop();

    const second = await startTestServer({ storage });
    const [kept] = await second.db.collection('documents').find().toArray();
    expect(JSON.stringify(kept).match(/"a"/g)).toHaveLength(99);
  });

  test('keeps documents, indexes and options after a restart', async () => {
    const storage = createMemoryStorage();
    const first = await startTestServer({ storage });
    const people = await first.db.createCollection('people', { collation: { locale: 'en', strength: 2 } });
    await people.createIndex({ name: 1 }, { unique: true });
    await people.insertMany([{ name: 'Ann', age: 5 }, { name: 'Bob', age: 6 }, { name: 'Cleo' }]);
    await people.updateOne({ name: 'ann' }, { $set: { age: 50 }, $unset: { none: 1 } });
    await people.deleteOne({ name: 'Bob' });
    await first.db.collection('gone').insertOne({ a: 1 });
    await first.db.dropCollection('gone');
    await first.db.collection('old').insertOne({ a: 1 });
    await first.db.renameCollection('old', 'new');
    await first.server.stop();

    const second = await startTestServer({ storage });
    const again = second.db.collection('people');
    expect(await again.find({}, { projection: { _id: 0 } }).toArray()).toEqual([
      { name: 'Ann', age: 50 },
      { name: 'Cleo' },
    ]);
    await expect(again.insertOne({ name: 'ANN' })).rejects.toMatchObject({ code: 11000, keyPattern: { name: 1 } });
    expect((await second.db.listCollections().toArray()).map(({ name }) => name).sort()).toEqual(['new', 'people']);
    expect((await again.indexes()).map(({ name }) => name)).toEqual(['_id_', 'name_1']);
  });

  test('returns a cluster time that sessions read after, and that never decreases', async () => {
    const { client, db, connect } = await startTestServer({ clientOptions: { monitorCommands: true } });
    const commands: mongo.Document[] = [];
    client.on('commandStarted', ({ command }) => commands.push(command));
    const reads = db.collection('c');
    await client.withSession(async (session) => {
      await reads.insertOne({}, { session });
      const { operationTime } = session;
      expect(operationTime?.getHighBits()).toBeCloseTo(Date.now() / 1000, -2);
      expect(await reads.findOne({}, { session })).not.toBeNull();
      expect(commands.at(-1)).toMatchObject({ find: 'c', readConcern: { afterClusterTime: operationTime } });
      // Nothing was stored since.
      expect(session.operationTime).toEqual(operationTime);
      await reads.insertOne({}, { session });
      expect(session.operationTime?.greaterThan(operationTime as mongo.Timestamp)).toBe(true);
      await session.withTransaction(async () => void (await reads.findOne({}, { session })));
      expect(commands.find(({ startTransaction }) => startTransaction)?.['readConcern'].afterClusterTime).toBeDefined();
    });
    // The driver would send it with each command.
    expect(commands.every(({ $clusterTime }) => $clusterTime === undefined)).toBe(true);
    // A client can have seen a later time: the server's clock was ahead before a restart.
    const ahead = new mongo.Timestamp({ t: Math.floor(Date.now() / 1000) + 5000, i: 7 });
    const other = await connect();
    await other.withSession(async (session) => {
      session.advanceOperationTime(ahead);
      expect(await other.db('test').collection('c').findOne({}, { session })).not.toBeNull();
      expect(session.operationTime?.greaterThanOrEqual(ahead)).toBe(true);
    });
  });

  test('reads a log that was compacted during writes', async () => {
    const storage = createMemoryStorage();
    const { db, server } = await startTestServer({ storage });
    const things = db.collection<{ _id: number; n: number }>('things');
    await things.insertMany(Array.from({ length: 3000 }, (_, _id) => ({ _id, n: 0 })));
    await things.updateMany({}, { $inc: { n: 1 } });
    const sizeBefore = storage.files.get('data.log')?.length ?? 0;
    const compaction = db.command({ compact: 'things' });
    await Promise.all(Array.from({ length: 200 }, (_, _id) => things.updateOne({ _id }, { $inc: { n: 1 } })));
    await things.deleteMany({ _id: { $gte: 2000 } });
    await compaction;
    expect(storage.files.get('data.log')?.length).toBeLessThan(sizeBefore);
    await server.stop();
    const reopened = await startTestServer({ storage });
    const found = await reopened.db.collection('things').find().sort({ _id: 1 }).toArray();
    expect(found.map(({ n }) => n)).toEqual([...Array(200).fill(2), ...Array(1800).fill(1)]);
  });

  test('reports a duplicate key with the message of mongod', async () => {
    const { db } = await startTestServer();
    const users = db.collection('users');
    await users.createIndex({ 'mail.address': 1, site: -1 }, { unique: true });
    await users.insertOne({ mail: { address: 'a@b.c' }, site: 3 });
    await expect(users.insertOne({ mail: { address: 'a@b.c' }, site: 3 })).rejects.toMatchObject({
      code: 11000,
      message:
        'E11000 duplicate key error collection: test.users index: mail.address_1_site_-1 dup key: { mail.address: "a@b.c", site: 3 }',
      keyPattern: { 'mail.address': 1, site: -1 },
      keyValue: { 'mail.address': 'a@b.c', site: 3 },
    });
    const id = new mongo.ObjectId();
    await users.insertOne({ _id: id, site: 1 });
    await expect(users.insertOne({ _id: id })).rejects.toMatchObject({
      message: `E11000 duplicate key error collection: test.users index: _id_ dup key: { _id: ObjectId('${id.toHexString()}') }`,
    });
    // A missing field is null, and the index already contains null.
    await expect(users.insertOne({ site: 1 })).rejects.toMatchObject({ code: 11000 });
  });

  test('continues after an error in an unordered batch, and stops in an ordered one', async () => {
    const { db } = await startTestServer();
    const things = db.collection<{ _id: number }>('things');
    const documents = [{ _id: 1 }, { _id: 1 }, { _id: 2 }];
    const unordered = await things
      .insertMany(documents, { ordered: false })
      .catch((error: mongo.MongoBulkWriteError) => error);
    expect(unordered).toMatchObject({ insertedCount: 2, writeErrors: [{ index: 1, code: 11000 }] });
    await expect(things.insertMany([{ _id: 3 }, { _id: 3 }, { _id: 4 }])).rejects.toMatchObject({ insertedCount: 1 });
    expect(await things.countDocuments()).toBe(3);
  });

  test('returns large results in batches, unaffected by later writes', async () => {
    const { db, client } = await startTestServer();
    const things = db.collection('things');
    await insertNumbers(things, 1000);
    const cursor = things.find().sort({ n: 1 }).batchSize(100);
    const seen: number[] = [];
    for await (const { n } of cursor) {
      if (seen.length === 150) await things.deleteMany({ n: { $gte: 500 } });
      seen.push(n as number);
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    const left = things.find().batchSize(10);
    await left.next();
    expect((await db.admin().serverStatus())['metrics'].cursor.open.total).toBe(1);
    await left.close();
    expect((await db.admin().serverStatus())['metrics'].cursor.open.total).toBe(0);
    await expect(
      client.db('test').command({ getMore: mongo.Long.fromNumber(12_345), collection: 'things' }),
    ).rejects.toMatchObject({ codeName: 'CursorNotFound' });
  });

  test('splits a result that exceeds the size of a message', async () => {
    const { db } = await startTestServer();
    const things = db.collection('things');
    const megabyte = 'x'.repeat(1024 * 1024);
    for (let n = 0; n < 20; n += 1) await things.insertOne({ n, megabyte });
    expect(
      await things
        .find()
        .sort({ n: 1 })
        .map(({ n }) => n)
        .toArray(),
    ).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test('rejects documents above 16 MB, from a client and from an update', async () => {
    const { db } = await startTestServer();
    const things = db.collection('things');
    const text = 'x'.repeat(9 * 1024 * 1024);
    await things.insertOne({ n: 1, text });
    await expect(things.updateOne({ n: 1 }, { $set: { more: text } })).rejects.toMatchObject({ code: 10334 });
    await expect(db.command({ insert: 'things', documents: [{ text: text + text }] })).rejects.toThrow();
    expect(Object.keys((await things.findOne({ n: 1 })) ?? {})).toEqual(['_id', 'n', 'text']);
  });

  test('stops a command at maxTimeMS', async () => {
    const { db } = await startTestServer();
    const things = db.collection('things');
    await insertNumbers(things, 3000);
    const endless = things.aggregate(
      [
        { $lookup: { from: 'things', pipeline: [{ $match: { $expr: { $gt: ['$n', '$group'] } } }], as: 'others' } },
        { $count: 'n' },
      ],
      { maxTimeMS: 50 },
    );
    await expect(endless.toArray()).rejects.toMatchObject({ codeName: 'MaxTimeMSExpired', code: 50 });
  });

  test('stops a pipeline at maxTimeMS while its stages multiply one document', async () => {
    const { db } = await startTestServer();
    await db.collection('things').insertOne({ thousand: Array.from({ length: 1000 }, (_, n) => n) });
    const multiplying = db
      .collection('things')
      .aggregate(
        [{ $set: { other: '$thousand' } }, { $unwind: '$thousand' }, { $unwind: '$other' }, { $count: 'million' }],
        { maxTimeMS: 1 },
      );
    await expect(multiplying.toArray()).rejects.toMatchObject({ codeName: 'MaxTimeMSExpired', code: 50 });
  });

  test('explains the index and the examined documents', async () => {
    const { db } = await startTestServer();
    const things = db.collection('things');
    await insertNumbers(things, 1000);
    await things.createIndex({ group: 1, n: -1 });
    const indexed = await things
      .find({ group: 3, n: { $lt: 100 } })
      .sort({ n: -1 })
      .explain('executionStats');
    expect(indexed['queryPlanner'].winningPlan).toMatchObject({
      stage: 'FETCH',
      inputStage: { stage: 'IXSCAN', indexName: 'group_1_n_-1' },
    });
    expect(indexed['executionStats']).toMatchObject({ nReturned: 14, totalDocsExamined: 14, totalKeysExamined: 14 });
    const scanned = await things.find({ other: 1 }).explain('executionStats');
    expect(scanned['queryPlanner'].winningPlan.stage).toBe('COLLSCAN');
    expect(scanned['executionStats']).toMatchObject({ nReturned: 0, totalDocsExamined: 1000 });
    const byId = await things.find({ _id: new mongo.ObjectId() }).explain('queryPlanner');
    expect(byId['queryPlanner'].winningPlan.stage).toBe('IDHACK');
    const sorted = await things.find().sort({ group: -1, n: 1 }).limit(5).explain('executionStats');
    expect(sorted['executionStats'].totalDocsExamined).toBe(5);
  });

  test('explains merged reads where MongoDB merges, and sorts in memory where MongoDB does', async () => {
    const { db } = await startTestServer();
    const things = db.collection('things');
    await things.insertMany(
      Array.from({ length: 2000 }, (_, n) => ({ n, group: n % 5, kind: n % 3, tags: [n % 7, 'x'] })),
    );
    await things.createIndex({ group: 1, kind: 1, n: -1 });
    await things.createIndex({ tags: 1, n: 1 });
    const explain = async (filter: object, sort: Record<string, 1 | -1>) => {
      const { queryPlanner, executionStats } = await things.find(filter).sort(sort).limit(10).explain('executionStats');
      const stages: string[] = [];
      for (
        let stage = queryPlanner.winningPlan;
        stage !== undefined;
        stage = stage.inputStage ?? stage.inputStages?.[0]
      )
        stages.push(stage.stage);
      return { stages: stages.join(' '), examined: executionStats.totalDocsExamined, plan: queryPlanner.winningPlan };
    };
    const groups = { group: { $in: [1, 2, 3] }, kind: { $in: [0, 2] } };
    const merged = await explain(groups, { n: 1 });
    expect(merged).toMatchObject({ stages: 'LIMIT FETCH SORT_MERGE IXSCAN', examined: 10 });
    expect(merged.plan.inputStage.inputStage.inputStages).toHaveLength(6);
    expect(await explain({ tags: { $in: [1, 'x'] } }, { n: -1 })).toMatchObject({
      stages: 'LIMIT FETCH SORT_MERGE IXSCAN',
    });
    const either = {
      $or: [
        { group: 1, kind: 1, n: { $gt: 5 } },
        { group: 2, kind: 1 },
      ],
    };
    expect(await explain(either, { n: -1 })).toMatchObject({ stages: 'LIMIT FETCH SORT_MERGE IXSCAN', examined: 10 });
    // MongoDB skips all fields that are bounded to values, so the sort must begin behind them.
    expect((await explain({ group: { $in: [1, 2] }, kind: 1 }, { kind: 1, n: 1 })).stages).toMatch(/^SORT /);
    // More than 200 reads are not merged.
    const many = { group: { $in: Array.from({ length: 101 }, (_, n) => n) }, kind: { $in: [0, 1] } };
    expect((await explain(many, { n: 1 })).stages).toMatch(/^SORT /);
    // A range in front of the sort.
    expect((await explain({ group: { $gt: 1 } }, { n: 1 })).stages).toMatch(/^SORT /);
  });

  test('deletes expired documents only', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const { db } = await startTestServer();
    const things = db.collection('things');
    const namesLater = () => {
      vi.advanceTimersByTime(EXPIRY_INTERVAL_MS);
      return things.distinct('name');
    };
    await things.createIndex({ at: 1 }, { expireAfterSeconds: 60 });
    const now = Date.now();
    await things.insertMany([
      { name: 'old', at: new Date(now - 61_000) },
      { name: 'old in a list', at: [new Date(now), new Date(now - 70_000)] },
      { name: 'young', at: new Date(now - 1000) },
      { name: 'none' },
      { name: 'no date', at: 5 },
    ]);
    await expect.poll(namesLater).toEqual(['no date', 'none', 'young']);
    await db.command({ collMod: 'things', index: { keyPattern: { at: 1 }, expireAfterSeconds: 0 } });
    await expect.poll(namesLater).toEqual(['no date', 'none']);
  });

  test('supports GridFS', async () => {
    const { db } = await startTestServer();
    const bucket = new mongo.GridFSBucket(db, { chunkSizeBytes: 10_000 });
    const content = randomBytes(123_456);
    const upload = bucket.openUploadStream('file.bin', { metadata: { kind: 'test' } });
    await new Promise((resolve, reject) =>
      Readable.from([content]).pipe(upload).on('finish', resolve).on('error', reject),
    );
    const received: Buffer[] = [];
    for await (const chunk of bucket.openDownloadStream(upload.id)) received.push(chunk as Buffer);
    expect(Buffer.concat(received).equals(content)).toBe(true);
    await bucket.delete(upload.id);
    expect(await bucket.find().toArray()).toEqual([]);
  });

  test('runs a bulkWrite of the client in several collections', async () => {
    const { client } = await startTestServer();
    const result = await client.bulkWrite(
      [
        { namespace: 'test.a', name: 'insertOne', document: { _id: 1 as never, n: 1 } },
        { namespace: 'other.b', name: 'insertOne', document: { n: 1 } },
        { namespace: 'test.a', name: 'updateOne', filter: { n: 1 }, update: { $inc: { n: 5 } } },
        { namespace: 'test.a', name: 'updateOne', filter: { n: 99 }, update: { $set: { m: 1 } }, upsert: true },
        { namespace: 'other.b', name: 'deleteMany', filter: {} },
      ],
      { verboseResults: true },
    );
    expect(result).toMatchObject({
      insertedCount: 2,
      matchedCount: 1,
      modifiedCount: 1,
      upsertedCount: 1,
      deletedCount: 1,
    });
    expect(result.updateResults?.get(3)).toMatchObject({ upsertedId: expect.anything() });
    await expect(
      client.bulkWrite([{ namespace: 'test.a', name: 'insertOne', document: { _id: 1 as never } }]),
    ).rejects.toThrow('bulk write');
  });

  test('limits the size of a capped collection', async () => {
    const { db } = await startTestServer();
    const log = await db.createCollection<{ _id: number }>('log', { capped: true, size: 1_000_000, max: 3 });
    await log.insertMany([1, 2, 3, 4, 5].map((_id) => ({ _id })));
    expect((await log.find().toArray()).map(({ _id }) => _id)).toEqual([3, 4, 5]);
    expect(await log.isCapped()).toBe(true);
  });

  test('rejects writes on a full disk, continues to read, and recovers', async () => {
    const { db, storage } = await startTestServer();
    const things = db.collection('things');
    await things.createIndex({ name: 1 }, { unique: true });
    await things.insertOne({ name: 'before', n: 1 });
    storage.roomBytes = 30;
    await expect(things.insertOne({ name: 'during' })).rejects.toMatchObject({ codeName: 'OutOfDiskSpace' });
    await expect(things.updateOne({ name: 'before' }, { $inc: { n: 1 } })).rejects.toThrow('disk is full');
    await expect(things.createIndex({ n: 1 })).rejects.toThrow('disk is full');
    await expect(db.collection('others').insertOne({})).rejects.toThrow('disk is full');
    expect(await things.find({}, { projection: { _id: 0 } }).toArray()).toEqual([{ name: 'before', n: 1 }]);
    expect((await db.listCollections().toArray()).map(({ name }) => name)).toEqual(['things']);
    storage.roomBytes = 1_000_000;
    await things.insertOne({ name: 'during' });
    await things.updateOne({ name: 'before' }, { $inc: { n: 1 } });
    expect(await things.distinct('name')).toEqual(['before', 'during']);
    const reopened = await startTestServer({ storage: createMemoryStorage(new Map(storage.files)) });
    expect(
      await reopened.db
        .collection('things')
        .find({}, { projection: { _id: 0 } })
        .toArray(),
    ).toEqual([{ name: 'before', n: 2 }, { name: 'during' }]);
  });

  test('writes an aggregation with $out and with $merge', async () => {
    const { db } = await startTestServer();
    const things = db.collection('things');
    await insertNumbers(things, 20);
    await db.collection('out').insertOne({ old: true });
    await things.aggregate([{ $group: { _id: '$group', sum: { $sum: '$n' } } }, { $out: 'out' }]).toArray();
    expect(await db.collection('out').countDocuments({ old: true })).toBe(0);
    expect(await db.collection('out').countDocuments()).toBe(7);
    await things
      .aggregate([
        { $match: { group: { $lt: 2 } } },
        { $group: { _id: '$group', count: { $sum: 1 } } },
        { $set: { price: '$literal' } },
        { $merge: { into: 'out', on: '_id', whenMatched: 'merge', whenNotMatched: 'discard' } },
      ])
      .toArray();
    expect(await db.collection('out').findOne({ _id: 1 as never })).toEqual({ _id: 1, sum: 24, count: 3 });
  });

  test('works with Mongoose', async () => {
    const { url } = await startTestServer();
    const connection = await mongoose.createConnection(url).asPromise();
    onTestFinished(() => connection.close());
    const schema = new mongoose.Schema(
      {
        mail: { type: String, unique: true },
        items: [{ sku: String, count: Number }],
        until: { type: Date, expires: 60 },
      },
      { timestamps: true, optimisticConcurrency: true },
    );
    schema.index({ 'items.sku': 1 }, { partialFilterExpression: { 'items.sku': { $exists: true } } });
    const Order = connection.model('Order', schema);
    await Order.init();
    const order = await Order.create({ mail: 'a', items: [{ sku: 'x', count: 1 }] });
    await Order.updateOne({ _id: order._id, 'items.sku': 'x' }, { $inc: { 'items.$.count': 4 } });
    order.items.push({ sku: 'y', count: 2 });
    await order.save();
    expect((await Order.findById(order._id).lean())?.items.map(({ sku, count }) => [sku, count])).toEqual([
      ['x', 5],
      ['y', 2],
    ]);
    await connection.transaction(async (session) => {
      await Order.create([{ mail: 'b' }], { session });
      await Order.updateMany({}, { $set: { until: new Date() } }, { session });
    });
    expect(await Order.countDocuments({ until: { $exists: true } })).toBe(2);
    await Order.syncIndexes();
    const populated = await Order.aggregate<{ _id: string; count: number }>([
      { $unwind: '$items' },
      { $group: { _id: '$items.sku', count: { $sum: '$items.count' } } },
      { $sort: { _id: 1 } },
    ]);
    expect(populated).toEqual([
      { _id: 'x', count: 5 },
      { _id: 'y', count: 2 },
    ]);
  });
});

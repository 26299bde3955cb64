import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { askRunning, createValidation } from '../../../scripts/db/running.js';
import type { Collection } from '../../../src/embedded/engine/collection.js';
import { Database } from '../../../src/embedded/engine/database.js';
import { DirectWriter } from '../../../src/embedded/engine/direct-writer.js';
import { describeCounts, validateCollection } from '../../../src/embedded/engine/validate.js';
import { backUp } from '../../../src/embedded/maintenance/backup.js';
import { allCollections, checkBackup, checkSnapshot } from '../../../src/embedded/maintenance/check.js';
import { openSnapshot } from '../../../src/embedded/maintenance/snapshot.js';
import { createDiskStorage } from '../../../src/embedded/store/disk-storage.js';
import { createRandom } from '../../support/random.js';
import { createTemporaryDirectory } from '../support/running-server.js';
import { checkDamaged, createSmallDatabase } from './damage.js';
import { checkStopped, serveInTest } from './served-directory.js';

describe('a check of a stopped database', () => {
  test('finds a flipped bit anywhere, and a cut at any length', async () => {
    const database = await createSmallDatabase();
    const random = createRandom(7);
    expect([...database.files.keys()].sort()).toEqual(['data.log', 'data.size']);
    for (const [name, bytes] of database.files) {
      expect(await checkDamaged(database, name, bytes)).toBe('harmless');
      for (let round = 0; round < 40; round += 1) {
        const flipped = Buffer.from(bytes);
        const position = random.integer(bytes.length);
        flipped[position] = (flipped[position] ?? 0) ^ (1 << random.integer(8));
        expect(await checkDamaged(database, name, flipped), `${name}, byte ${position}`).not.toBe('harmless');
        const length = random.integer(bytes.length);
        expect(await checkDamaged(database, name, bytes.subarray(0, length)), `${length} bytes of ${name}`).not.toBe(
          'harmless',
        );
      }
    }
    expect(await checkDamaged(database, 'data.log', undefined)).not.toBe('harmless');
    // A database of an earlier version has no record.
    expect(await checkDamaged(database, 'data.size', undefined)).toBe('harmless');
  });

  test('finds a log that ends with a whole frame before its end', async () => {
    const database = await createSmallDatabase();
    const log = database.files.get('data.log') ?? Buffer.alloc(0);
    const lastFrame = log.lastIndexOf(Buffer.from([0xe7, 0x47, 0x53, 0x0a]));
    expect(await checkDamaged(database, 'data.log', log.subarray(0, lastFrame))).toEqual([
      expect.stringMatching(/^data\.log was cut: it has \d+ of at least \d+ bytes: restore a backup/),
    ]);
  });

  test('is not misled by an address that is left of a killed process', async () => {
    const { directory, db, stop } = await serveInTest();
    await db.collection('things').insertOne({ a: 1 });
    await stop();
    const other = await serveInTest();
    await other.db.collection('others').insertOne({ a: 1 });
    const path = join(other.directory, 'db.sock');
    writeFileSync(join(directory, 'address'), JSON.stringify({ path }));
    expect(await checkStopped(directory)).toMatchObject({ problems: [], collections: [{ name: 'things' }] });
    writeFileSync(join(directory, 'address'), JSON.stringify({ path: `${path}-away` }));
    expect(await checkStopped(directory)).toMatchObject({ problems: [], collections: [{ name: 'things' }] });
  });

  test('counts documents and bytes', async () => {
    const { directory, db, stop } = await serveInTest();
    await db.collection<{ _id: number }>('things').insertMany([{ _id: 1 }, { _id: 2 }]);
    await stop();
    expect(await checkStopped(directory)).toEqual({
      problems: [],
      frameCount: 2,
      collections: [{ db: 'test', name: 'things', documents: 2, bytes: 28, indexes: { _id_: 2 } }],
    });
  });
});

describe('a check of a running database', () => {
  test('finds nothing while documents are written', async () => {
    const { directory, db } = await serveInTest();
    const things = db.collection<{ _id: number; a: number[] }>('things');
    await things.createIndex({ a: 1 });
    let isChecked = false;
    const writing = (async () => {
      for (let _id = 0; !isChecked; _id += 1) {
        await things.insertOne({ _id, a: [_id, 1] });
        await things.updateOne({ _id: _id >> 1 }, { $push: { a: 2 } });
        await things.deleteOne({ _id: _id >> 2 });
      }
    })();
    const reports = [];
    for (let round = 0; round < 5; round += 1) {
      await things.insertOne({ _id: -1 - round, a: [] });
      const snapshot = await openSnapshot(directory, askRunning);
      reports.push(await checkSnapshot(snapshot, createValidation(snapshot.address ?? { path: '' })));
      snapshot.close();
    }
    isChecked = true;
    await writing;
    expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
    expect(Number(reports[4]?.collections[0]?.['documents'])).toBeGreaterThan(4);
  });

  test.each<readonly [string, (collection: Collection) => void, readonly RegExp[]]>([
    [
      'an index entry is missing',
      (collection) => {
        const record = collection.records.get(collection.keyOf(1));
        if (record) collection.indexes.get('a_1')?.delete(record, record.document);
      },
      [/the log has .*"a_1":3.*the running database has .*"a_1":2/, /in memory: .*_id 1 is missing in the index a_1/],
    ],
    [
      'one index entry is another one',
      (collection) => {
        const record = collection.records.get(collection.keyOf(1));
        if (record) collection.indexes.get('a_1')?.delete(record, record.document);
        if (record) collection.indexes.get('a_1')?.insert(record, { a: 'another' });
      },
      [/in memory: .*_id 1 is missing in the index a_1/],
    ],
    [
      'a document is missing in memory',
      (collection) => {
        const document = { _id: 1, a: 1 };
        collection.apply({ key: collection.keyOf(1), before: document, after: undefined, byteLength: 0 });
      },
      [/the log has .*"documents":3.*the running database has .*"documents":2/],
    ],
  ])('says when %s', async (_name, spoil, sentences) => {
    const directory = createTemporaryDirectory();
    const database = new Database({ storage: createDiskStorage(directory), onProblem: () => {} });
    const collection = database.createCollection({ database: 'test', name: 'things' }, {});
    database.createIndex(collection, { v: 2, key: { a: 1 }, name: 'a_1' });
    const writer = new DirectWriter(database);
    for (let _id = 0; _id < 3; _id += 1) writer.insert(collection, { _id, a: _id });
    writer.commit();
    spoil(collection);
    writeFileSync(join(directory, 'address'), '{"path":"of this test"}');
    const snapshot = await openSnapshot(directory, async () => ({
      ...database.log.snapshot(),
      collections: allCollections(database).map(describeCounts),
    }));
    const { problems } = await checkSnapshot(snapshot, () => validateCollection(collection));
    expect(problems).toEqual(sentences.map((sentence) => expect.stringMatching(sentence)));
    snapshot.close();
    await database.close();
  });
});

test('a check of a backup says what is in it, or what is wrong', async () => {
  const { directory, db } = await serveInTest();
  await db.collection('things').insertOne({ a: 1 });
  const file = join(createTemporaryDirectory(), 'backup');
  await backUp(directory, file, { ask: askRunning });
  expect(await checkBackup(file)).toMatchObject({ problems: [], collections: [{ name: 'things', documents: 1 }] });
  writeFileSync(file, 'more', { flag: 'a' });
  expect(await checkBackup(file)).toMatchObject({ problems: [expect.stringContaining('is not complete')] });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mongo } from 'mongoose';
import { describe, expect, test } from 'vitest';
import { move } from '../../scripts/db/move/index.js';
import { toDocumentSequence } from '../../src/library-internals/document-sequence.js';
import { type ServedDirectory, serveInTest } from '../embedded/maintenance/served-directory.js';
import { compiled, projectDirectory, runScript } from '../support/script.js';
import { contentOf, foreignDocuments } from './moved.js';

async function insertEncoded(db: mongo.Db, insert: string, documents: readonly Uint8Array[]): Promise<void> {
  const reply = await db.command({ insert, documents: toDocumentSequence('documents', documents) });
  expect(reply).toMatchObject({ n: documents.length });
}

/** Stores collections with many kinds of documents, options and indexes. */
async function fill(db: mongo.Db): Promise<void> {
  await insertEncoded(db, 'foreign', foreignDocuments());
  const foreign = db.collection('foreign');
  await foreign.createIndex({ note: 1, doubles: -1 }, { name: 'compound', sparse: true });
  await foreign.createIndex({ integers: 1 });
  await foreign.createIndex({ dates: 1 }, { hidden: true });
  await foreign.createIndex({ note: 1 }, { partialFilterExpression: { note: { $gt: 'a' } }, name: 'partial' });
  await db.createCollection('named', { collation: { locale: 'de', strength: 1 } });
  const named = db.collection<{ _id: string; u?: string }>('named');
  await named.insertMany([
    { _id: 'a', u: 'x' },
    { _id: 'ö', u: 'y' },
  ]);
  await named.createIndex({ u: 1 }, { unique: true });
  await named.createIndex({ u: -1 }, { collation: { locale: 'simple' }, name: 'simple' });
  await named.createIndex({ u: 1, _id: 1 }, { collation: { locale: 'fr', strength: 2 } });
  await db.createCollection('capped', { capped: true, size: 4096, max: 3 });
  for (let n = 0; n < 5; n += 1) await db.collection('capped').insertOne({ n });
  await db.createCollection('empty');
  await db.collection('empty').createIndex({ a: 1 }, { unique: true });
  const expiring = db.collection<{ _id: number; at: Date }>('expiring');
  await expiring.createIndex({ at: 1 }, { expireAfterSeconds: 60 });
  await expiring.insertMany([
    { _id: 1, at: new Date() },
    { _id: 2, at: new Date(-1) },
  ]);
}

/** A stopped database with everything that {@link fill} stores, and what is in it. */
async function createSource(more?: (db: mongo.Db) => Promise<void>) {
  const served = await serveInTest();
  const db = served.client.db('general-socket');
  await fill(db);
  await more?.(db);
  const content = await contentOf(db);
  await served.stop();
  return { directory: served.directory, content };
}

async function moveTo(target: ServedDirectory, from: string, isReplacing = false): Promise<string[]> {
  const lines: string[] = [];
  await move({ from, url: target.url('moved'), isReplacing, print: (line) => lines.push(line) });
  return lines;
}

describe('moving to MongoDB', () => {
  test('copies documents byte for byte, with all collections, options and indexes, and can be repeated', async () => {
    const source = await createSource(async (db) => {
      const bytes = Buffer.alloc(16 * 1024 * 1024 - 60, 1);
      await insertEncoded(db, 'large', [mongo.BSON.serialize({ _id: 'large', bytes })]);
    });
    const target = await serveInTest();
    const lines = await moveTo(target, source.directory);
    expect(await contentOf(target.client.db('moved'))).toEqual(source.content);
    expect(lines.at(-1)).toMatch(/^Everything is equal: 6 collections, 4\d documents, 9 indexes\.$/);
    expect((await moveTo(target, source.directory)).at(-1)).toBe(lines.at(-1));
    expect(await contentOf(target.client.db('moved'))).toEqual(source.content);
  });

  test('continues after it was killed', async () => {
    const source = await createSource(async (db) => {
      const many = db.collection<{ _id: number; text: string }>('many');
      await many.createIndex({ text: 1 });
      await many.insertMany(Array.from({ length: 3500 }, (_, _id) => ({ _id, text: `text ${_id}` })));
    });
    const target = await serveInTest();
    const admin = target.client.db('admin');
    // The first batches arrive, and a later one waits until the process is killed.
    await admin.command({
      configureFailPoint: 'failCommand',
      mode: { skip: 6 },
      data: { failCommands: ['insert'], blockConnection: true, blockTimeMS: 5000, errorCode: 11_600 },
    });
    const args = ['--to', target.url('moved'), '--data', source.directory];
    const killed = spawn(process.execPath, [compiled('scripts/db.ts'), ...args], {
      cwd: projectDirectory,
      stdio: 'ignore',
    });
    const ended = once(killed, 'exit');
    const many = target.client.db('moved').collection('many');
    await expect.poll(() => many.countDocuments(), { interval: 20 }).toBeGreaterThan(0);
    killed.kill('SIGKILL');
    await ended;
    expect(await many.countDocuments()).toBeLessThan(3500);
    await admin.command({ configureFailPoint: 'failCommand', mode: 'off' });
    const { code, stdout, stderr } = await runScript('scripts/db.ts', args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('Everything is equal: 6 collections');
    expect(await contentOf(target.client.db('moved'))).toEqual(source.content);
  });

  test('refuses a target with other data, and replaces them only when told', async () => {
    const source = await createSource();
    const target = await serveInTest();
    const db = target.client.db('moved');
    await db.collection<{ _id: unknown }>('foreign').insertMany([{ _id: 'text id' }, { _id: 'of the target' }]);
    await db.collection('others').insertOne({ a: 1 });
    const before = await contentOf(db);
    await expect(moveTo(target, source.directory)).rejects.toThrow(
      /moved\.foreign: 1 documents are not in the source, 1 differ\n {2}moved\.others: this collection is not in the source/,
    );
    expect(await contentOf(db)).toEqual(before);
    await moveTo(target, source.directory, true);
    const { others, ...rest } = await contentOf(db);
    expect(rest).toEqual(source.content);
    expect(others).toEqual(before['others']);
  });

  test('copies a running database as of one moment, and then what it wrote since', async () => {
    const source = await serveInTest();
    const db = source.client.db('general-socket');
    await fill(db);
    const target = await serveInTest();
    expect((await moveTo(target, source.directory)).at(-1)).toMatch(/run this again with --replace/);
    expect(await contentOf(target.client.db('moved'))).toEqual(await contentOf(db));
    await db.collection<{ _id: string }>('foreign').deleteOne({ _id: 'text id' });
    await db.collection<{ _id: string }>('named').updateOne({ _id: 'a' }, { $set: { u: 'z' } });
    await db.collection('new').insertOne({ a: 1 });
    const content = await contentOf(db);
    await source.stop();
    await expect(moveTo(target, source.directory)).rejects.toThrow('other data');
    await moveTo(target, source.directory, true);
    expect(await contentOf(target.client.db('moved'))).toEqual(content);
  });

  test('fails when a collection or an index of the target is in the way, or the URL names no database', async () => {
    const source = await createSource();
    const target = await serveInTest();
    await target.client.db('moved').createCollection('capped');
    await expect(moveTo(target, source.directory)).rejects.toThrow(/moved\.capped exists with other options/);
    await target.client.db('moved').dropDatabase();
    await target.client.db('moved').collection('foreign').createIndex({ other: 1 }, { name: 'compound' });
    await expect(moveTo(target, source.directory)).rejects.toThrow(/compound/);
    const url = target.url('');
    await expect(move({ from: source.directory, url, isReplacing: false, print: () => {} })).rejects.toThrow(
      'names no database',
    );
  });

  test('does not miss documents that the target has let expire', async () => {
    const source = await createSource();
    const target = await serveInTest();
    await moveTo(target, source.directory);
    await target.client.db('moved').collection<{ _id: number }>('expiring').deleteOne({ _id: 2 });
    expect((await moveTo(target, source.directory)).at(-1)).toContain('Everything is equal');
    await target.client.db('moved').collection<{ _id: number }>('expiring').deleteOne({ _id: 1 });
    await moveTo(target, source.directory);
    expect(await target.client.db('moved').collection('expiring').distinct('_id')).toEqual([1]);
  });
});

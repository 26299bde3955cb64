import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { askRunning } from '../../../scripts/db/running.js';
import { backUp, restore } from '../../../src/embedded/maintenance/backup.js';
import { openBackup } from '../../../src/embedded/maintenance/backup-file.js';
import { replaceInFs } from '../support/failing-fs.js';
import { createTemporaryDirectory } from '../support/running-server.js';
import { checkStopped, contentOf, readAll, type ServedDirectory, serveInTest } from './served-directory.js';

/** Writes until it is stopped. Each transaction moves an amount between two accounts, and adds an entry. */
function startTransfers({ client, db }: ServedDirectory) {
  const accounts = db.collection<{ _id: string; amount: number }>('accounts');
  const entries = db.collection<{ _id: number }>('entries');
  let written = 0;
  let isStopped = false;
  const run = async (): Promise<void> => {
    await accounts.insertMany([
      { _id: 'a', amount: 1000 },
      { _id: 'b', amount: 1000 },
    ]);
    while (!isStopped) {
      await client.withSession((session) =>
        session.withTransaction(async () => {
          await accounts.updateOne({ _id: 'a' }, { $inc: { amount: -1 } }, { session });
          await accounts.updateOne({ _id: 'b' }, { $inc: { amount: 1 } }, { session });
          await entries.insertOne({ _id: written + 1 }, { session });
        }),
      );
      written += 1;
    }
  };
  const ended = run();
  return {
    written: () => written,
    async until(count: number): Promise<void> {
      while (written < count) await new Promise(setImmediate);
    },
    async stop(): Promise<void> {
      isStopped = true;
      await ended;
    },
  };
}

describe('a backup', () => {
  test('of a running database is a point in time with whole transactions, and has all that was acknowledged', async () => {
    const served = await serveInTest();
    const transfers = startTransfers(served);
    const file = join(createTemporaryDirectory(), 'backup');
    await transfers.until(30);
    const before = transfers.written();
    expect(await backUp(served.directory, file, { ask: askRunning })).toMatchObject({ isRunning: true });
    const after = transfers.written();
    await transfers.until(after + 5);
    await transfers.stop();
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const directory = join(createTemporaryDirectory(), 'new');
    await restore(file, directory, false);
    expect(await checkStopped(directory)).toMatchObject({ problems: [] });
    const restored = await serveInTest(directory);
    const ids = (await restored.db.collection('entries').find().sort({ _id: 1 }).toArray()).map(({ _id }) =>
      Number(_id),
    );
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => index + 1));
    expect(ids.length).toBeGreaterThanOrEqual(before);
    expect(ids.length).toBeLessThanOrEqual(after + 1);
    expect(await restored.db.collection('accounts').find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 'a', amount: 1000 - ids.length },
      { _id: 'b', amount: 1000 + ids.length },
    ]);
  });

  test('is the same when the log is replaced before and after the file is opened', async () => {
    const served = await serveInTest();
    const things = served.db.collection<{ _id: number }>('things');
    await things.insertMany(Array.from({ length: 500 }, (_, _id) => ({ _id })));
    let asked = 0;
    const file = join(createTemporaryDirectory(), 'backup');
    const compact = () => served.db.command({ compact: 'things' });
    await backUp(served.directory, file, {
      async ask(address) {
        asked += 1;
        const answer = await askRunning(address);
        if (asked === 1) await compact();
        return answer;
      },
    });
    expect(asked).toBe(2);
    await compact();
    await served.stop();
    const directory = createTemporaryDirectory();
    await restore(file, directory, false);
    expect(await readAll(directory)).toEqual(await readAll(served.directory));
  });

  test('of a stopped database omits what a crash left of the last write', async () => {
    const served = await serveInTest();
    await served.db.collection('things').insertOne({ a: 1 });
    await served.stop();
    const expected = await readAll(served.directory);
    writeFileSync(join(served.directory, 'data.log'), 'half a frame', { flag: 'a' });
    const file = join(createTemporaryDirectory(), 'backup');
    expect(await backUp(served.directory, file, { ask: askRunning })).toMatchObject({
      isRunning: false,
      note: expect.stringContaining('damaged at byte'),
    });
    const directory = createTemporaryDirectory();
    await restore(file, directory, false);
    expect(await readAll(directory)).toEqual(expected);
  });

  test('replaces no file, and leaves none when it fails or is interrupted', async () => {
    const served = await serveInTest();
    await served.db.collection('things').insertOne({ a: 1 });
    const target = createTemporaryDirectory();
    const used = join(target, 'used');
    writeFileSync(used, 'mine');
    await expect(backUp(served.directory, used, { ask: askRunning })).rejects.toThrow('exists already');
    expect(contentOf(target, 'used').toString()).toBe('mine');
    const signal = AbortSignal.abort(new Error('interrupted'));
    const file = join(target, 'backup');
    await expect(backUp(served.directory, file, { ask: askRunning, signal })).rejects.toThrow('interrupted');
    await served.stop();
    const log = contentOf(served.directory, 'data.log');
    log[30] = (log[30] ?? 0) ^ 1;
    writeFileSync(join(served.directory, 'data.log'), log);
    await expect(backUp(served.directory, file, { ask: askRunning })).rejects.toThrow('nothing whole to back up');
    expect(readdirSync(target)).toEqual(['used']);
  });
});

describe('restoring', () => {
  async function backUpOne(): Promise<{ file: string; served: ServedDirectory }> {
    const served = await serveInTest();
    await served.db.collection('things').insertOne({ a: 1 });
    const file = join(createTemporaryDirectory(), 'backup');
    await backUp(served.directory, file, { ask: askRunning });
    return { file, served };
  }

  test('refuses a directory that is in use or not empty, unless told to replace it', async () => {
    const { file, served } = await backUpOne();
    await served.db.collection('things').insertOne({ a: 2 });
    await expect(restore(file, served.directory, true)).rejects.toThrow('in use by the process');
    await served.stop();
    const log = contentOf(served.directory, 'data.log');
    await expect(restore(file, served.directory, false)).rejects.toThrow('is not empty');
    expect(contentOf(served.directory, 'data.log')).toEqual(log);
    const { keptAs } = await restore(file, served.directory, true);
    expect(contentOf(served.directory, keptAs ?? '')).toEqual(log);
    expect(await readAll(served.directory)).toHaveLength(1);
  });

  test('leaves a log at every moment, so that a start after a crash finds the old or the restored one', async () => {
    const { file, served } = await backUpOne();
    await served.stop();
    const isThere: boolean[] = [];
    replaceInFs('renameSync', (rename) => (from, to) => {
      rename(from, to);
      isThere.push(existsSync(join(served.directory, 'data.log')));
    });
    await restore(file, served.directory, true);
    expect(new Set(isThere)).toEqual(new Set([true]));
  });

  test('changes nothing when a byte of the backup is wrong or missing', async () => {
    const { file } = await backUpOne();
    const bytes = readFileSync(file);
    const directory = createTemporaryDirectory();
    mkdirSync(join(directory, 'new'));
    const damaged = join(directory, 'damaged');
    for (let position = 0; position < bytes.length; position += 1) {
      const changed = Buffer.from(bytes);
      changed[position] = (changed[position] ?? 0) ^ (1 << (position % 8));
      writeFileSync(damaged, changed);
      await expect(openBackup(damaged), `byte ${position}`).rejects.toThrow();
    }
    for (const length of [0, 10, 60, bytes.length - 33, bytes.length - 32, bytes.length - 1]) {
      writeFileSync(damaged, bytes.subarray(0, length));
      await expect(restore(damaged, join(directory, 'new'), false), `${length} bytes`).rejects.toThrow();
    }
    expect(readdirSync(join(directory, 'new'))).toEqual([]);
  });
});

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mongo } from 'mongoose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { compiled, importCompiled } from '../../support/script.js';
import { createTemporaryDirectory } from '../support/running-server.js';

const { startEmbedded } =
  await importCompiled<typeof import('../../../src/embedded/index.js')>('src/embedded/index.ts');

const KILLS = 12;
const WRITERS = ['a', 'b', 'c', 'd'];
const ENTRIES_BETWEEN_KILLS = 60;

interface Done {
  readonly kind: 'done';
  readonly name: string;
  readonly increments: number;
  readonly transfers: number;
  /** Increments with an unknown outcome. */
  readonly unknown: number;
}

type Told = Done | { readonly kind: 'entry'; readonly id: string };

function forkWriter(script: string, url: string, name: string): ChildProcess {
  const writer = fork(compiled(`test/embedded/process/${script}`), [url, name], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  onTestFinished(() => {
    writer.kill('SIGKILL');
  });
  return writer;
}

/** Stops writers, which must exit with code 0. A writer exits with another code after an unexpected error. */
async function stopWriters(writers: readonly ChildProcess[]): Promise<void> {
  const codes = await Promise.all(
    writers.map(async (writer) => {
      if (writer.exitCode !== null) return writer.exitCode;
      const exited = once(writer, 'exit');
      writer.send('stop');
      return (await exited)[0] as number;
    }),
  );
  expect(codes).toEqual(writers.map(() => 0));
}

async function connect(url: string): Promise<mongo.Db> {
  const client = await new mongo.MongoClient(url, { serverSelectionTimeoutMS: 120_000 }).connect();
  onTestFinished(() => client.close());
  return client.db('crash');
}

describe('the embedded database', () => {
  test(`loses no acknowledged write and splits no transaction in ${KILLS} kills under load`, async () => {
    const directory = createTemporaryDirectory();
    let exits = 0;
    const database = await startEmbedded({ directory, onExit: () => (exits += 1) });
    onTestFinished(() => database.stop());
    const db = await connect(database.url);
    const accounts = db.collection<{ _id: number; balance: number }>('accounts');
    await accounts.insertMany(Array.from({ length: 10 }, (_, _id) => ({ _id, balance: 100 })));

    const killAndWait = async (kill: number): Promise<void> => {
      process.kill(database.pid ?? expect.fail('the database does not run'), 'SIGKILL');
      await expect.poll(() => exits).toBe(kill);
      await expect.poll(() => database.pid).toBeDefined();
    };

    const entered = new Set<string>();
    const done: Done[] = [];
    const writers = WRITERS.map((name) => forkWriter('./crash-writer.ts', database.url, name));
    for (const writer of writers) {
      writer.on('message', (told: Told) => {
        if (told.kind === 'entry') entered.add(told.id);
        else done.push(told);
      });
    }
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const goal = entered.size + ENTRIES_BETWEEN_KILLS;
      await expect.poll(() => entered.size >= goal).toBe(true);
      await killAndWait(kill);
    }
    await stopWriters(writers);
    expect(done.length).toBe(WRITERS.length);

    // Restarts once more to check the state on disk.
    await killAndWait(KILLS + 1);
    const stored = new Set((await db.collection<{ _id: string }>('entries').find().toArray()).map(({ _id }) => _id));
    expect([...entered].filter((id) => !stored.has(id))).toEqual([]);
    const total = (await accounts.find().toArray()).reduce((sum, { balance }) => sum + balance, 0);
    expect(total).toBe(1000);
    for (const { name, increments, unknown } of done) {
      const counter = await db.collection<{ _id: string; n: number }>('counters').findOne({ _id: name });
      expect(counter?.n).toBeGreaterThanOrEqual(increments);
      expect(counter?.n).toBeLessThanOrEqual(increments + unknown);
    }
  });

  test('keeps exact sums with four processes that contend for the same documents', async () => {
    const database = await startEmbedded({ directory: createTemporaryDirectory() });
    onTestFinished(() => database.stop());
    const db = await connect(database.url);
    const accounts = db.collection<{ _id: number; balance: number }>('accounts');
    await accounts.insertMany(Array.from({ length: 10 }, (_, _id) => ({ _id, balance: 100 })));
    const entered: string[] = [];
    const done: Done[] = [];
    const writers = WRITERS.map((name) => forkWriter('./crash-writer.ts', database.url, name));
    for (const writer of writers) {
      writer.on('message', (told: Told) => {
        if (told.kind === 'entry') entered.push(told.id);
        else done.push(told);
      });
    }
    await expect.poll(() => entered.length >= 1500).toBe(true);
    await stopWriters(writers);
    const total = (await accounts.find().toArray()).reduce((sum, { balance }) => sum + balance, 0);
    expect(total).toBe(1000);
    const counters = await db.collection<{ _id: string; n: number }>('counters').find().sort({ _id: 1 }).toArray();
    const told = [...done].sort((left, right) => (left.name < right.name ? -1 : 1));
    expect(counters).toEqual(told.map(({ name, increments }) => ({ _id: name, n: increments })));
    expect(await db.collection('entries').countDocuments()).toBe(entered.length);
    expect(done.every(({ transfers }) => transfers > 0)).toBe(true);
  });
});

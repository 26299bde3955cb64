import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { mongo } from 'mongoose';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EmbeddedDatabase, EmbeddedOptions } from '../../../src/embedded/index.js';
import { createConnectionType } from '../../../src/library-internals/mongodb-connection.js';
import { compiled, importCompiled } from '../../support/script.js';
import { createTemporaryDirectory } from '../support/running-server.js';

const { startEmbedded } =
  await importCompiled<typeof import('../../../src/embedded/index.js')>('src/embedded/index.ts');

async function start(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const database = await startEmbedded(options);
  onTestFinished(() => database.stop());
  return database;
}

/** With the connections of the gateway: the driver's own do not retry a write that meets a socket whose end is killed. */
const connectionType: object = { connectionType: createConnectionType({ maxTimeMs: 120_000 }) };

async function connect(url: string): Promise<mongo.Collection<{ _id: number }>> {
  const client = await new mongo.MongoClient(url, { serverSelectionTimeoutMS: 120_000, ...connectionType }).connect();
  onTestFinished(() => client.close());
  return client.db('test').collection('things');
}

/** Whether a process runs. A zombie does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

const pidOf = (database: EmbeddedDatabase): number => database.pid ?? expect.fail('the database has no process');

/** Forks a process that starts the database as the gateway does, as leader of a process group like in a terminal. */
function spawnOwner(directory: string): ChildProcess {
  const owner = fork(compiled('test/embedded/process/owner-process.ts'), [directory], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
  });
  onTestFinished(() => {
    owner.kill('SIGKILL');
  });
  return owner;
}

/** Forks an owner and waits for the URL and pid of its database. */
async function forkOwner(directory: string): Promise<{ owner: ChildProcess; url: string; pid: number }> {
  const owner = spawnOwner(directory);
  const [message] = (await once(owner, 'message')) as [{ url: string; pid: number }];
  return { owner, ...message };
}

/** The pids of database processes for a directory, which is in their arguments. */
const servingPids = (directory: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`{"directory":"${directory}"`);
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter(isAlive);

describe('the process of the embedded database', () => {
  test('serves a private directory, and keeps its data after a restart', async () => {
    const directory = join(createTemporaryDirectory(), 'made', 'here');
    const first = await startEmbedded({ directory });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(first.url).toMatch(/^mongodb:\/\/%2F.*db\.sock\/\?directConnection=true$/);
    await (await connect(first.url)).insertOne({ _id: 1 });
    const pid = pidOf(first);
    await first.stop();
    expect(isAlive(pid)).toBe(false);
    const second = await start({ directory });
    expect(await (await connect(second.url)).find().toArray()).toEqual([{ _id: 1 }]);
  });

  test('locks its directory: a second one fails with the pid of the first', async () => {
    const directory = createTemporaryDirectory();
    const first = await start({ directory });
    await expect(startEmbedded({ directory })).rejects.toThrow(`in use by the process with the pid ${pidOf(first)}`);
  });

  test('takes over the lock of a dead process, even when its pid is in use again', async () => {
    const directory = createTemporaryDirectory();
    writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: process.pid, startedAt: 'another boot-1' }));
    const database = await start({ directory });
    expect(await (await connect(database.url)).countDocuments()).toBe(0);
  });

  test('listens on a loopback port when the path of the socket is too long', async () => {
    const directory = join(createTemporaryDirectory(), 'x'.repeat(100));
    mkdirSync(directory);
    const exits: unknown[] = [];
    const database = await start({ directory, onExit: (cause) => exits.push(cause) });
    expect(database.url).toMatch(/^mongodb:\/\/127\.0\.0\.1:\d+\//);
    const things = await connect(database.url);
    await things.insertOne({ _id: 1 });
    process.kill(pidOf(database), 'SIGKILL');
    await expect.poll(() => exits.length).toBe(1);
    await expect.poll(() => things.countDocuments().catch(() => -1)).toBe(1);
  });

  test('restarts at the same address when it is killed, and drivers reconnect', async () => {
    const exits: unknown[] = [];
    const database = await start({ directory: createTemporaryDirectory(), onExit: (cause) => exits.push(cause) });
    const things = await connect(database.url);
    await things.insertOne({ _id: 1 });
    const first = pidOf(database);
    process.kill(first, 'SIGKILL');
    // The driver retries this write after it has reconnected.
    await things.insertOne({ _id: 2 });
    expect(await things.distinct('_id')).toEqual([1, 2]);
    expect(exits).toEqual([{ code: null, signal: 'SIGKILL' }]);
    expect(pidOf(database)).not.toBe(first);
  });

  test('ignores signals while its parent runs', async () => {
    const database = await start({ directory: createTemporaryDirectory() });
    const things = await connect(database.url);
    const pid = pidOf(database);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    await things.insertOne({ _id: 1 });
    expect(pidOf(database)).toBe(pid);
  });

  test.each(['SIGKILL', 'SIGTERM'] as const)('ends without data loss when its parent ends by %s', async (signal) => {
    const directory = createTemporaryDirectory();
    const { owner, url, pid } = await forkOwner(directory);
    await (await connect(url)).insertOne({ _id: 1 });
    owner.kill(signal);
    await once(owner, 'exit');
    await expect.poll(() => isAlive(pid)).toBe(false);
    const again = await start({ directory });
    expect(await (await connect(again.url)).countDocuments()).toBe(1);
  });

  test.each([
    ['the directory', '.', 'SIGKILL'],
    ['its lock', 'lock', 'SIGINT'],
    ['its log', 'data.log', 'SIGTERM'],
    ['its socket', 'db.sock', 'SIGKILL'],
  ] as const)('ends when its parent ends during the start, as soon as there is %s', async (_name, file, signal) => {
    const directory = createTemporaryDirectory();
    const owner = spawnOwner(directory);
    await expect.poll(() => servingPids(directory), { interval: 1 }).toHaveLength(1);
    await expect.poll(() => existsSync(join(directory, file)), { interval: 1 }).toBe(true);
    const exited = once(owner, 'exit');
    if (signal === 'SIGINT') process.kill(-(owner.pid ?? 0), signal);
    else owner.kill(signal);
    await exited;
    await expect.poll(() => servingPids(directory)).toEqual([]);
    const again = await start({ directory });
    expect(await (await connect(again.url)).countDocuments()).toBe(0);
  });

  test('ends immediately without a parent', async () => {
    const directory = createTemporaryDirectory();
    const options = JSON.stringify({ directory, address: { path: join(directory, 'db.sock') } });
    const orphan = spawn(process.execPath, [compiled('src/embedded/process/child.ts'), options], { stdio: 'ignore' });
    onTestFinished(() => {
      orphan.kill('SIGKILL');
    });
    await once(orphan, 'exit');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('reports why it cannot start', async () => {
    const directory = createTemporaryDirectory();
    mkdirSync(join(directory, 'data.log'));
    await expect(startEmbedded({ directory })).rejects.toThrow('EISDIR');
  });

  test('runs standalone on a port with npm run db', async () => {
    const alone = spawn(
      process.execPath,
      [compiled('scripts/db.ts'), '--port', '0', '--data', createTemporaryDirectory()],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => {
      alone.kill('SIGKILL');
    });
    const [url] = (await once(createInterface({ input: alone.stdout }), 'line')) as [string];
    await (await connect(url)).insertOne({ _id: 1 });
    alone.kill('SIGTERM');
    expect(await once(alone, 'exit')).toEqual([0, null]);
  });
});

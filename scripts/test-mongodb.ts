import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { mongo } from 'mongoose';

/*
 * Runs the tests on a real MongoDB: starts a mongod in a temporary directory, initiates a replica set of one node, and sets
 * `TEST_MONGODB_URL`. Arguments go to vitest: `npm run test:mongodb -- test/delivery`.
 */

const ADVICE =
  'The tests on MongoDB need mongod 6.0 or newer. Install it (https://www.mongodb.com/docs/manual/installation/) so that ' +
  'it is on the PATH, or set MONGOD_BINARY to it. Without it, npm test runs on the embedded database.';
const PROJECT = fileURLToPath(new URL('../', import.meta.url));
const REPLICA_SET = 'rs0';
const START_TIMEOUT_MS = 60_000;
const PAUSE_MS = 100;
const ALREADY_INITIALIZED = 23;

/** @throws Error with installation advice when none is found */
function findMongod(): string {
  const binary = process.env['MONGOD_BINARY'] || 'mongod';
  try {
    const [version = ''] = execFileSync(binary, ['--version'], { encoding: 'utf8' }).split('\n');
    process.stderr.write(`${binary}: ${version}\n`);
    return binary;
  } catch {
    throw new Error(`${binary} cannot be run. ${ADVICE}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return address.port;
}

/** Initiates a replica set of one node, and waits until it is primary. */
async function initiate(port: number): Promise<void> {
  const host = `127.0.0.1:${port}`;
  const client = new mongo.MongoClient(`mongodb://${host}/?directConnection=true`, {
    serverSelectionTimeoutMS: START_TIMEOUT_MS,
  });
  try {
    const admin = (await client.connect()).db('admin');
    await admin
      .command({ replSetInitiate: { _id: REPLICA_SET, members: [{ _id: 0, host }] } })
      .catch((error: mongo.MongoServerError) => {
        if (error.code !== ALREADY_INITIALIZED) throw error;
      });
    const giveUpAt = performance.now() + START_TIMEOUT_MS;
    while ((await admin.command({ hello: 1 }))['isWritablePrimary'] !== true) {
      if (performance.now() > giveUpAt) throw new Error('mongod did not become the primary');
      await setTimeout(PAUSE_MS);
    }
  } finally {
    await client.close();
  }
}

async function stop(mongod: ChildProcess): Promise<void> {
  if (mongod.exitCode !== null || mongod.signalCode !== null) return;
  const ended = once(mongod, 'exit');
  mongod.kill('SIGTERM');
  await ended;
}

/** @returns the exit code of the tests */
async function runTests(url: string, args: readonly string[]): Promise<number> {
  const vitest = spawn(process.execPath, [join(PROJECT, 'node_modules/vitest/vitest.mjs'), 'run', ...args], {
    cwd: PROJECT,
    env: { ...process.env, TEST_MONGODB_URL: url },
    stdio: 'inherit',
  });
  const [code] = await once(vitest, 'exit');
  return typeof code === 'number' ? code : 1;
}

async function main(): Promise<number> {
  const binary = findMongod();
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-mongod-'));
  const port = await freePort();
  const log: string[] = [];
  const mongod = spawn(
    binary,
    ['--replSet', REPLICA_SET, '--port', String(port), '--bind_ip', '127.0.0.1', '--dbpath', directory],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const remember = (chunk: Buffer): void => void (log.push(chunk.toString()) > 50 && log.shift());
  mongod.stdout.on('data', remember);
  mongod.stderr.on('data', remember);
  const ended = once(mongod, 'exit').then(() => {
    throw new Error(`mongod ended before the tests:\n${log.join('')}`);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => mongod.kill('SIGTERM'));
  try {
    await Promise.race([initiate(port), ended]);
    const url = `mongodb://127.0.0.1:${port}/?replicaSet=${REPLICA_SET}`;
    return await Promise.race([runTests(url, process.argv.slice(2)), ended]);
  } finally {
    ended.catch(() => undefined);
    await stop(mongod);
    await rm(directory, { recursive: true, force: true });
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);

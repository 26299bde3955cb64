import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressOf, toUrl } from '../../src/embedded/process/address.js';
import { compileSources } from './compiled-sources.js';
import { databasePrefix, dropDatabases, foreignUrl } from './database-server.js';
import { findEmbeddedTests } from './embedded-tests.js';
import { ensureInstalled, programs } from './installed-program.js';
import { compiled, projectDirectory } from './script.js';

const undo: (() => Promise<unknown>)[] = [];

/**
 * Runs once before the suite: finds or installs what the tests need from the machine, compiles the sources for processes
 * of the tests, and starts the database server that all files share.
 */
export async function setup(): Promise<void> {
  process.env['TEST_DATABASE_PREFIX'] = databasePrefix();
  await Promise.all([ensureInstalled(programs.redis), compile()]);
  const foreign = foreignUrl();
  if (foreign === undefined) return startServer();
  // A test file that failed may have left its database.
  undo.push(() => dropDatabases(foreign, (name) => name.startsWith(databasePrefix())));
  const files = await findEmbeddedTests();
  process.stderr.write(`On the embedded database, because they are about it or end it:\n  ${files.join('\n  ')}\n`);
}

/** Runs once after the suite. */
export async function teardown(): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step();
}

/** A run inside another one uses what that has compiled. */
async function compile(): Promise<void> {
  if (process.env['TEST_COMPILED_SOURCES'] !== undefined) return;
  const { directory, remove } = await compileSources();
  undo.push(remove);
  process.env['TEST_COMPILED_SOURCES'] = directory;
}

/** Starts the embedded database of this run. It ends with this process, however that ends. */
async function startServer(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  undo.push(() => rm(directory, { recursive: true, force: true }));
  const address = addressOf(directory);
  const child = fork(compiled('src/embedded/process/child.ts'), [JSON.stringify({ directory, address })], {
    cwd: projectDirectory,
    // As the gateway starts it.
    execArgv: ['--max-semi-space-size=32'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  undo.push(() => stop(child));
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (message?.kind !== 'ready') throw new Error(`the embedded database did not start: ${JSON.stringify(message)}`);
  process.env['TEST_EMBEDDED_URL'] = toUrl(message.address);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.send('stop');
  await ended;
}

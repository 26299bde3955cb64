import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { databasePrefix, dropDatabases, foreignUrl } from './database-server.js';
import { ensureRedisServer } from './redis-server.js';

/** Runs once before the suite: what the tests need from the machine is found or installed here, never skipped. */
export async function setup(): Promise<void> {
  process.env['TEST_DATABASE_PREFIX'] = databasePrefix();
  await ensureRedisServer();
  if (foreignUrl() === undefined) return;
  const files = await embeddedOnly();
  process.stderr.write(`On the embedded database, because they are about it or end it:\n  ${files.join('\n  ')}\n`);
}

/** Test files with tests that `TEST_MONGODB_URL` does not change. */
async function embeddedOnly(): Promise<string[]> {
  const directory = fileURLToPath(new URL('..', import.meta.url));
  const files = (await readdir(directory, { recursive: true })).filter((path) => path.endsWith('.test.ts')).sort();
  const isOnly = async (path: string): Promise<boolean> =>
    path.startsWith('embedded/') || (await readFile(join(directory, path), 'utf8')).includes('startEmbeddedDatabase(');
  const marks = await Promise.all(files.map(isOnly));
  return files.filter((_, index) => marks[index]);
}

/** Runs once after the suite: a test file that failed may have left its database. */
export async function teardown(): Promise<void> {
  const server = foreignUrl();
  if (server !== undefined) await dropDatabases(server, (name) => name.startsWith(databasePrefix()));
}

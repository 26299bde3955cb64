import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDirectory } from '../support/database-content.js';
import { createTemporaryDirectory } from '../support/running-server.js';
import { checkStopped, contentOf, serveInTest } from './served-directory.js';

/** A directory with the files of a small database that was stopped in order. */
export interface SmallDatabase {
  readonly files: ReadonlyMap<string, Buffer>;
  /** What is in it. */
  readonly content: string;
  readonly directory: string;
}

/** Creates collections with documents, changes, deletions, a transaction and several kinds of indexes. */
export async function createSmallDatabase(): Promise<SmallDatabase> {
  const { directory, db, client, stop } = await serveInTest();
  const things = db.collection<{ _id: number; a?: unknown; tags?: unknown }>('things');
  await things.createIndex({ a: 1 }, { unique: true, sparse: true });
  await things.createIndex({ tags: 1, a: -1 });
  await things.insertMany(Array.from({ length: 6 }, (_, _id) => ({ _id, a: _id, tags: [_id, 'x'] })));
  await things.updateOne({ _id: 2 }, { $set: { a: 'two' } });
  await things.deleteOne({ _id: 3 });
  await client.withSession((session) =>
    session.withTransaction(async () => {
      await things.updateOne({ _id: 4 }, { $set: { a: 40 } }, { session });
      await db.collection('others').insertOne({ at: new Date(0) }, { session });
    }),
  );
  await db.collection('dropped').insertOne({ a: 1 });
  await db.collection('dropped').drop();
  await stop();
  const names = readdirSync(directory);
  const files = new Map(names.map((name) => [name, contentOf(directory, name)]));
  return { files, content: readDirectory(directory), directory: createTemporaryDirectory() };
}

/**
 * Checks the database with one file changed.
 * @returns the problems that were found; `'harmless'` when none was found and the content is the same
 * @throws Error when the content is another one and no problem was found
 */
export async function checkDamaged(
  { files, content, directory }: SmallDatabase,
  damaged: string,
  bytes: Buffer | undefined,
): Promise<readonly string[] | 'harmless'> {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
  for (const [name, original] of files) {
    const written = name === damaged ? bytes : original;
    if (written !== undefined) writeFileSync(join(directory, name), written);
  }
  let problems: readonly string[];
  try {
    ({ problems } = await checkStopped(directory));
  } catch (error) {
    problems = [(error as Error).message];
  }
  if (problems.length > 0) return problems;
  if (readDirectory(directory) !== content) throw new Error('no problem was found, but the content is another one');
  return 'harmless';
}

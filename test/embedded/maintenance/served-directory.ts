import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { onTestFinished } from 'vitest';
import { askRunning } from '../../../scripts/db/running.js';
import { type CheckReport, checkSnapshot } from '../../../src/embedded/maintenance/check.js';
import { openSnapshot } from '../../../src/embedded/maintenance/snapshot.js';
import { addressOf, toUrl } from '../../../src/embedded/process/address.js';
import { serveDirectory } from '../../../src/embedded/server/serve-directory.js';
import { createTemporaryDirectory } from '../support/running-server.js';

/** A directory that a database in this process serves. */
export interface ServedDirectory {
  readonly directory: string;
  readonly client: mongo.MongoClient;
  readonly db: mongo.Db;
  /** With a name of a database. */
  url(name: string): string;
  stop(): Promise<void>;
}

/** Serves a directory until the end of the test. */
export async function serveInTest(directory = createTemporaryDirectory()): Promise<ServedDirectory> {
  const problems: string[] = [];
  const server = await serveDirectory({ directory, address: addressOf(directory) }, (problem) =>
    problems.push(problem),
  );
  const client = await new mongo.MongoClient(toUrl(server.address)).connect();
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await client.close();
    await server.stop();
  };
  onTestFinished(stop);
  return { directory, client, db: client.db('test'), url: (name) => toUrl(server.address, name), stop };
}

/** All documents of a directory that no database runs on, as BSON in hex, with the names of their collections. */
export async function readAll(directory: string): Promise<string[]> {
  const served = await serveInTest(directory);
  const found: string[] = [];
  for (const { name } of await served.db.listCollections().toArray()) {
    for (const bytes of await served.db.collection(name).find({}, { raw: true }).toArray()) {
      found.push(`${name} ${Buffer.from(bytes as unknown as Uint8Array).toString('hex')}`);
    }
  }
  await served.stop();
  return found.sort();
}

/** Checks a directory that no database runs on. */
export async function checkStopped(directory: string): Promise<CheckReport> {
  const snapshot = await openSnapshot(directory, askRunning);
  try {
    return await checkSnapshot(snapshot, async () => []);
  } finally {
    snapshot.close();
  }
}

/** The content of a file; empty when it does not exist. */
export function contentOf(directory: string, name: string): Buffer {
  const path = join(directory, name);
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}

import { existsSync, statSync } from 'node:fs';
import type { Collection } from '../../../src/embedded/engine/collection.js';
import { openBackup } from '../../../src/embedded/maintenance/backup-file.js';
import { allCollections } from '../../../src/embedded/maintenance/check.js';
import { loadLog, openSnapshot } from '../../../src/embedded/maintenance/snapshot.js';
import { embeddedDatabase } from '../../../src/platform/mongo/connect.js';
import { askRunning } from '../running.js';

/** All collections at a point in time, in memory. */
export interface Source {
  readonly collections: readonly Collection[];
  /** Whether a database was running on the directory. What it wrote since is not here. */
  readonly isRunning: boolean;
  /** Unlocks the directory. */
  close(): void;
}

/** Databases that belong to the server. */
const INTERNAL: ReadonlySet<string> = new Set(['admin', 'config', 'local']);

/**
 * Reads a directory, or a backup.
 * @throws Error when it is damaged
 */
export async function openSource(path: string): Promise<Source> {
  if (existsSync(path) && statSync(path).isFile()) {
    const backup = await openBackup(path);
    const collections = collectionsOf(backup.log);
    backup.close();
    return { collections, isRunning: false, close: () => {} };
  }
  const snapshot = await openSnapshot(path, askRunning);
  const { review, file, running, close } = snapshot;
  try {
    if (review.isDurableDataLost) throw new Error(`${review.damage}: restore a backup first`);
    return { collections: collectionsOf(file), isRunning: running !== undefined, close };
  } catch (error) {
    close();
    throw error;
  }
}

const collectionsOf = (file: Parameters<typeof loadLog>[0]): Collection[] =>
  allCollections(loadLog(file)).filter(({ database }) => !INTERNAL.has(database));

/**
 * The names of the target's databases by those of the source. The database of the gateway, or the only one, gets the name in
 * the URL, because the gateway will look there.
 */
export function toTargetNames(collections: readonly Collection[], named: string): ReadonlyMap<string, string> {
  const names = [...new Set(collections.map(({ database }) => database))];
  const main = names.length === 1 ? names[0] : embeddedDatabase;
  return new Map(names.map((name) => [name, name === main ? named : name]));
}

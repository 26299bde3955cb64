import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { lockDirectory } from '../store/directory-lock.js';
import { createDiskStorage, syncDirectory } from '../store/disk-storage.js';
import { LOG_NAME } from '../store/log-store.js';
import { copyLog, openBackup, writeBackup, writeFully } from './backup-file.js';
import { type AskRunning, loadLog, openSnapshot } from './snapshot.js';

/** Options of {@link backUp}. */
export interface BackupOptions {
  readonly ask: AskRunning;
  /** Ends the backup and removes what was written. */
  readonly signal?: AbortSignal;
}

/** What {@link backUp} did. */
export interface BackupResult {
  /** The size of the log in the backup. */
  readonly byteLength: number;
  readonly isRunning: boolean;
  /** What a crash left at the end of the log, which the backup omits. */
  readonly note: string | undefined;
}

/**
 * Writes a backup of a directory and verifies it. The file appears complete or not at all, with access for its owner only.
 * A database that runs on the directory continues; it only tells the size of its log.
 * @throws Error when the file exists, or durable data is damaged
 */
export async function backUp(directory: string, path: string, { ask, signal }: BackupOptions): Promise<BackupResult> {
  ensureAbsent(path);
  const snapshot = await openSnapshot(directory, ask);
  const partial = `${path}.partial-${randomBytes(4).toString('hex')}`;
  try {
    const { review, file, running } = snapshot;
    if (review.isDurableDataLost) throw new Error(`${review.damage}: there is nothing whole to back up`);
    await writeBackup(file, partial, signal);
    (await openBackup(partial)).close();
    ensureAbsent(path);
    renameSync(partial, path);
    syncDirectory(dirname(resolve(path)));
    return { byteLength: file.size, isRunning: running !== undefined, note: review.damage };
  } finally {
    snapshot.close();
    rmSync(partial, { force: true });
  }
}

function ensureAbsent(path: string): void {
  if (existsSync(path)) throw new Error(`${path} exists already; choose another name`);
}

/** What {@link restore} did. */
export interface RestoreResult {
  readonly createdAt: Date;
  readonly byteLength: number;
  /** The name of the replaced log. */
  readonly keptAs: string | undefined;
}

/**
 * Restores a backup into a directory. Everything is verified before the log appears there.
 * @param isReplacing - allows a directory that is not empty; its log is kept under another name
 * @throws Error when the backup is damaged, or the directory is not empty or in use
 */
export async function restore(path: string, directory: string, isReplacing: boolean): Promise<RestoreResult> {
  const backup = await openBackup(path);
  try {
    // Finds what a checksum cannot: a backup of data that this version does not understand.
    await loadLog(backup.log).close();
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (readdirSync(directory).length > 0 && !isReplacing) {
      throw new Error(`${directory} is not empty; restore into another directory, or add --replace`);
    }
    const release = lockDirectory(directory);
    try {
      const keptAs = await replaceLog(directory, backup.log);
      return { createdAt: backup.createdAt, byteLength: backup.log.size, keptAs };
    } finally {
      release();
    }
  } finally {
    backup.close();
  }
}

const NEW_NAME = `${LOG_NAME}.restored`;

async function replaceLog(directory: string, log: Parameters<typeof copyLog>[0]): Promise<string | undefined> {
  const storage = createDiskStorage(directory);
  const path = join(directory, NEW_NAME);
  const descriptor = openSync(path, 'w', 0o600);
  try {
    await copyLog(log, (bytes) => writeFully(descriptor, bytes));
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
  const keptAs = existsSync(join(directory, LOG_NAME)) ? `${LOG_NAME}.replaced-${Date.now()}` : undefined;
  // The size record is about the old log.
  storage.sizeRecord.remove();
  // A second name: without a log at any moment, a start would begin an empty one.
  if (keptAs !== undefined) linkSync(join(directory, LOG_NAME), join(directory, keptAs));
  storage.replace(NEW_NAME, LOG_NAME);
  storage.sizeRecord.write(log.size);
  return keptAs;
}

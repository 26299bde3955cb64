import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Document } from '../bson/values.js';
import { Database } from '../engine/database.js';
import { ADDRESS_NAME } from '../server/serve-directory.js';
import { lockDirectory } from '../store/directory-lock.js';
import { createDiskStorage, createPrefix, openLogForReading } from '../store/disk-storage.js';
import { LOG_NAME } from '../store/log-store.js';
import { type LogReview, reviewLog } from '../store/recovery.js';
import type { LogFile } from '../store/storage.js';
import type { ListenAddress } from '../wire/listener.js';

/** The reply of `logSnapshot`. */
export interface RunningSnapshot {
  readonly fileId: string;
  readonly size: number;
  /** What the running database counts in each collection. */
  readonly collections: readonly Document[];
}

/**
 * Asks the database at an address for a snapshot.
 * @returns `undefined` when no database listens there
 */
export type AskRunning = (address: ListenAddress) => Promise<RunningSnapshot | undefined>;

/** All data of a directory at a point in time, as a part of its log that does not change. */
export interface Snapshot {
  readonly file: LogFile;
  readonly review: LogReview;
  readonly isSizeRecordDamaged: boolean;
  /** Absent when no database runs on the directory. */
  readonly running: RunningSnapshot | undefined;
  readonly address: ListenAddress | undefined;
  close(): void;
}

/** The running database can replace its log between the question and the opening of the file. */
const MAX_ATTEMPTS = 5;

/**
 * Opens the data of a directory only for reading, whether or not a database runs on it. A directory without one is locked
 * until the snapshot is closed.
 * @throws Error when the directory has no log, or is in use by a database that does not answer
 */
export async function openSnapshot(directory: string, ask: AskRunning): Promise<Snapshot> {
  const address = readAddress(directory);
  for (let attempt = 0; address && attempt < MAX_ATTEMPTS; attempt += 1) {
    const running = await ask(address).catch((error: Error) => error);
    if (!running) break;
    // The address can be a leftover that something else uses now. Then the directory is not locked.
    if (running instanceof Error) return openStopped(directory, running);
    const file = openLog(directory);
    if (file.id === running.fileId) return toSnapshot(directory, { file, address, running, close: () => file.close() });
    file.close();
  }
  return openStopped(directory);
}

/** @param failure - why the running database did not answer, for a directory that is in use */
function openStopped(directory: string, failure?: Error): Snapshot {
  const release = lockUnlessReadOnly(directory, failure);
  try {
    const file = openLog(directory);
    const close = (): void => {
      file.close();
      release();
    };
    return toSnapshot(directory, { file, close, address: undefined, running: undefined });
  } catch (error) {
    release();
    throw error;
  }
}

/** A read-only copy cannot be in use. */
function lockUnlessReadOnly(directory: string, failure?: Error): () => void {
  try {
    return lockDirectory(directory);
  } catch (error) {
    if (['EROFS', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return () => {};
    throw failure ?? error;
  }
}

function openLog(directory: string): LogFile {
  try {
    return openLogForReading(join(directory, LOG_NAME));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Error(`There is no ${LOG_NAME} in ${directory}`);
    throw error;
  }
}

function readAddress(directory: string): ListenAddress | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, ADDRESS_NAME), 'utf8')) as ListenAddress;
  } catch {
    return undefined;
  }
}

function toSnapshot(
  directory: string,
  { file, ...rest }: Pick<Snapshot, 'file' | 'address' | 'running' | 'close'>,
): Snapshot {
  const recorded = createDiskStorage(directory).sizeRecord.read();
  const recordedSize = recorded === 'damaged' ? undefined : recorded;
  const size = rest.running?.size ?? file.size;
  const whole = createPrefix(file, size);
  // The running database may record a greater size in this moment. It has read and written the log itself.
  const review = reviewLog({ file: whole, name: LOG_NAME, recordedSize: rest.running ? size : recordedSize });
  return {
    ...rest,
    file: createPrefix(file, review.goodSize),
    review,
    isSizeRecordDamaged: !rest.running && recorded === 'damaged',
  };
}

/** Loads the data of a log without damage into memory. Nothing can be written. @throws Error when an entry is invalid */
export const loadLog = (file: LogFile): Database =>
  new Database({
    storage: {
      open: () => ({ ...file, id: file.id, size: file.size, syncNow: () => {}, close: () => {} }),
      replace: failOnWrite,
      remove: () => {},
      saveDamaged: failOnWrite,
      problem: () => undefined,
      sizeRecord: { read: () => undefined, write: () => {}, remove: failOnWrite },
    },
    onProblem: () => {},
  });

function failOnWrite(): never {
  throw new Error('the log is open only for reading');
}

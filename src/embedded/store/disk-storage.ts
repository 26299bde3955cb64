import {
  accessSync,
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createSizeRecord } from './size-record.js';
import type { LogFile, Storage } from './storage.js';

const syncData = promisify(fdatasync);

/** Log files in an existing directory. */
export const createDiskStorage = (directory: string): Storage => ({
  open: (name) => openLogFile(join(directory, name)),
  replace: (from, to) => {
    renameSync(join(directory, from), join(directory, to));
    syncDirectory(directory);
  },
  remove: (name) => rmSync(join(directory, name), { force: true }),
  problem: () => problemOf(directory),
  saveDamaged: (name, bytes) => writeFileSync(join(directory, name), bytes, { mode: 0o600 }),
  sizeRecord: createSizeRecord(directory, () => syncDirectory(directory)),
});

/** Less free space is none: a write would fail. */
const FREE_BYTES_MIN = 64 * 1024;

function problemOf(directory: string): string | undefined {
  try {
    // Fails for root too when the file system is read-only.
    accessSync(directory, constants.W_OK);
    const { blocks, bsize, bavail, bfree } = statfsSync(directory);
    // Some blocks are reserved for root.
    const freeBytes = bsize * (process.getuid?.() === 0 ? bfree : bavail);
    // Some file systems do not tell their size.
    return blocks > 0 && freeBytes < FREE_BYTES_MIN ? 'The disk is full' : undefined;
  } catch (error) {
    return `The data directory cannot be written: ${(error as Error).message}`;
  }
}

/** Syncs a directory. Otherwise a renamed or created file can be lost in a power failure. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Opens a log only for reading. It has the first `size` bytes of the file, all of them by default. */
export function openLogForReading(path: string, size?: number): LogFile {
  const file = toLogFile(openSync(path, 'r'));
  return size === undefined ? file : createPrefix(file, size);
}

/** The first bytes of a log, which never change: a log only grows, and a new log is another file. */
export const createPrefix = (file: LogFile, size: number): LogFile => ({
  ...file,
  id: file.id,
  size: Math.min(size, file.size),
  read: (position, length) => file.read(position, Math.max(0, Math.min(length, size - position))),
});

const openLogFile = (path: string): LogFile => toLogFile(openSync(path, 'a+', 0o600));

function toLogFile(descriptor: number): LogFile {
  const status = fstatSync(descriptor, { bigint: true });
  let size = Number(status.size);
  return {
    id: String(status.ino),
    get size() {
      return size;
    },
    append: (bytes) => {
      for (let offset = 0; offset < bytes.length; ) {
        const written = writeSync(descriptor, bytes, offset, bytes.length - offset);
        offset += written;
        size += written;
      }
    },
    read: (position, length) => {
      const buffer = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const count = readSync(descriptor, buffer, filled, length - filled, position + filled);
        if (count === 0) break;
        filled += count;
      }
      return buffer.subarray(0, filled);
    },
    truncate: (newSize) => {
      ftruncateSync(descriptor, newSize);
      size = newSize;
    },
    sync: () => syncData(descriptor),
    syncNow: () => fdatasyncSync(descriptor),
    close: () => closeSync(descriptor),
  };
}

import { closeSync, constants, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { SizeRecord } from './storage.js';

/** The name of the size record in its directory. */
export const SIZE_RECORD_NAME = 'data.size';
const DIGITS = 16;

/**
 * The size record as a file of one line: the size and a checksum. The line has a fixed length and is written in one call,
 * so a process that is killed leaves the old or the new line.
 */
export function createSizeRecord(directory: string, syncDirectory: () => void): SizeRecord {
  const path = join(directory, SIZE_RECORD_NAME);
  return {
    read() {
      try {
        return toSize(readFileSync(path, 'latin1'));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    write(size) {
      // Without truncation: an interrupted write must not leave an empty file.
      const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
      try {
        writeSync(descriptor, toLine(size), 0, 'latin1');
      } finally {
        closeSync(descriptor);
      }
    },
    remove() {
      rmSync(path, { force: true });
      syncDirectory();
    },
  };
}

function toLine(size: number): string {
  const digits = String(size).padStart(DIGITS, '0');
  return `${digits} ${crc32(digits).toString(16).padStart(8, '0')}\n`;
}

function toSize(line: string): number | 'damaged' {
  const size = Number(line.slice(0, DIGITS));
  return Number.isSafeInteger(size) && toLine(size) === line ? size : 'damaged';
}

import { DatabaseError } from '../errors.js';
import type { LogFile } from './storage.js';

/** Codes of the system for no space: of the disk, of the quota, or up to the largest size of a file. */
const FULL_CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
/** Written after a failure to learn whether writes work again. More than most writes, so that the answer is stable. */
const PROBE = new Uint8Array(64 * 1024);

/** What a command is told of an error of the system. */
export function toWriteError(error: unknown): DatabaseError {
  const { code, message } = error as NodeJS.ErrnoException;
  return FULL_CODES.has(code)
    ? new DatabaseError('OutOfDiskSpace', `The disk is full; the write was undone: ${message}`)
    : new DatabaseError('FileStreamFailed', `The log cannot be written; the write was undone: ${message}`);
}

/**
 * The writes to a file that were written as a whole. A write that fails can leave a torn tail behind them; it must be cut off before
 * the next write.
 */
export class WholeWrites {
  readonly file: LogFile;
  #size: number;

  constructor(file: LogFile) {
    this.file = file;
    this.#size = file.size;
  }

  /** Bytes of the file without a torn tail. */
  get size(): number {
    return this.#size;
  }

  /** @throws DatabaseError */
  append(bytes: Uint8Array): void {
    this.#write(bytes);
    this.#size = this.file.size;
  }

  /** Does nothing when there is none. @throws DatabaseError */
  cutTornTail(): void {
    if (this.file.size === this.#size) return;
    try {
      this.file.truncate(this.#size);
    } catch (error) {
      throw toWriteError(error);
    }
  }

  /** As `cutTornTail`. A tail that cannot be cut off now is left to the next call. */
  tryToCutTornTail(): void {
    try {
      this.cutTornTail();
    } catch {
      // The caller knows already that writes fail.
    }
  }

  /** Writes and removes some bytes. @throws DatabaseError when writes still fail */
  probe(): void {
    this.cutTornTail();
    try {
      this.#write(PROBE);
    } finally {
      this.tryToCutTornTail();
    }
  }

  #write(bytes: Uint8Array): void {
    try {
      this.file.append(bytes);
    } catch (error) {
      throw toWriteError(error);
    }
  }
}

/** A directory of append-only files for the log. Tests use an implementation in memory. */
export interface Storage {
  /** Opens a file for appending and reading, and creates it if it is missing. */
  open(name: string): LogFile;
  /** Renames a finished file over another, atomically and durably. */
  replace(from: string, to: string): void;
  /** Deletes a file if it exists. */
  remove(name: string): void;
  /** Why nothing can be written, as far as the system tells without a write; `undefined`: no such reason. */
  problem(): string | undefined;
  /** Stores bytes that were cut off a damaged file, for manual inspection. */
  saveDamaged(name: string, bytes: Uint8Array): void;
  readonly sizeRecord: SizeRecord;
}

/**
 * The size of the log that is known to be on disk, stored beside it. Without it, a log that was cut between two frames,
 * or damaged in its last frame, looks complete. The record is never greater than what is on disk.
 */
export interface SizeRecord {
  /** @returns `undefined` when there is none, `'damaged'` when it cannot be read */
  read(): number | 'damaged' | undefined;
  write(size: number): void;
  /** Removes it durably. To be called before the log is replaced. */
  remove(): void;
}

/** An append-only file. Methods throw the errors of the system (`error.code` is `ENOSPC`, `EIO`, …). */
export interface LogFile {
  /** Distinguishes the file from one that replaced it under the same name; empty for files in memory. */
  readonly id: string;
  readonly size: number;
  /** Appends all bytes or throws. After an error the file can contain a part of them until it is truncated. */
  append(bytes: Uint8Array): void;
  /** Reads up to `length` bytes from `position`; fewer at the end of the file. */
  read(position: number, length: number): Buffer;
  truncate(size: number): void;
  /** Waits until all appended bytes survive a power failure. */
  sync(): Promise<void>;
  syncNow(): void;
  close(): void;
}

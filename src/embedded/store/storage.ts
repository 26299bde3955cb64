/** Where a log lives: a directory of append-only files. Two kinds exist, on disk and in memory, under one suite. */
export interface Storage {
  /** Opens the file for appending and reading, creating it when missing. */
  open(name: string): LogFile;
  /** Puts a finished file in another's place, atomically and durably. */
  replace(from: string, to: string): void;
  /** Deletes the file if it exists. */
  remove(name: string): void;
  /** Keeps bytes that were cut off a damaged file, for a person to look at. */
  keepAside(name: string, bytes: Uint8Array): void;
}

/** An append-only file. Every method throws what the system says (`error.code` is `ENOSPC`, `EIO`, …). */
export interface LogFile {
  readonly size: number;
  /** Appends all the bytes, or throws; after a throw the file may hold a part of them until it is truncated. */
  append(bytes: Uint8Array): void;
  /** Up to `length` bytes from `position`; fewer at the end of the file. */
  read(position: number, length: number): Buffer;
  truncate(size: number): void;
  /** Waits until what was appended survives a power failure. */
  sync(): Promise<void>;
  syncNow(): void;
  close(): void;
}

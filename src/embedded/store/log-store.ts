import { DatabaseError } from '../errors.js';
import { Compaction } from './compaction.js';
import { encodeFrame } from './frame.js';
import { recover } from './recovery.js';
import type { LogFile, Storage } from './storage.js';
import { toWriteError, WholeWrites } from './whole-writes.js';
import { Batch } from './write-batch.js';

/** The name of the log in its directory. */
export const LOG_NAME = 'data.log';

/** Options of a {@link LogStore}. */
export interface LogOptions {
  readonly storage: Storage;
  /** Cut off damage before durable data instead of refusing to open. */
  readonly isRepairing?: boolean;
  /** A damaged tail was cut off, or a write, sync or compaction failed. */
  onProblem(message: string): void;
  /** Writes began to fail, with the reason, or work again (`undefined`). */
  onWritable?(reason: string | undefined): void;
}

/** A point in time: the first `size` bytes of the file. */
export interface LogSnapshot {
  readonly fileId: string;
  readonly size: number;
}

/** The interval of `fdatasync`, that of mongod's journal. */
const SYNC_INTERVAL_MS = 100;

/**
 * The append-only log.
 *
 * 1. A write changes memory and appends a frame. All frames of one turn of the event loop are written to the file at
 *    once. Replies wait for {@link LogStore.written}.
 * 2. If the write fails, the file is truncated to its previous size and all changes of the turn are undone in reverse
 *    order, so memory never contains what the file does not.
 *    Further writes are tried; {@link LogStore.probe} tells when they work again.
 * 3. The file is synced every 100 ms, and immediately for {@link LogStore.synced}. If a sync fails, the state on disk is
 *    unknown: writes are refused until a compaction has rewritten all data.
 * 4. A compaction copies the current data into a new file, which then replaces the log. Frames that are written meanwhile
 *    go to both files.
 */
export class LogStore {
  readonly #options: LogOptions;
  #writes: WholeWrites;
  #batch: Batch | undefined;
  #durableSize: number;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  #syncFailure: DatabaseError | undefined;
  /** The failure of a write, until a probe succeeds. */
  #writeFailure: DatabaseError | undefined;
  #reported: string | undefined;
  #compaction: Compaction | undefined;
  #isClosed = false;

  private constructor(options: LogOptions, file: LogFile) {
    this.#options = options;
    this.#writes = new WholeWrites(file);
    this.#durableSize = file.size;
  }

  /**
   * Opens the log and visits its payloads.
   * @throws DatabaseError when durable data is damaged and `isRepairing` is not set
   */
  static open(options: LogOptions, visit: (payload: Buffer) => void): LogStore {
    const { storage } = options;
    Compaction.discard(storage);
    const file = storage.open(LOG_NAME);
    recover(file, { ...options, name: LOG_NAME }, visit);
    // What a killed process wrote may not have reached the disk yet.
    file.syncNow();
    const log = new LogStore(options, file);
    log.#recordSize();
    return log;
  }

  /** Writes everything that was appended, and identifies the file and its size now. Those bytes never change. */
  snapshot(): LogSnapshot {
    this.flush();
    return { fileId: this.#file.id, size: this.#writes.size };
  }

  get size(): number {
    return this.#file.size;
  }

  get #file(): LogFile {
    return this.#writes.file;
  }

  /** Whether writes are refused until a compaction succeeds. */
  get needsRewrite(): boolean {
    return this.#syncFailure !== undefined;
  }

  /** After a failed write, writes and removes some bytes, and reports when that works. Called periodically. */
  probe(): void {
    if (this.#writeFailure === undefined || this.#isClosed || this.#batch !== undefined) return;
    try {
      this.#writes.probe();
      this.#writeFailure = undefined;
    } catch (error) {
      this.#writeFailure = error as DatabaseError;
    }
    this.#report();
  }

  get isCompacting(): boolean {
    return this.#compaction !== undefined;
  }

  /** Must be called before memory is changed. @throws DatabaseError when writes are refused */
  ensureWritable(): void {
    if (this.#isClosed) throw new DatabaseError('ShutdownInProgress', 'The database is shutting down');
    if (this.#syncFailure) throw this.#syncFailure;
    this.#writes.cutTornTail();
  }

  /**
   * Appends a frame for a change that was just made in memory.
   * @param undo - reverts the change in memory; called when the frame cannot be written
   */
  append(payload: readonly Uint8Array[], undo: () => void): void {
    if (!this.#batch) {
      this.#batch = new Batch();
      setImmediate(() => this.flush());
    }
    this.#batch.add(encodeFrame(payload, this.#durableSize), undo);
  }

  /** Waits until all appended frames are in the file, where they survive the end of this process. */
  written(): Promise<void> | undefined {
    return this.#batch?.written;
  }

  /** Waits until all appended frames are on disk, where they survive a power failure. */
  async synced(): Promise<void> {
    await this.written();
    const file = this.#file;
    const size = this.#writes.size;
    // A sync in progress may have started before the frames were written. A compaction has synced the file it adopts.
    while (file === this.#file && this.#durableSize < size && !this.#syncFailure) {
      await (this.#syncing ?? this.#sync());
    }
    if (this.#syncFailure) throw this.#syncFailure;
  }

  /** Writes the frames of this turn of the event loop. */
  flush(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    const bytes = batch.toBytes();
    try {
      this.#writes.append(bytes);
    } catch (error) {
      this.#undoChange(batch, error as DatabaseError);
      return;
    }
    this.#mirror(bytes);
    this.#syncTimer ??= setTimeout(() => this.#syncInBackground(), SYNC_INTERVAL_MS);
    batch.succeed();
  }

  /**
   * Writes the current data to a new log that replaces the old one.
   * @param payloads - payloads that reproduce the current state; read lazily while writers continue
   * @returns whether it succeeded; on failure the old log stays in use
   */
  async compact(payloads: Iterable<readonly Uint8Array[]>): Promise<boolean> {
    if (this.#compaction || this.#isClosed) return false;
    try {
      const compaction = new Compaction(this.#options.storage);
      this.#compaction = compaction;
      await compaction.copy(payloads);
      // The flush can fail and undo changes that the copy contains.
      if (!compaction.isAbandoned) this.flush();
      if (compaction.isAbandoned) return false;
      // The record is about the old log.
      this.#options.storage.sizeRecord.remove();
      this.#adopt(compaction.replace(LOG_NAME));
      return true;
    } catch (error) {
      this.#abandonCompaction();
      this.#options.onProblem(`compaction failed, the old log stays in use: ${(error as Error).message}`);
      return false;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    clearTimeout(this.#syncTimer);
    this.#abandonCompaction();
    await this.#syncing;
    this.#file.syncNow();
    if (!this.#syncFailure) {
      this.#durableSize = this.#writes.size;
      this.#recordSize();
    }
    this.#file.close();
  }

  #recordSize(): void {
    try {
      this.#options.storage.sizeRecord.write(this.#durableSize);
    } catch (error) {
      // An older, smaller record is still true.
      this.#options.onProblem(`the size of the log was not recorded: ${(error as Error).message}`);
    }
  }

  #adopt(file: LogFile): void {
    this.#compaction = undefined;
    const old = this.#file;
    this.#writes = new WholeWrites(file);
    this.#durableSize = file.size;
    this.#syncFailure = undefined;
    this.#recordSize();
    this.#report();
    // A sync of the old file may be in progress in another thread.
    void (this.#syncing ?? Promise.resolve()).finally(() => old.close());
  }

  #abandonCompaction(): void {
    this.#compaction?.abandon();
    this.#compaction = undefined;
  }

  #mirror(bytes: Uint8Array): void {
    try {
      this.#compaction?.append(bytes);
    } catch (error) {
      this.#abandonCompaction();
      this.#options.onProblem(`compaction failed, the old log stays in use: ${(error as Error).message}`);
    }
  }

  #undoChange(batch: Batch, error: DatabaseError): void {
    // The copy may contain changes that are now undone.
    this.#abandonCompaction();
    batch.fail(error);
    this.#writes.tryToCutTornTail();
    this.#options.onProblem(error.message);
    this.#writeFailure = error;
    this.#report();
  }

  /** Reports a change between writes that work and writes that fail. */
  #report(): void {
    const reason = (this.#syncFailure ?? this.#writeFailure)?.message;
    if ((reason === undefined) === (this.#reported === undefined)) return;
    this.#reported = reason;
    this.#options.onWritable?.(reason);
  }

  #syncInBackground(): void {
    this.#syncTimer = undefined;
    void this.#sync();
  }

  #sync(): Promise<void> {
    this.#syncing ??= this.#syncFile(this.#file).finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  async #syncFile(file: LogFile): Promise<void> {
    // A torn tail behind it will be cut off.
    const size = this.#writes.size;
    try {
      await file.sync();
      if (file !== this.#file) return;
      this.#durableSize = Math.max(this.#durableSize, size);
      this.#recordSize();
    } catch (error) {
      if (file !== this.#file) return;
      this.#syncFailure = toWriteError(error);
      this.#options.onProblem(`${this.#syncFailure.message}; writes are refused until the log is rewritten`);
      this.#report();
    }
  }
}

import { DatabaseError } from '../errors.js';
import { Compaction } from './compaction.js';
import { encodeFrame } from './frame.js';
import { recover } from './recovery.js';
import type { LogFile, Storage } from './storage.js';
import { Batch } from './write-batch.js';

const LOG_NAME = 'data.log';

/** What the log tells about itself; none of it is needed for its work. */
export interface LogEvents {
  /** A tail was cut off, or a write, sync or compaction failed. */
  onProblem(message: string): void;
}

export interface LogOptions extends LogEvents {
  readonly storage: Storage;
  /** How often written data is forced to disk. mongod's journal does it every 100 ms. */
  readonly syncIntervalMs?: number;
  /** Cut damaged data that had been promised, instead of refusing to open. */
  readonly isRepairing?: boolean;
}

function toWriteError(error: unknown): DatabaseError {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new DatabaseError('OutOfDiskSpace', `The disk is full; the write was not done: ${message}`)
    : new DatabaseError('InternalError', `The log cannot be written; the write was not done: ${message}`);
}

/**
 * The append-only log.
 *
 * 1. A write changes memory and appends a frame. All frames of one turn of the event loop go to the file in one write,
 *    and {@link LogStore.written} then lets their replies out.
 * 2. When that write fails, the file is cut back to where it was and every change of the turn is undone, last first:
 *    memory never holds what the file does not.
 * 3. Written data is forced to disk every 100 ms, and at once for whoever waits for {@link LogStore.synced}. When that
 *    fails, nobody knows what is on disk: writes are refused until a compaction has written all of it anew.
 * 4. Compaction copies the living data into a new file, which takes the old one's place; frames written meanwhile go to
 *    both.
 */
export class LogStore {
  readonly #storage: Storage;
  readonly #events: LogEvents;
  readonly #syncIntervalMs: number;
  #file: LogFile;
  #batch: Batch | undefined;
  #durableSize: number;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  #syncFailure: DatabaseError | undefined;
  /** Bytes of a failed write that could not be cut off yet. */
  #hasTornTail = false;
  #goodSize: number;
  #compaction: Compaction | undefined;
  #isClosed = false;

  private constructor(options: LogOptions, file: LogFile) {
    this.#storage = options.storage;
    this.#events = options;
    this.#syncIntervalMs = options.syncIntervalMs ?? 100;
    this.#file = file;
    this.#durableSize = file.size;
    this.#goodSize = file.size;
  }

  /**
   * Opens the log and hands over what it holds.
   * @throws DatabaseError when data that had been on disk is damaged, and `isRepairing` is not set
   */
  static open(options: LogOptions, visit: (payload: Buffer) => void): LogStore {
    const { storage } = options;
    Compaction.discard(storage);
    const file = storage.open(LOG_NAME);
    recover(file, { ...options, name: LOG_NAME }, visit);
    return new LogStore(options, file);
  }

  get size(): number {
    return this.#file.size;
  }

  /** Whether only a compaction can bring the log back. */
  get needsRewrite(): boolean {
    return this.#syncFailure !== undefined;
  }

  get isCompacting(): boolean {
    return this.#compaction !== undefined;
  }

  /** @throws DatabaseError when no write can be taken now; memory must not be changed then. */
  ensureWritable(): void {
    if (this.#isClosed) throw new DatabaseError('ShutdownInProgress', 'The database is shutting down');
    if (this.#syncFailure) throw this.#syncFailure;
    if (this.#hasTornTail) this.#cutTornTail();
  }

  /**
   * Appends a frame. The change it records has just been made in memory.
   * @param undo - takes the change back; called when the frame could not be written
   */
  append(payload: readonly Uint8Array[], undo: () => void): void {
    if (!this.#batch) {
      this.#batch = new Batch();
      setImmediate(() => this.flush());
    }
    this.#batch.add(encodeFrame(payload, this.#durableSize), undo);
  }

  /** Waits until all that was appended is in the file (and survives the end of this process). */
  written(): Promise<void> | undefined {
    return this.#batch?.written;
  }

  /** Waits until all that was appended is on disk (and survives a power failure). */
  async synced(): Promise<void> {
    await this.written();
    const size = this.#file.size;
    // A sync that is under way may have begun before our bytes were written.
    while (this.#durableSize < size && !this.#syncFailure) await (this.#syncing ?? this.#sync());
    if (this.#syncFailure) throw this.#syncFailure;
  }

  /** Writes what the turn has gathered. */
  flush(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    const bytes = batch.toBytes();
    try {
      this.#file.append(bytes);
    } catch (error) {
      this.#takeBack(batch, toWriteError(error));
      return;
    }
    this.#goodSize = this.#file.size;
    this.#mirror(bytes);
    this.#syncTimer ??= setTimeout(() => this.#syncInBackground(), this.#syncIntervalMs);
    batch.succeed();
  }

  /**
   * Writes the living data into a new log and takes the old one's place.
   * @param payloads - frames that together make the present state; read lazily, while writers go on
   * @returns whether it succeeded; on a failure the old log stays in use
   */
  async compact(payloads: Iterable<readonly Uint8Array[]>): Promise<boolean> {
    if (this.#compaction || this.#isClosed) return false;
    try {
      const compaction = new Compaction(this.#storage);
      this.#compaction = compaction;
      await compaction.copy(payloads);
      // The flush may fail, and undo changes that the copy holds.
      if (!compaction.isAbandoned) this.flush();
      if (compaction.isAbandoned) return false;
      this.#adopt(compaction.replace(LOG_NAME));
      return true;
    } catch (error) {
      this.#abandonCompaction();
      this.#events.onProblem(`compaction failed, the old log stays in use: ${(error as Error).message}`);
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
    this.#file.close();
  }

  #adopt(file: LogFile): void {
    this.#compaction = undefined;
    const old = this.#file;
    this.#file = file;
    this.#durableSize = file.size;
    this.#goodSize = file.size;
    this.#hasTornTail = false;
    this.#syncFailure = undefined;
    // A sync of the old file may still be under way in another thread.
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
      this.#events.onProblem(`compaction gave up, the old log stays in use: ${(error as Error).message}`);
    }
  }

  #takeBack(batch: Batch, error: DatabaseError): void {
    this.#hasTornTail = this.#file.size > this.#goodSize;
    // What is being copied may already hold changes that are now undone.
    this.#abandonCompaction();
    batch.fail(error);
    try {
      if (this.#hasTornTail) this.#cutTornTail();
    } catch {
      // Tried again before the next write.
    }
    this.#events.onProblem(error.message);
  }

  #cutTornTail(): void {
    try {
      this.#file.truncate(this.#goodSize);
      this.#hasTornTail = false;
    } catch (error) {
      throw toWriteError(error);
    }
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
    const size = file.size;
    try {
      await file.sync();
      if (file === this.#file) this.#durableSize = Math.max(this.#durableSize, size);
    } catch (error) {
      if (file !== this.#file) return;
      this.#syncFailure = toWriteError(error);
      this.#events.onProblem(`${this.#syncFailure.message}; the data is written anew`);
    }
  }
}

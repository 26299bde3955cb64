import { encodeFrame } from './frame.js';
import type { LogFile, Storage } from './storage.js';

const NAME = 'data.log.new';
const CHUNK_BYTES = 1024 * 1024;

/**
 * The new log during a compaction. It receives the current data, copied in chunks between commands, and every frame
 * that is written meanwhile. Frames contain the new state of documents, so it is harmless if a chunk contains it already.
 */
export class Compaction {
  readonly #storage: Storage;
  readonly #file: LogFile;
  #isAbandoned = false;

  constructor(storage: Storage) {
    Compaction.discard(storage);
    this.#storage = storage;
    this.#file = storage.open(NAME);
  }

  /** Removes the file of an unfinished compaction. The old log is complete. */
  static discard(storage: Storage): void {
    storage.remove(NAME);
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Copies the current data and syncs it. Ends early when the compaction is abandoned. */
  async copy(payloads: Iterable<readonly Uint8Array[]>): Promise<void> {
    let chunk: Buffer[] = [];
    let chunkBytes = 0;
    for (const payload of payloads) {
      const frame = encodeFrame(payload, 0);
      chunk.push(frame);
      chunkBytes += frame.length;
      if (chunkBytes < CHUNK_BYTES) continue;
      this.append(Buffer.concat(chunk));
      chunk = [];
      chunkBytes = 0;
      await new Promise(setImmediate);
      if (this.#isAbandoned) return;
    }
    this.append(Buffer.concat(chunk));
    await this.#file.sync();
  }

  /** Appends bytes that were written to the old log. */
  append(bytes: Uint8Array): void {
    this.#file.append(bytes);
  }

  /** Atomically replaces the old log. @returns the file of the new log */
  replace(name: string): LogFile {
    this.#file.syncNow();
    this.#storage.replace(NAME, name);
    return this.#file;
  }

  abandon(): void {
    if (this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.#file.close();
    Compaction.discard(this.#storage);
  }
}

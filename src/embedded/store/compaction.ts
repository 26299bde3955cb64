import { encodeFrame } from './frame.js';
import type { LogFile, Storage } from './storage.js';

const NAME = 'data.log.new';
const CHUNK_BYTES = 1024 * 1024;

/**
 * The log's successor while it is being written: the living data, copied chunk by chunk between commands, and every
 * frame that is written meanwhile. A frame says "this document is now so", hence it does no harm that a chunk already
 * knew it.
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

  /** Removes what a compaction left that did not finish: the old log is still the whole truth. */
  static discard(storage: Storage): void {
    storage.remove(NAME);
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Copies the living data and forces it to disk; ends early once it is abandoned. */
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

  /** Takes in what was written to the old log. */
  append(bytes: Uint8Array): void {
    this.#file.append(bytes);
  }

  /** Puts the new log in the old one's place. @returns the file, which is now the log's */
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

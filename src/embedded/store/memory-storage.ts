import type { LogFile, Storage } from './storage.js';

/** Creates a storage that is gone with the process: for tests of applications. */
export function createMemoryStorage(): Storage {
  const files = new Map<string, MemoryFile>();
  return {
    open(name) {
      const file = files.get(name) ?? new MemoryFile();
      files.set(name, file);
      return file;
    },
    replace(from, to) {
      const file = files.get(from);
      if (file !== undefined) files.set(to, file);
      files.delete(from);
    },
    remove: (name) => void files.delete(name),
    problem: () => undefined,
    saveDamaged: () => {},
    sizeRecord: { read: () => undefined, write: () => {}, remove: () => {} },
  };
}

/** Bytes that grow by doubling. Like an open descriptor, a file keeps its content when it is renamed. */
class MemoryFile implements LogFile {
  readonly id = '';
  #bytes = Buffer.allocUnsafe(4096);
  size = 0;

  append(bytes: Uint8Array): void {
    const needed = this.size + bytes.length;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.size);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.size);
    this.size = needed;
  }

  read(position: number, length: number): Buffer {
    return Buffer.from(this.#bytes.subarray(position, Math.min(position + length, this.size)));
  }

  truncate(size: number): void {
    this.size = size;
  }

  async sync(): Promise<void> {}

  syncNow(): void {}

  close(): void {}
}

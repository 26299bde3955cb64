import type { LogFile, Storage } from '../../../src/embedded/store/storage.js';

/** A storage in memory that can simulate a full disk and failing syncs. */
export interface MemoryStorage extends Storage {
  readonly files: Map<string, Buffer>;
  /** The free space. An append that exceeds it writes a part and throws `ENOSPC`, like a disk. */
  roomBytes: number;
  /** The error with which `sync` fails. */
  syncError: Error | undefined;
  /** What the size record holds. It belongs to the storage, not to `files`. */
  recordedSize: number | 'damaged' | undefined;
}

/** Creates a storage in memory. Another storage with the same `files` simulates a restart. */
export function createMemoryStorage(files = new Map<string, Buffer>()): MemoryStorage {
  const storage: MemoryStorage = {
    files,
    roomBytes: Number.POSITIVE_INFINITY,
    syncError: undefined,
    recordedSize: undefined,
    open: (name) => openMemoryFile(storage, name),
    replace: (from, to) => {
      files.set(to, files.get(from) ?? Buffer.alloc(0));
      files.delete(from);
    },
    remove: (name) => {
      files.delete(name);
    },
    problem: () => undefined,
    saveDamaged: (name, bytes) => {
      files.set(name, Buffer.from(bytes));
    },
    sizeRecord: {
      read: () => storage.recordedSize,
      write: (size) => {
        storage.recordedSize = size;
      },
      remove: () => {
        storage.recordedSize = undefined;
      },
    },
  };
  return storage;
}

function openMemoryFile(storage: MemoryStorage, openedAs: string): LogFile {
  const { files } = storage;
  let content = files.get(openedAs) ?? Buffer.alloc(0);
  files.set(openedAs, content);
  // Like an open descriptor, the file keeps its content when it is renamed.
  const update = (next: Buffer): void => {
    for (const [name, held] of files) if (held === content) files.set(name, next);
    content = next;
  };
  const sync = (): void => {
    if (storage.syncError) throw storage.syncError;
  };
  return {
    id: '',
    get size() {
      return content.length;
    },
    append: (bytes) => {
      const fitting = Math.min(bytes.length, storage.roomBytes);
      storage.roomBytes -= fitting;
      update(Buffer.concat([content, bytes.subarray(0, fitting)]));
      if (fitting < bytes.length) {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      }
    },
    read: (position, length) => Buffer.from(content.subarray(position, position + length)),
    truncate: (size) => {
      storage.roomBytes += content.length - size;
      update(content.subarray(0, size));
    },
    sync: async () => sync(),
    syncNow: sync,
    close: () => {},
  };
}

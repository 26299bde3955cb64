import type { LogFile, Storage } from '../../../src/embedded/store/storage.js';

/** A storage without a disk, whose room can be taken away: what "disk full" is tried on. */
export interface MemoryStorage extends Storage {
  readonly files: Map<string, Buffer>;
  /** How many more bytes fit; beyond it an append writes what fits and throws `ENOSPC`, as a disk does. */
  roomBytes: number;
  /** The next calls of `sync` reject with this. */
  syncError: Error | undefined;
}

/** Keeps files in memory; another storage over the same `files` sees what a restarted process would. */
export function createMemoryStorage(files = new Map<string, Buffer>()): MemoryStorage {
  const storage: MemoryStorage = {
    files,
    roomBytes: Number.POSITIVE_INFINITY,
    syncError: undefined,
    open: (name) => openMemoryFile(storage, name),
    replace: (from, to) => {
      files.set(to, files.get(from) ?? Buffer.alloc(0));
      files.delete(from);
    },
    remove: (name) => {
      files.delete(name);
    },
    saveDamaged: (name, bytes) => {
      files.set(name, Buffer.from(bytes));
    },
  };
  return storage;
}

function openMemoryFile(storage: MemoryStorage, openedAs: string): LogFile {
  const { files } = storage;
  let content = files.get(openedAs) ?? Buffer.alloc(0);
  files.set(openedAs, content);
  // A file keeps its content under whatever name it has now, as an open descriptor does.
  const update = (next: Buffer): void => {
    for (const [name, held] of files) if (held === content) files.set(name, next);
    content = next;
  };
  const sync = (): void => {
    if (storage.syncError) throw storage.syncError;
  };
  return {
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

import { rmSync } from 'node:fs';
import { lockDirectory } from '../store/directory-lock.js';
import { createDiskStorage } from '../store/disk-storage.js';
import type { ListenAddress } from '../wire/listener.js';
import { type RunningServer, startServer } from './database-server.js';

/** What is to be served, and where. */
export interface ServeOptions {
  readonly directory: string;
  readonly address: ListenAddress;
  readonly syncIntervalMs?: number;
  readonly expiryIntervalMs?: number;
  readonly isRepairing?: boolean;
}

/** Opens a directory and serves it; the one owner of the directory until it is stopped. */
export async function serveDirectory(
  { directory, ...options }: ServeOptions,
  onProblem: (message: string) => void,
): Promise<RunningServer> {
  const release = lockDirectory(directory);
  try {
    // Nobody else owns the directory, so a socket in it was left by a process that was killed.
    if ('path' in options.address) rmSync(options.address.path, { force: true });
    const server = await startServer({ ...options, storage: createDiskStorage(directory), onProblem });
    return {
      address: server.address,
      stop: async () => {
        await server.stop();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

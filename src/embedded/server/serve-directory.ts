import { rmSync } from 'node:fs';
import { lockDirectory } from '../store/directory-lock.js';
import { createDiskStorage } from '../store/disk-storage.js';
import type { ListenAddress } from '../wire/listener.js';
import { type RunningServer, startServer } from './database-server.js';

/** Options of {@link serveDirectory}. */
export interface ServeOptions {
  readonly directory: string;
  readonly address: ListenAddress;
  readonly syncIntervalMs?: number;
  readonly expiryIntervalMs?: number;
  readonly isRepairing?: boolean;
}

/** Locks and opens a data directory, and serves it until the server is stopped. */
export async function serveDirectory(
  { directory, ...options }: ServeOptions,
  onProblem: (message: string) => void,
  onStorage?: (problem: string | undefined) => void,
): Promise<RunningServer> {
  const release = lockDirectory(directory);
  try {
    // This process owns the directory, so an existing socket is a leftover of a killed process.
    if ('path' in options.address) rmSync(options.address.path, { force: true });
    const storage = createDiskStorage(directory);
    const server = await startServer({ ...options, storage, onProblem, ...(onStorage && { onStorage }) });
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

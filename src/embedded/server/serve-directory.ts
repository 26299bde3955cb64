import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockDirectory } from '../store/directory-lock.js';
import { createDiskStorage } from '../store/disk-storage.js';
import type { ListenAddress } from '../wire/listener.js';
import { type RunningServer, startServer } from './database-server.js';

/** The file with the address of the running server, for backups and checks. Without the lock it is a leftover. */
export const ADDRESS_NAME = 'address';

/** Options of {@link serveDirectory}. */
export interface ServeOptions {
  readonly directory: string;
  readonly address: ListenAddress;
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
    const addressPath = join(directory, ADDRESS_NAME);
    try {
      writeFileSync(addressPath, JSON.stringify(server.address), { mode: 0o600 });
    } catch (error) {
      onProblem(`backups are not possible while this process runs: ${(error as Error).message}`);
    }
    return {
      address: server.address,
      stop: async () => {
        await server.stop();
        rmSync(addressPath, { force: true });
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

import { chmodSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { addressOf, toUrl } from './process/address.js';
import { type ChildExit, type EmbeddedLogger, launch } from './process/launcher.js';

/** Options of {@link startEmbedded}. */
export interface EmbeddedOptions {
  /** The data directory. It is created if it does not exist, with access for its owner only. */
  readonly directory: string;
  /** The default database in the URL. Without it, drivers use `test`. */
  readonly database?: string;
  readonly logger?: EmbeddedLogger;
  /** Called when the database process ended unexpectedly. It is restarted with the same URL. */
  readonly onExit?: (exit: ChildExit) => void;
  /** Writes began to fail, with the reason (a full, read-only or failing disk), or work again (`undefined`). */
  readonly onStorage?: (problem: string | undefined) => void;
}

/** A running embedded database. */
export interface EmbeddedDatabase {
  /** The URL for `mongoose.connect` or `new MongoClient`. */
  readonly url: string;
  /** The pid of the database process; undefined while it restarts. */
  readonly pid: number | undefined;
  /** Finishes all writes and ends the process. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded database in a child process. The child ends when this process ends, however it ends.
 * @throws Error when another process uses the directory (`code` DIRECTORY_IN_USE), with the `code` of the system when the
 *   directory cannot be used (`EROFS`, `ENOSPC` …), or when the data cannot be read
 */
export async function startEmbedded({ directory, database, ...options }: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const path = resolve(directory);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  const launcher = await launch({ ...options, directory: path, address: addressOf(path) });
  return {
    url: toUrl(launcher.address, database),
    get pid() {
      return launcher.pid;
    },
    stop: () => launcher.stop(),
  };
}

/**
 * Starts an embedded database in this process whose data is in memory alone: for tests of applications. Several can run in
 * one process.
 */
export async function startInMemory({
  database,
  logger,
}: Pick<EmbeddedOptions, 'database' | 'logger'>): Promise<EmbeddedDatabase> {
  // A gateway with data on disk does not load the database into its own process.
  const { launchInMemory } = await import('./process/in-memory.js');
  return launchInMemory(database, logger);
}

import { chmodSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { addressOf, toUrl } from './process/address.js';
import { type EmbeddedLogger, launch } from './process/launcher.js';

export type { EmbeddedLogger } from './process/launcher.js';

/** Where the data is, how it is kept, and who hears of it. */
export interface EmbeddedOptions {
  /** Where the data lives; made if it does not exist, readable by its owner alone. */
  readonly directory: string;
  /** The database a driver uses when it names none; the driver's own default is `test`. */
  readonly database?: string;
  readonly logger?: EmbeddedLogger;
  /** How often written data is forced to disk, 100 by default; what is lost in a power failure at most. */
  readonly syncIntervalMs?: number;
  /** How often documents with a time to live are looked through, 60,000 by default. */
  readonly expiryIntervalMs?: number;
  /** Cut damaged data that had been on disk instead of refusing to open it. */
  readonly isRepairing?: boolean;
  /** Called when the database's process died; it is started again at the same URL. */
  readonly onExit?: (cause: { code: number | null; signal: NodeJS.Signals | null }) => void;
}

/** A database that runs. */
export interface EmbeddedDatabase {
  /** For `mongoose.connect` or `new MongoClient`. */
  readonly url: string;
  /** Of the process that serves; undefined while it is being started again. */
  readonly pid: number | undefined;
  /** Writes what is owed and ends the process. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded database in a process of its own, which ends when this one ends, however it ends.
 * @throws Error when the directory belongs to another process (naming its pid), or its data cannot be read
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

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedDatabase, startEmbedded } from '../../src/embedded/index.js';

/** An empty database of a test's own. */
export interface EmbeddedTestDatabase extends Pick<EmbeddedDatabase, 'url' | 'pid'> {
  /** Of its data. */
  readonly directory: string;
  /** Ends its process; the data stays. */
  kill(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** Starts an embedded database, for tests of what only this one does or what a proxy makes of it. */
export async function startEmbeddedDatabase(name = 'general-socket'): Promise<EmbeddedTestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const database = await startEmbedded({ directory, database: name });
  return {
    directory,
    url: database.url,
    get pid() {
      return database.pid;
    },
    kill: () => database.stop(),
    async stop() {
      await database.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

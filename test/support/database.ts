import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectionString } from 'mongodb-connection-string-url';
import { createConnection, mongo } from 'mongoose';
import { defineModels } from '#shared/models/index.js';
import type { EmbeddedDatabase, EmbeddedOptions } from '../../src/embedded/index.js';
import { createConnectionType } from '../../src/library-internals/mongodb-connection.js';
import { reviewIndexes } from '../../src/platform/mongo/indexes/index.js';
import type { WantedIndex } from '../../src/platform/mongo/indexes/wanted.js';
import { databasePrefix, dropDatabases, serverUrl } from './database-server.js';
import { importCompiled } from './script.js';

/** An empty database of a test's own. */
export interface TestDatabase {
  readonly url: string;
  /** Removes it with everything in it. */
  stop(): Promise<void>;
}

/** Creates a database with all indexes on the server of the run. */
export async function startDatabase(): Promise<TestDatabase> {
  const server = serverUrl();
  // Servers bound the length of names.
  const name = `${databasePrefix()}${randomUUID().slice(0, 13)}`;
  const url = new ConnectionString(server);
  url.pathname = `/${name}`;
  // Without it the driver looks for the users of the URL in this database.
  if (url.username !== '' && !url.searchParams.has('authSource')) url.searchParams.set('authSource', 'admin');
  await applyIndexes(url.toString());
  return { url: url.toString(), stop: () => dropDatabases(server, (other) => other === name) };
}

/** What {@link applyIndexes} creates. The same for every database, and a tenth of a second of CPU. */
let wanted: readonly WantedIndex[] | undefined;

/** Creates every index that the gateway uses, also those of the platform, in a new database. */
async function applyIndexes(url: string): Promise<void> {
  wanted ??= await findWanted(url);
  const collections = new Map<string, mongo.IndexDescription[]>();
  for (const { collection, key, name, options } of wanted) {
    collections.set(collection, [...(collections.get(collection) ?? []), { key, name, ...options } as never]);
  }
  const client = await new mongo.MongoClient(url).connect();
  try {
    await Promise.all([...collections].map(([name, indexes]) => client.db().collection(name).createIndexes(indexes)));
  } finally {
    await client.close();
  }
}

/** The indexes that a new database lacks: all of them. */
async function findWanted(url: string): Promise<readonly WantedIndex[]> {
  const connection = await createConnection(url, { autoIndex: false }).asPromise();
  try {
    return (await reviewIndexes(connection, { models: defineModels(connection), ownsAll: true })).missing;
  } finally {
    await connection.close();
  }
}

/** Starts an embedded database whose process loads compiled sources. */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const embedded = await importCompiled<typeof import('../../src/embedded/index.js')>('src/embedded/index.ts');
  return embedded.startEmbedded(options);
}

/**
 * Options of a connection on which tests send commands while a database is killed. With the driver's own connections a command
 * that is being written at this moment may never settle.
 */
export const survivingOptions = { connectionType: createConnectionType({ maxTimeMs: 60_000 }) };

/** An embedded database, which can be killed. */
export interface EmbeddedTestDatabase extends TestDatabase, Pick<EmbeddedDatabase, 'pid'> {
  /** Of its data. */
  readonly directory: string;
  /** Ends its process; the data stays. */
  kill(): Promise<void>;
  /** Starts it again after {@link EmbeddedTestDatabase.kill}, at the same URL. */
  restart(): Promise<void>;
}

/**
 * Starts an embedded database whatever the other tests run on: for tests of what only this one does, of its process, and of
 * what a proxy makes of it.
 */
export async function startEmbeddedDatabase(): Promise<EmbeddedTestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const start = (): Promise<EmbeddedDatabase> => startEmbedded({ directory, database: 'general-socket' });
  let database = await start();
  await applyIndexes(database.url);
  return {
    directory,
    // The driver looks for the restarted server sooner than after 500 ms, which tests would wait for.
    url: `${database.url}&minHeartbeatFrequencyMS=50`,
    get pid() {
      return database.pid;
    },
    kill: () => database.stop(),
    async restart() {
      database = await start();
    },
    async stop() {
      await database.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

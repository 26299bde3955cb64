import { mongo } from 'mongoose';

/** The server that tests run on instead of the embedded database. */
export const foreignUrl = (): string | undefined => process.env['TEST_MONGODB_URL'] || undefined;

/**
 * The server on which tests create their databases: that of `TEST_MONGODB_URL`, or the embedded one that the global setup
 * starts for the run. One process for all files, because starting it costs about a second of CPU.
 */
export function serverUrl(): string {
  const url = foreignUrl() ?? process.env['TEST_EMBEDDED_URL'];
  if (url === undefined) throw new Error('TEST_EMBEDDED_URL is not set: the global setup of the tests has not run');
  return url;
}

/** First part of the names of the databases of one run; set once for all its processes. */
export const databasePrefix = (): string => process.env['TEST_DATABASE_PREFIX'] ?? `gs-test-${process.pid}-`;

/** Removes databases of the server by their names. */
export async function dropDatabases(server: string, isMeant: (name: string) => boolean): Promise<void> {
  const client = await new mongo.MongoClient(server).connect();
  try {
    const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
    for (const { name } of databases.filter((database) => isMeant(database.name))) await client.db(name).dropDatabase();
  } finally {
    await client.close();
  }
}

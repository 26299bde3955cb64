import { createConnection, mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { defineModels } from '#shared/models/index.js';
import { reviewIndexes } from '../../src/platform/mongo/indexes/index.js';
import { startDatabase } from './database.js';
import { serverUrl } from './database-server.js';

test('a test gets its own database on the shared server, with the indexes, and removed afterwards', async () => {
  const database = await startDatabase();
  // `scripts/test-mongodb.ts` is tested by this line.
  process.stdout.write(`${database.url}\n`);
  const name = new URL(database.url).pathname.slice(1);
  const client = await new mongo.MongoClient(serverUrl()).connect();
  const isThere = async (): Promise<boolean> =>
    (await client.db('admin').admin().listDatabases()).databases.some((other) => other.name === name);
  const connection = await createConnection(database.url, { autoIndex: false }).asPromise();
  const review = await reviewIndexes(connection, { models: defineModels(connection), ownsAll: true });
  await connection.close();
  expect([review.missing, review.conflicts]).toEqual([[], []]);
  expect(await isThere()).toBe(true);
  await database.stop();
  expect(await isThere()).toBe(false);
  await client.close();
});

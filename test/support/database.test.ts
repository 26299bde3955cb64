import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
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
  const indexes = await client.db(name).collection('delivery.log').indexes();
  expect(indexes.length).toBeGreaterThan(1);
  expect(await isThere()).toBe(true);
  await database.stop();
  expect(await isThere()).toBe(false);
  await client.close();
});

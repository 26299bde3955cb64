import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { startDatabase } from '../support/database.js';
import { serverUrl } from '../support/database-server.js';
import { startGateway } from '../support/gateway.js';

test('a test gets its own database on the shared server, usable by a gateway and removed afterwards', async () => {
  const database = await startDatabase();
  // `scripts/test-mongodb.ts` is tested by this line.
  process.stdout.write(`${database.url}\n`);
  const name = new URL(database.url).pathname.slice(1);
  const client = await new mongo.MongoClient(serverUrl()).connect();
  const isThere = async (): Promise<boolean> =>
    (await client.db('admin').admin().listDatabases()).databases.some((other) => other.name === name);
  const gateway = await startGateway({ MONGODB_URL: database.url });
  expect((await gateway.call('GET', '/health/ready')).status).toBe(200);
  expect((await gateway.call('POST', '/emit/ann/m?durable=true', {})).status).toBe(200);
  expect(await isThere()).toBe(true);
  await gateway.close();
  await database.stop();
  expect(await isThere()).toBe(false);
  await client.close();
});

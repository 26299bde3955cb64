import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDatabase } from '../../support/database.js';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.js';
import { type MongoProxy, startMongoProxy } from '../../support/mongo-proxy.js';
import { enterRaw } from './raw-connection.js';

/** Events of one socket that wait for the database, and the unknown text in each. */
const [EVENTS, TEXT] = [90, 900_000];
const HELD_MAX_BYTES = 20_000_000;

const steps: (() => unknown)[] = [];
let gateway: GatewayProcess;
let proxy: MongoProxy;

beforeAll(async () => {
  const database = await startDatabase();
  steps.push(() => database.stop());
  proxy = await startMongoProxy(database.url);
  steps.push(() => proxy.close());
  gateway = await startGatewayProcess({ MONGODB_URL: proxy.url(), EVENT_LIMIT: '1000000' });
  steps.push(() => gateway.close());
});
afterAll(async () => {
  for (const step of steps.reverse()) await step();
});

test('holds of an event that waits what its contract allows, and nothing else that the client sent', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const claims = { uid: 'a'.repeat(24), account_id: 'b'.repeat(24) };
  const connection = await enterRaw(gateway, { namespace: '/v1/conversation', claims });
  const before = await gateway.measure();
  proxy.rules = {
    async onCommand(command) {
      if (command['find'] === 'conversations') await held;
      return undefined;
    },
  };
  const data = JSON.stringify({ conversation_id: 'c'.repeat(24), unknown: 'x'.repeat(TEXT) });
  for (let id = 0; id < EVENTS; id += 1) connection.send(`42/v1/conversation,${id}["typing",${data}]`);
  // It waits for nothing, so its answer shows that all before have been parsed.
  connection.send(`42/v1/conversation,${EVENTS}["refresh_token",{}]`);
  expect(await connection.next()).toContain(`43/v1/conversation,${EVENTS}[`);
  expect((await gateway.measure()) - before).toBeLessThan(HELD_MAX_BYTES);
  release();
  for (let id = 0; id < EVENTS; id += 1) expect(await connection.next()).toContain('"message":"NOT_FOUND"');
  connection.close();
});

import { ConnectionString } from 'mongodb-connection-string-url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordCommands } from '../../queries/recorder.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import type { TestGateway } from '../../support/gateway.js';
import { openApplication } from './application.js';

const APP_NAME = 'leaders-of-delivery';

let environment: TestEnvironment;
let nodes: TestGateway[];
const recorder = recordCommands(APP_NAME);

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0, hasRedis: true });
  const url = new ConnectionString(environment.database.url);
  url.searchParams.set('appName', APP_NAME);
  // A clock that stands still: nothing happens at intervals, and leaders stay.
  const start = () => environment.startNode({ MONGODB_URL: url.toString() }, { clock: createTestClock() });
  nodes = [await start(), await start()];
});
afterAll(async () => {
  await environment.close();
  recorder.stop();
});

/** Messages of one user through all nodes at once, in parallel. */
async function sendRound(user: string, round: number): Promise<void> {
  const sending = Array.from({ length: 4 }, (_, n) =>
    nodes.map(async (node, index) => {
      const { status, json } = await node.call(
        'POST',
        `/emit/${user}/m?durable=true`,
        JSON.stringify(`${round} ${index} ${n}`),
      );
      expect([status, json.data.id]).toEqual([200, expect.any(String)]);
    }),
  );
  await Promise.all(sending.flat());
}

test('nodes that store messages of one user at once agree on one of them, and collide no more', async () => {
  for (let round = 0; round < 20; round += 1) await sendRound('user-1', round);
  const { length } = recorder.commands;
  for (let round = 20; round < 40; round += 1) await sendRound('user-1', round);
  const commands = recorder.commands.slice(length).map(({ name, command }) => `${name} ${String(command[name])}`);
  const inserts = commands.filter((line) => line === 'insert delivery.log');
  expect(inserts.length).toBeGreaterThanOrEqual(20);
  // After a collision the end of the log is read. The driver's monitors say hello at any time.
  expect(commands.filter((line) => line !== 'insert delivery.log' && !line.startsWith('hello'))).toEqual([]);
  expect(await environment.models.DeliveryEntry.countDocuments({})).toBe(40 * 8);
});

test('a device on each node gets what both nodes take, in the order in which it is stored', async () => {
  const devices = await Promise.all(
    nodes.map((node, index) => openApplication(node, { user: 'user-2', deviceId: `device-${index}` })),
  );
  await Promise.all(devices.map((device) => device.ready()));
  for (let round = 0; round < 20; round += 1) await sendRound('user-2', round);
  await Promise.all(devices.map((device) => device.has(20 * 8)));
  const stored = await environment.models.DeliveryEntry.find({ recipient: /user-2/ })
    .sort({ position: 1 })
    .lean();
  const texts = stored.map(({ body }) => (JSON.parse(body ?? '[]') as unknown[])[1]);
  // Without the probes that tell whether a device is ready.
  const own = texts.filter((text) => typeof text === 'string');
  for (const device of devices) expect(device.messages).toEqual(own);
  for (const device of devices) device.close();
});

test('what a leader stores for another node is answered like any message', async () => {
  for (let round = 0; round < 10; round += 1) await sendRound('user-3', round);
  for (const [index, node] of nodes.entries()) {
    const send = () => node.call('POST', '/emit/user-3/m?durable=true', '1', { 'idempotency-key': `key-${index}` });
    const [first, again] = [await send(), await send()];
    expect(first.json.data).toEqual({ id: expect.any(String), sockets: 0, state: 'queued' });
    expect(again.json.data).toEqual(first.json.data);
    expect(await environment.models.DeliveryEntry.countDocuments({ _id: first.json.data.id })).toBe(1);
  }
});

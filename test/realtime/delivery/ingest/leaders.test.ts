import { ConnectionString } from 'mongodb-connection-string-url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordCommands } from '../../../queries/recorder.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import type { TestGateway } from '../../../support/gateway.js';
import { parseMetrics } from '../../../support/prometheus.js';
import { until } from '../../../support/until.js';
import { openApplication } from '../application.js';

const APP_NAME = 'leaders-of-delivery';
const DAY_MS = 86_400_000;
/** Longer than a node leads after the last collision. */
const LONG_MS = 60_000;

let environment: TestEnvironment;
let nodes: TestGateway[];
const recorder = recordCommands(APP_NAME);
// Clocks that stand still: nothing happens at intervals, and leaders stay.
const clock = createTestClock();
const steadyClock = createTestClock();

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0, hasRedis: true });
  const url = new ConnectionString(environment.database.url);
  url.searchParams.set('appName', APP_NAME);
  const start = () => environment.startNode({ MONGODB_URL: url.toString() }, { clock, steadyClock });
  nodes = [await start(), await start()];
});
afterAll(async () => {
  await environment.close();
  recorder.stop();
});

/** Messages of one user through all nodes at once, in parallel. */
async function sendRound(user: string, round: number, { through = nodes, each = 4 } = {}): Promise<void> {
  const sending = Array.from({ length: each }, (_, n) =>
    through.map(async (node, index) => {
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

/** The commands since some command. */
const commandsSince = (length: number): string[] =>
  recorder.commands.slice(length).map(({ name, command }) => `${name} ${String(command[name])}`);

/** A round in which both nodes insert at the same position. @returns the ids of the node that was faster, and of the other */
async function collide(user: string, round: number): Promise<[string, string]> {
  const { length } = recorder.commands;
  const release = recorder.hold();
  // Inserts that are held go on in the order in which they came.
  const sent = sendRound(user, round, { through: round % 2 === 0 ? nodes : nodes.toReversed(), each: 1 });
  await until(() => commandsSince(length).filter((line) => line === 'insert delivery.log').length === 2);
  release();
  await sent;
  const ofRound = { recipient: new RegExp(user), body: new RegExp(`"${round} `) };
  const stored = await environment.models.DeliveryEntry.find(ofRound).sort({ position: 1 }).lean();
  const ids = stored.map(({ origin }) => origin?.node ?? '');
  return [ids[0] ?? '', ids.at(-1) ?? ''];
}

test('nodes that store messages of one user at once agree on one of them, and collide no more', async () => {
  for (const node of nodes) await sendRound('user-1', 0, { through: [node] });
  let rounds = 1;
  // Of two that meet, the one with the lower id leads once the other one was slower twice.
  for (let slowerOnes = 0; slowerOnes < 2; rounds += 1) {
    const [faster, slower] = await collide('user-1', rounds);
    if (faster < slower) slowerOnes += 1;
  }
  // A node learns of the leader while its messages are stored.
  await sendRound('user-1', rounds);
  const { length } = recorder.commands;
  for (let plain = 1; plain <= 20; plain += 1) await sendRound('user-1', rounds + plain);
  const commands = commandsSince(length);
  expect(commands.length).toBeGreaterThanOrEqual(20);
  // After a collision the end of the log is read.
  expect(new Set(commands)).toEqual(new Set(['insert delivery.log']));
  expect(await environment.models.DeliveryEntry.countDocuments({ recipient: /user-1/ })).toBe(
    8 + (rounds - 1) * 2 + 21 * 8,
  );
});

/** How many messages a node has stored. */
async function storedBy(node: TestGateway): Promise<number> {
  const families = parseMetrics((await node.call('GET', '/metrics')).text);
  const samples = families.get('gateway_durable_messages_total')?.samples ?? [];
  return samples.find(({ labels }) => labels['state'] === 'stored')?.value ?? Number.NaN;
}

/** Sends until a node with the only device of the user leads. @returns how many messages the other node has stored then */
async function sendUntilLed(user: string, other: TestGateway): Promise<number> {
  // Until the other node was refused two positions.
  let before = Number.NaN;
  for (let round = 0; round < 60 && before !== (await storedBy(other)); round += 1) {
    before = await storedBy(other);
    await sendRound(user, round);
  }
  return before;
}

test.each([0, 1])('node %i leads when it has the only device of the user, whichever id is lower', async (index) => {
  const [holder, other] = [nodes[index], nodes[1 - index]] as [TestGateway, TestGateway];
  const user = `user-of-${index}`;
  const device = await openApplication(holder, { user, deviceId: 'device' });
  await device.ready();
  const before = await sendUntilLed(user, other);
  for (let round = 0; round < 5; round += 1) await sendRound(user, round);
  expect(before).toBeGreaterThan(0);
  expect(await storedBy(other)).toBe(before);
  device.close();
});

test('a node leads no longer than usual when the date of the machine is set back', async () => {
  const [holder, other] = nodes as [TestGateway, TestGateway];
  const device = await openApplication(holder, { user: 'user-4', deviceId: 'device' });
  await device.ready();
  const before = await sendUntilLed('user-4', other);
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  await sendRound('user-4', 0, { through: [other], each: 1 });
  expect(await storedBy(other)).toBe(before + 1);
  device.close();
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

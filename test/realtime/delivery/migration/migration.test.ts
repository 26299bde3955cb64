import { type Connection, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock, type TestClock } from '../../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import type { TestGateway } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';
import { openApplication } from '../application.js';

/*
 * Documents as the version before wrote them: one entry for each device. They are written here by hand, because nothing in
 * the code knows how to any more.
 */

let environment: TestEnvironment;
let connection: Connection;
let clock: TestClock;
let nodes: TestGateway[];

const ids = new Map<string, string>();
const idOf = (message: string): string => {
  const id = ids.get(message) ?? new Types.ObjectId().toHexString();
  ids.set(message, id);
  return id;
};

interface Old {
  user: string;
  device: string | null;
  seq: number;
  state?: string;
  loss?: string;
  namespace?: string;
  expireInMs?: number;
  ageMs?: number;
}

const toOld = ({
  user,
  device,
  seq,
  state = 'queued',
  loss,
  namespace = '/v1/shared',
  expireInMs,
  ageMs = 0,
}: Old) => ({
  message: idOf(`${user} ${seq}`),
  recipient: JSON.stringify(['', user]),
  device,
  seq,
  namespace,
  state,
  isPending: state !== 'acked' && state !== 'expired',
  body: JSON.stringify(['m', seq]),
  at: new Date(clock.now() - ageMs),
  createdAt: new Date(clock.now() - ageMs),
  keepsReceipt: true,
  ...(loss !== undefined && { loss }),
  ...(expireInMs !== undefined && { expireAt: new Date(clock.now() + expireInMs) }),
});

const store = async (
  user: string,
  devices: readonly string[],
  entries: readonly Omit<Old, 'user'>[],
  cuts: string[] = [],
) => {
  await connection
    .collection('delivery.recipients')
    .updateOne(
      { _id: JSON.stringify(['', user]) as never },
      { $set: { seq: 100, cuts, devices: devices.map((id) => ({ id, seenAt: new Date(clock.now()) })) } },
      { upsert: true },
    );
  if (entries.length > 0) {
    await connection.collection('delivery.entries').insertMany(entries.map((entry) => toOld({ user, ...entry })));
  }
};

beforeAll(async () => {
  clock = createTestClock();
  environment = await createTestEnvironment({ nodes: 0, hasRedis: true, overrides: { clock } });
  connection = environment.connection;
  const both = [1, 2, 3].flatMap((seq) => ['phone', 'laptop'].map((device) => ({ device, seq })));
  await store(
    'ann',
    ['phone', 'laptop', 'tablet'],
    [
      ...both.filter(({ device, seq }) => device === 'phone' || seq !== 2),
      { device: 'laptop', seq: 2, state: 'acked' },
      { device: 'tablet', seq: 7, namespace: '*' },
      { device: 'phone', seq: 8, state: 'expired', loss: 'overflow' },
      { device: 'laptop', seq: 8 },
    ],
    ['phone'],
  );
  await store(
    'never',
    [],
    [3, 1, 2].map((seq) => ({ device: null, seq })),
  );
  await store(
    'many',
    ['d'],
    Array.from({ length: 1300 }, (_, n) => ({ device: 'd', seq: 1300 - n })),
  );
  nodes = await Promise.all([1, 2, 3].map(() => environment.startNode()));
});
afterAll(() => environment.close());

/** Lets time go on until the nodes have migrated everything. */
const sweep = () =>
  clock.advanceUntil(31_000, async () => (await connection.collection('delivery.entries').countDocuments()) === 0);

const node = (index: number): TestGateway => nodes[index] as TestGateway;

test('what an earlier version stored reaches the devices that it was stored for, in order', async () => {
  expect(await connection.collection('delivery.entries').countDocuments()).toBe(0);
  const phone = await openApplication(node(0), { user: 'ann', deviceId: 'phone' });
  const laptop = await openApplication(node(1), { user: 'ann', deviceId: 'laptop' });
  const tablet = await openApplication(node(2), { user: 'ann', deviceId: 'tablet' });
  const { json } = await node(0).call('POST', '/emit/ann/m?durable=true', '9');
  await Promise.all([phone, laptop, tablet].map((device) => until(() => device.messages.includes(9))));
  expect(phone.messages).toEqual([1, 2, 3, 9]);
  expect(laptop.messages).toEqual([1, 3, 8, 9]);
  expect(tablet.messages).toEqual([7, 9]);
  expect([phone.resyncs(), laptop.resyncs(), tablet.resyncs()]).toEqual([1, 0, 0]);
  const stateOf = async (id: string) => (await node(2).call('GET', `/emit/${id}`)).json.data;
  await until(async () =>
    (await stateOf(json.data.id)).devices.every(({ state }: { state: string }) => state === 'acked'),
  );
  const { devices } = await stateOf(idOf('ann 8'));
  expect(devices.map(({ deviceId, state }: { deviceId: string; state: string }) => [deviceId, state]).sort()).toEqual([
    ['laptop', 'acked'],
    ['phone', 'expired'],
  ]);
  for (const device of [phone, laptop, tablet]) device.close();
});

test('a message for a user without devices waits for the first device', async () => {
  const first = await openApplication(node(0), { user: 'never', deviceId: 'd' });
  await first.has(3);
  expect(first.messages).toEqual([1, 2, 3]);
  first.close();
});

test('more than is read at once stays in order, though three nodes took it over at the same time', async () => {
  const device = await openApplication(node(1), { user: 'many', deviceId: 'd' });
  await device.has(1300);
  expect(device.messages).toEqual(Array.from({ length: 1300 }, (_, n) => n + 1));
  device.close();
});

test('messages that a node of the earlier version stores during the migration are migrated', async () => {
  await store(
    'ann',
    ['phone', 'laptop', 'watch'],
    [
      { device: 'phone', seq: 20 },
      { device: 'watch', seq: 20 },
    ],
  );
  await sweep();
  const [phone, laptop, watch] = await Promise.all(
    ['phone', 'laptop', 'watch'].map((deviceId) => openApplication(node(2), { user: 'ann', deviceId })),
  );
  await node(0).call('POST', '/emit/ann/m?durable=true', '21');
  await Promise.all([phone, laptop, watch].map((device) => until(() => device?.messages.includes(21) === true)));
  expect([phone, laptop, watch].map((device) => device?.messages)).toEqual([[20, 21], [21], [20, 21]]);
  for (const device of [phone, laptop, watch]) device?.close();
});

test('a message that a node of the earlier version stores reaches a connected device', async () => {
  await store('live', ['d'], []);
  const device = await openApplication(node(1), { user: 'live', deviceId: 'd' });
  await device.ready();
  await store('live', ['d'], [{ device: 'd', seq: 101, ageMs: 20_000 }]);
  await sweep();
  await device.has(1);
  expect(device.messages).toEqual([101]);
  device.close();
});

test('a device is notified once of messages lost by an earlier version', async () => {
  await store('told', ['d'], [{ device: 'd', seq: 1 }], ['d']);
  // A node of the earlier version goes on using the mailbox, so it is migrated again.
  const seenAt = new Date(clock.now() + 24 * 3_600_000);
  await connection
    .collection('delivery.recipients')
    .updateOne({ _id: JSON.stringify(['', 'told']) as never }, { $set: { 'devices.0.seenAt': seenAt } });
  await sweep();
  const device = await openApplication(node(0), { user: 'told', deviceId: 'd' });
  await device.ready();
  expect(device.resyncs()).toBe(1);
  device.close();
  await connection.collection('delivery.entries').insertOne(toOld({ user: 'told', device: 'd', seq: 2 }));
  await sweep();
  const again = await openApplication(node(1), { user: 'told', deviceId: 'd' });
  await again.ready();
  expect(again.resyncs()).toBe(0);
  again.close();
});

test('a migrated message keeps its position while other nodes may not know it', async () => {
  const ageMs = 3 * 24 * 3_600_000;
  await store(
    'old',
    ['d'],
    [1, 2, 3].map((seq) => ({ device: 'd', seq, ageMs })),
  );
  const before = clock.now();
  await sweep();
  const entries = await connection
    .collection('delivery.log')
    .find({ recipient: JSON.stringify(['', 'old']) })
    .toArray();
  expect(entries.map(({ createdAt }) => (createdAt as Date).getTime())).toEqual([1, 2, 3].map(() => before - ageMs));
  for (const { checkAt } of entries) expect((checkAt as Date).getTime()).toBeGreaterThanOrEqual(before + 300_000);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Models } from '#shared/models/index.js';
import { keyOf } from '../../../../src/realtime/delivery/message.js';
import { createTestClock, type TestClock } from '../../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import type { TestGateway } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';
import { openApplication } from '../application.js';

const HOUR_MS = 3_600_000;

let environment: TestEnvironment;
let a: TestGateway;
let b: TestGateway;
let clock: TestClock;
let models: Models;

beforeAll(async () => {
  clock = createTestClock();
  // Disconnected devices are kept for ever, so that time can be moved.
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock }, env: { DEVICE_TTL: '0' } });
  [a, b] = [environment.node(0), environment.node(1)];
  models = environment.models;
});
afterAll(() => environment.close());

const send = async (gateway: TestGateway, user: string, payload: unknown): Promise<string> => {
  const { status, json } = await gateway.call('POST', `/emit/${user}/m?durable=true`, JSON.stringify(payload));
  expect(status).toBe(200);
  return json.data.id;
};
const entriesOf = (user: string) =>
  models.DeliveryEntry.find({ recipient: keyOf({ site: '', userId: user }) }, { _id: 0, position: 1, body: 1 })
    .sort({ position: 1 })
    .lean();
const statusOf = async (id: string): Promise<number> => (await a.call('GET', `/emit/${id}`)).status;
const isAcked = (id: string) => until(async () => (await a.call('GET', `/emit/${id}`)).json.data.state === 'acked');

test('what every device has acknowledged is purged after its time, and positions go on', async () => {
  const device = await openApplication(a, { user: 'done', deviceId: 'd' });
  await device.ready();
  const ids = [];
  for (const n of [1, 2, 3]) ids.push(await send(b, 'done', n));
  for (const id of ids) await isAcked(id);
  clock.advance(HOUR_MS - 1000);
  expect(await statusOf(ids[2] ?? '')).toBe(200);
  await clock.advanceUntil(31_000, async () => (await entriesOf('done')).length === 1);
  // Only the last position is left, without its content.
  const [left] = await entriesOf('done');
  expect(left).toEqual({ position: 4 });
  for (const id of ids) expect(await statusOf(id)).toBe(404);
  // Who is connected is not known for a moment when time has jumped.
  await until(async () => {
    const { status, json } = await b.call('GET', '/users/done/deliveries');
    return status === 200 && json.data.messages.length === 0;
  });

  // The other node has known the last position for too long to trust it.
  for (const [gateway, n] of [
    [a, 5],
    [b, 6],
  ] as const)
    await send(gateway, 'done', n);
  await device.has(5);
  expect(device.messages).toEqual([1, 2, 3, 5, 6]);
  expect((await entriesOf('done')).map(({ position }) => position)).toEqual([4, 5, 6]);
  device.close();
});

test('keeps unacknowledged messages and those after them, in order', async () => {
  const gone = await openApplication(a, { user: 'kept', deviceId: 'gone' });
  await gone.ready();
  gone.close();
  const here = await openApplication(b, { user: 'kept', deviceId: 'here' });
  await here.ready();
  await here.ask();
  const ids: string[] = [];
  for (const n of [1, 2, 3]) ids.push(await send(a, 'kept', n));
  await here.has(3);
  for (const id of ids) await isAcked(id);
  for (let step = 0; step < 5; step += 1) {
    clock.advance(HOUR_MS);
    await statusOf(ids[0] ?? '');
  }
  const back = await openApplication(b, { user: 'kept', deviceId: 'gone' });
  await back.has(3);
  expect(back.messages).toEqual([1, 2, 3]);
  expect(back.resyncs()).toBe(0);
  for (const id of ids) {
    await until(async () => {
      const { devices } = (await a.call('GET', `/emit/${id}`)).json.data;
      return devices.every(({ state }: { state: string }) => state === 'acked');
    });
  }
  await clock.advanceUntil(HOUR_MS, async () => (await entriesOf('kept')).length === 1);
  await send(a, 'kept', 4);
  await Promise.all([here.has(4), back.has(4)]);
  for (const device of [here, back]) device.close();
});

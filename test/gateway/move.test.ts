import { expect, onTestFinished, test } from 'vitest';
import { move } from '../../scripts/db/move/index.js';
import { openApplication } from '../realtime/delivery/application.js';
import { startDatabase } from '../support/database.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { until } from '../support/until.js';

async function send(gateway: TestGateway, payload: unknown, query = ''): Promise<string> {
  const { status, json } = await gateway.call('POST', `/emit/ada/m?durable=true${query}`, JSON.stringify(payload));
  expect(status, JSON.stringify(json)).toBe(200);
  return json.data.id;
}

/** The devices that have acknowledged a message. */
async function ackedBy(gateway: TestGateway, id: string): Promise<string[]> {
  const { devices } = (await gateway.call('GET', `/emit/${id}`)).json.data;
  const acked = devices.filter(({ state }: { state: string }) => state === 'acked');
  return acked.map(({ deviceId }: { deviceId: string }) => deviceId).sort();
}

test('after a move to MongoDB each device gets what it has not acknowledged, once and in order', async () => {
  const DATA_DIR = await temporaryDirectory();
  const embedded = await startGateway({ DATA_DIR });
  const phone = await openApplication(embedded, { user: 'ada', deviceId: 'phone' });
  const laptop = await openApplication(embedded, { user: 'ada', deviceId: 'laptop' });
  await Promise.all([phone.ready(), laptop.ready()]);
  const first = await send(embedded, 1);
  await Promise.all([phone.has(1), laptop.has(1)]);
  await until(async () => (await ackedBy(embedded, first)).join() === 'laptop,phone');
  laptop.close();
  const [, third] = [await send(embedded, 2), await send(embedded, 3)];
  await phone.has(3);
  await until(async () => (await ackedBy(embedded, third)).join() === 'phone');
  phone.close();
  const { json: keyed } = await embedded.call('POST', '/emit/ada/m?durable=true', '4', { 'idempotency-key': 'four' });
  await embedded.close();

  const target = await startDatabase();
  const from = `${DATA_DIR}/db`;
  await move({ from, url: target.url, isReplacing: false, print: () => {} });
  const moved = await startGateway({ MONGODB_URL: target.url });
  onTestFinished(async () => {
    await moved.close();
    await target.stop();
  });
  const repeated = await moved.call('POST', '/emit/ada/m?durable=true', '4', { 'idempotency-key': 'four' });
  expect([repeated.headers.get('idempotent-replay'), repeated.json.data.id]).toEqual(['true', keyed.data.id]);
  await send(moved, 5);
  expect((await moved.call('GET', `/emit/${first}`)).json.data.state).toBe('acked');
  const [again, other, tablet] = await Promise.all(
    ['phone', 'laptop', 'tablet'].map((deviceId) => openApplication(moved, { user: 'ada', deviceId })),
  );
  await Promise.all([again?.has(2), other?.has(4)]);
  await tablet?.ready(moved);
  await send(moved, 6);
  await Promise.all([again?.has(3), other?.has(5), tablet?.has(1)]);
  // Whatever would come twice comes before this answer.
  await Promise.all([again?.ask(), other?.ask(), tablet?.ask()]);
  expect([again?.messages, other?.messages]).toEqual([
    [4, 5, 6],
    [2, 3, 4, 5, 6],
  ]);
  expect(tablet?.messages.at(-1)).toBe(6);
  expect([again?.resyncs(), other?.resyncs()]).toEqual([0, 0]);
  for (const device of [again, other, tablet]) device?.close();
});

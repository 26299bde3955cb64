import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusal } from '../../support/client.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { startGateway, type TestGateway, type TestResponse } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { openApplication } from './application.js';

let environment: TestEnvironment;
let a: TestGateway;
let b: TestGateway;
let clock: TestClock;

beforeAll(async () => {
  clock = createTestClock();
  environment = await createTestEnvironment({
    nodes: 2,
    overrides: { clock },
    env: { MAILBOX_MAX: '600', DEVICE_TTL: '300' },
  });
  [a, b] = [environment.node(0), environment.node(1)];
});
afterAll(() => environment.close());

const send = async (
  user: string,
  payload: unknown,
  query = '',
): Promise<{ id: string; state: string; sockets: number }> => {
  const { status, json } = await a.call('POST', `/emit/${user}/m?durable=true${query}`, JSON.stringify(payload));
  expect(status, JSON.stringify(json)).toBe(200);
  return json.data;
};
const stateOf = async (id: string) => (await b.call('GET', `/emit/${id}`)).json.data;
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

test('a message for a user who never connected waits for their first device', async () => {
  const first = await send('never', 1);
  expect(first).toEqual({ id: expect.any(String), state: 'queued', sockets: 0 });
  for (const n of [2, 3]) await send('never', n);
  expect(await stateOf(first.id)).toMatchObject({ userId: 'never', event: 'm', state: 'queued', devices: [] });
  const phone = await openApplication(b, { user: 'never', deviceId: 'phone' });
  await phone.has(3);
  expect(phone.messages).toEqual([1, 2, 3]);
  expect(phone.batches).toEqual([3]);
  await until(async () => (await stateOf(first.id)).state === 'acked');
  expect((await stateOf(first.id)).devices).toEqual([{ deviceId: 'phone', state: 'acked', at: expect.any(String) }]);
  phone.close();
  const again = await openApplication(b, { user: 'never', deviceId: 'phone' });
  await send('never', 4);
  await again.has(1);
  expect(again.messages).toEqual([4]);
  again.close();
});

test('a connected device receives it at once from the other node, and its state is delivered', async () => {
  const phone = await openApplication(b, { user: 'live', deviceId: 'phone' });
  await phone.ready();
  const sent = await send('live', { title: 'ü', list: [null, { $set: 1, 'a.b': 2 }] });
  await phone.has(1);
  expect(phone.messages).toEqual([{ title: 'ü', list: [null, { $set: 1, 'a.b': 2 }] }]);
  expect(phone.batches).toEqual([]);
  await until(async () => (await stateOf(sent.id)).state === 'acked');
  phone.close();
});

test('each device has a queue of its own', async () => {
  const [phone, laptop] = await Promise.all([
    openApplication(b, { user: 'two', deviceId: 'phone' }),
    openApplication(a, { user: 'two', deviceId: 'laptop' }),
  ]);
  await Promise.all([phone.ready(), laptop.ready()]);
  phone.close();
  const { id } = await send('two', 'x');
  await laptop.has(1);
  await until(async () => (await stateOf(id)).devices.some(({ state }: { state: string }) => state === 'acked'));
  expect((await stateOf(id)).devices.map((device: { deviceId: string }) => device.deviceId).sort()).toEqual([
    'laptop',
    'phone',
  ]);
  const back = await openApplication(b, { user: 'two', deviceId: 'phone' });
  await back.has(1);
  expect(back.messages).toEqual(['x']);
  back.close();
  laptop.close();
});

test('unacknowledged messages are sent again, in order, on any node', async () => {
  const silent = await openApplication(b, { user: 'silent', deviceId: 'd', isSilent: true });
  await silent.ready();
  for (const n of range(1, 5)) await send('silent', n);
  await silent.has(5);
  silent.close();
  const back = await openApplication(a, { user: 'silent', deviceId: 'd' });
  await back.has(5);
  expect(back.messages).toEqual(range(1, 5));
  expect(back.batches).toEqual([5]);
  back.close();
});

test('queued messages arrive in bounded batches, and messages sent meanwhile follow once and in order', async () => {
  await Promise.all(range(1, 550).map((n) => send('many', n)));
  const device = await openApplication(b, { user: 'many', deviceId: 'd', isHeld: true });
  await device.has(500);
  const meanwhile = Promise.all(range(551, 580).map((n) => send('many', n)));
  await meanwhile;
  device.release();
  await device.has(580);
  expect(device.batches[0]).toBe(500);
  expect(device.messages.toSorted((x, y) => Number(x) - Number(y))).toEqual(range(1, 580));
  expect(device.messages.slice(-1)).not.toEqual([]);
  await send('many', 'last');
  await device.has(581);
  expect(device.messages.at(-1)).toBe('last');
  device.close();
});

test('messages one after the other arrive in that order, whichever node took them', async () => {
  const device = await openApplication(b, { user: 'ordered', deviceId: 'd' });
  await device.ready();
  for (const n of range(1, 40)) {
    await (n % 2 === 0 ? a : b).call('POST', '/emit/ordered/m?durable=true', JSON.stringify(n));
  }
  await device.has(40);
  expect(device.messages).toEqual(range(1, 40));
  device.close();
});

test('a client that never acknowledges gets no more than the window, and resumes where it stopped', async () => {
  const device = await openApplication(b, { user: 'owing', deviceId: 'd', isHeld: true });
  await device.ready();
  // Time passes, because a read that failed on a loaded machine is tried again later.
  const has = (count: number) => clock.advanceUntil(100, () => device.messages.length >= count);
  await Promise.all(range(1, 560).map((n) => send('owing', n)));
  await has(500);
  await send('owing', 561);
  await device.ask();
  expect(device.messages.length).toBe(500);
  device.release();
  await has(561);
  expect(new Set(device.messages).size).toBe(561);
  device.close();
});

test('a trimmed queue is reported: by size and by age', async () => {
  const device = await openApplication(b, { user: 'cut', deviceId: 'd' });
  await device.ready();
  device.close();
  await Promise.all(range(1, 630).map((n) => send('cut', n)));
  const back = await openApplication(b, { user: 'cut', deviceId: 'd' });
  await back.has(600);
  expect(back.resyncs()).toBe(1);
  expect(back.messages.length).toBeLessThanOrEqual(606);
  back.close();

  const { id } = await send('cut', 'short-lived', '&ttl=10');
  const lasting = await send('cut', 'lasting');
  clock.advance(31_000);
  await until(async () => (await stateOf(id)).state === 'expired');
  const late = await openApplication(a, { user: 'cut', deviceId: 'd' });
  await late.has(1);
  expect(late.messages).toEqual(['lasting']);
  expect(late.resyncs()).toBe(1);
  await until(async () => (await stateOf(lasting.id)).state === 'acked');
  late.close();
});

test('a device that is disconnected for too long loses its queue, and is notified', async () => {
  const device = await openApplication(b, { user: 'away', deviceId: 'd' });
  await device.ready();
  device.close();
  const { id } = await send('away', 'too late');
  for (let minute = 0; minute < 6; minute += 1) clock.advance(60_000);
  await clock.advanceUntil(31_000, async () => (await stateOf(id)).state === 'expired');
  const back = await openApplication(a, { user: 'away', deviceId: 'd' });
  await send('away', 'in time');
  await back.has(1);
  expect(back.messages).toEqual(['in time']);
  expect(back.resyncs()).toBe(1);
  back.close();
});

test('a node that ends has noted first until when its devices were there', async () => {
  const warnings: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) });
  // Alone, so that nothing else takes time at its end.
  const ending = await startGateway({ MONGODB_URL: environment.database.url }, { clock, logger });
  const phone = await openApplication(ending, { user: 'leaving', deviceId: 'phone' });
  await phone.ready();
  clock.advance(1000);
  await ending.close();
  expect(warnings).toEqual([]);
  const { devices } = (await a.call('GET', '/users/leaving/deliveries')).json.data;
  expect(devices).toMatchObject([{ deviceId: 'phone', seenAt: new Date(clock.now()).toISOString() }]);
});

describe('an idempotency key', () => {
  const call = (node: TestGateway, key: string, body: unknown, path = '/emit/once/m?durable=true') =>
    node.call('POST', path, body, { 'idempotency-key': key });

  test('raced from two nodes stores one message', async () => {
    const device = await openApplication(b, { user: 'once', deviceId: 'd' });
    await device.ready();
    const answers: TestResponse[] = [];
    const calls = range(1, 20).map(async (n) => answers.push(await call(n % 2 === 0 ? a : b, 'raced', { n: 1 })));
    // Those that wait for the first look again by the clock.
    await clock.advanceUntil(10, () => answers.length === calls.length);
    expect(new Set(answers.map(({ json }) => json.data.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotent-replay') === 'true').length).toBe(19);
    await call(a, 'another', { n: 2 });
    await device.has(2);
    expect(device.messages).toEqual([{ n: 1 }, { n: 2 }]);
    device.close();
  });

  test('with another body, user or event is a conflict', async () => {
    expect((await call(a, 'fixed', { n: 1 })).status).toBe(200);
    expect((await call(b, 'fixed', { n: 2 })).json).toEqual({ success: false, errno: 409, message: 'CONFLICT' });
    expect((await call(b, 'fixed', { n: 1 }, '/emit/twice/m?durable=true')).status).toBe(409);
    expect((await call(b, 'x'.repeat(129), { n: 1 })).status).toBe(400);
  });

  test('holds for each item of a batch', async () => {
    const item = { userId: 'once', event: 'm', durable: true, payload: 1, idempotencyKey: 'item' };
    const { json } = await a.call('POST', '/emit', { items: [item, { ...item, payload: 2 }] });
    const [first, second] = json.data.items;
    const messages = [first.message, second.message].sort();
    expect(messages).toEqual(['CONFLICT', 'SUCCESS']);
  });
});

test('reports a ttl without durable, an unknown id and an invalid device id', async () => {
  expect((await a.call('POST', '/emit/u/m?ttl=5', {})).json.details).toEqual([
    { path: 'ttl', message: 'needs durable=true' },
  ]);
  for (const query of ['durable=yes', 'durable=true&ttl=0', 'durable=true&ttl=x', 'durable=true&durable=true']) {
    expect((await a.call('POST', `/emit/u/m?${query}`, {})).json).toMatchObject({
      errno: 400,
      message: 'VALIDATION_ERROR',
    });
  }
  expect((await a.call('GET', '/emit/0123456789abcdef01234567')).status).toBe(404);
  expect((await a.call('GET', '/emit/nonsense')).status).toBe(400);
  for (const deviceId of ['x'.repeat(129), 7, {}]) {
    expect((await refusal(a, { auth: { deviceId } })).message).toMatch(/VALIDATION_ERROR|INVALID_TOKEN/);
  }
});

test.each(['*', 'a:b', '__proto__', '"],["', 'ü\u0000'])(
  'a device with the id %j receives its own messages',
  async (deviceId) => {
    const [odd, plain] = await Promise.all([
      openApplication(b, { user: 'odd', deviceId }),
      openApplication(b, { user: `odd${deviceId}`, deviceId: 'plain' }),
    ]);
    await Promise.all([odd.ready(), plain.ready()]);
    odd.close();
    await send('odd', deviceId);
    const back = await openApplication(a, { user: 'odd', deviceId });
    await back.has(1);
    expect(back.messages).toEqual([deviceId]);
    await plain.ask();
    expect(plain.messages).toEqual([]);
    back.close();
    plain.close();
  },
);

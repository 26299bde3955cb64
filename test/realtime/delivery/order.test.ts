import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../support/until.js';
import { openApplication } from './application.js';
import { createOrderEnvironment, type OrderEnvironment, runHistory } from './order-run.js';

let environment: OrderEnvironment;

beforeAll(async () => {
  environment = await createOrderEnvironment(100);
});
afterAll(() => environment.close());

test('a message that was answered first arrives first, though its node is slow and without Redis', async () => {
  const { a, b, redis, nextInsert } = environment;
  const device = await openApplication(a, { user: 'slow', deviceId: 'd' });
  await device.ready();
  await redis.cut();
  const send = async (node: typeof a, name: string): Promise<void> => {
    const { status } = await node.call('POST', '/emit/slow/m?durable=true', JSON.stringify(name));
    expect(status).toBe(200);
  };
  for (const round of [1, 2, 3, 4, 5]) {
    // Of these two neither is first; the third was sent when both had been answered.
    const isInserting = nextInsert();
    const slow = send(b, `${round} slow`);
    await isInserting;
    await Promise.all([slow, send(a, `${round} quick`)]);
    await send(a, `${round} then`);
  }
  await device.has(15);
  const rounds = device.messages.map((name) => String(name).slice(0, 1)).join('');
  expect(rounds).toBe('111222333444555');
  expect([2, 5, 8, 11, 14].map((index) => device.messages[index])).toEqual([1, 2, 3, 4, 5].map((n) => `${n} then`));
  // What goes through the node without Redis alone comes too, without a reconnect.
  await b.call('POST', '/emit/slow/m?durable=true', '"last"');
  await device.has(16);
  expect(device.messages.at(-1)).toBe('last');
  await redis.restore();
  await until(async () => (await b.call('GET', '/users/slow/presence')).json.success === true);
  device.close();
});

test('a new device receives a message stored by another node before it connected and acknowledged after', async () => {
  const { a, b, models, holdReplies } = environment;
  const send = async (node: typeof a, name: string): Promise<void> => {
    const { status } = await node.call('POST', '/emit/answered/m?durable=true', JSON.stringify(name));
    expect(status).toBe(200);
  };
  const first = await openApplication(a, { user: 'answered', deviceId: 'first' });
  await first.ready();
  const release = holdReplies('delivery.log');
  const answer = send(b, 'answered late');
  const isStored = () => models.DeliveryEntry.exists({ body: JSON.stringify(['m', 'answered late']) });
  await until(async () => (await isStored()) !== null);
  // Its position is above that of the message which is not answered yet.
  await send(a, 'answered early');
  const device = await openApplication(a, { user: 'answered', deviceId: 'new' });
  release();
  await answer;
  await until(() => device.messages.includes('answered late'));
  for (const { close } of [first, device]) close();
});

test('a device that connects during a batch emit receives the items stored so far', async () => {
  const { b, holdReplies } = environment;
  const first = await openApplication(b, { user: 'batch', deviceId: 'first' });
  await first.ready();
  const release = holdReplies('delivery.keys');
  const item = { userId: 'batch', event: 'm', durable: true, payload: 'stored' };
  const items = [item, { ...item, userId: 'other', idempotencyKey: 'k' }];
  const answer = b.call('POST', '/emit', { items });
  await first.has(1);
  const device = await openApplication(b, { user: 'batch', deviceId: 'new' });
  release();
  const { json } = await answer;
  expect(json.data.items.map(({ message }: { message: string }) => message)).toEqual(['SUCCESS', 'SUCCESS']);
  await device.has(1);
  expect(device.messages).toEqual(['stored']);
  for (const { close } of [first, device]) close();
});

test('the items of a batch to one user arrive in their order, with and without keys', async () => {
  const { b, holdReplies } = environment;
  const device = await openApplication(b, { user: 'mixed', deviceId: 'phone' });
  await device.ready();
  const release = holdReplies('delivery.keys');
  const toItem = (payload: number) => ({
    userId: 'mixed',
    event: payload === 4 ? '_refused' : 'm',
    durable: true,
    payload,
    ...(payload % 3 === 0 && { idempotencyKey: `mixed-${payload}` }),
  });
  const answer = b.call('POST', '/emit', { items: [0, 1, 2, 3, 4, 5, 6, 7].map(toItem) });
  // What does not wait for a key is stored before this.
  await b.call('POST', '/emit/other/m?durable=true', {});
  release();
  await answer;
  await device.has(7);
  expect(device.messages).toEqual([0, 1, 2, 3, 5, 6, 7]);
  device.close();
});

test('every device receives the stored messages, in stored order', async () => {
  await runHistory(environment, { recipients: 3, messages: 25, seed: 7 });
});

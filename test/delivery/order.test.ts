import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/until.js';
import { openApplication } from './application.js';
import { type OrderStage, openOrderStage, runHistory } from './order-run.js';

let stage: OrderStage;

beforeAll(async () => {
  stage = await openOrderStage(100);
});
afterAll(() => stage.close());

test('a message that was answered first arrives first, though its node is slow and without Redis', async () => {
  const { a, b, redis } = stage;
  const device = await openApplication(a, { user: 'slow', deviceId: 'd' });
  await device.ready();
  await redis.cut();
  const sent: number[] = [];
  for (let n = 1; n <= 10; n += 1) {
    const { status } = await (n % 2 === 1 ? b : a).call('POST', '/emit/slow/m?durable=true', JSON.stringify(n));
    expect(status).toBe(200);
    sent.push(n);
  }
  await device.has(10);
  expect(device.messages).toEqual(sent);
  // What goes through the node without Redis alone comes too, without a reconnect.
  await b.call('POST', '/emit/slow/m?durable=true', '"last"');
  await device.has(11);
  expect(device.messages).toEqual([...sent, 'last']);
  await redis.restore();
  await until(async () => (await b.call('GET', '/users/slow/presence')).json.success === true);
  device.close();
});

test('every device ends up with what is stored, in its order', async () => {
  await runHistory(stage, { recipients: 3, messages: 25, seed: 7 });
});

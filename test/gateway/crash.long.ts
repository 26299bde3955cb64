import { expect, test } from 'vitest';
import { PRESENCE_LIMIT_MS } from '../../src/realtime/presence/index.js';
import { openSurvivor } from '../realtime/delivery/chaos.js';
import { connect } from '../support/client.js';
import { createTestEnvironment } from '../support/environment.js';
import { API_KEY } from '../support/gateway.js';
import { startGatewayProcess } from '../support/gateway-process.js';
import { until } from '../support/until.js';

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('a killed node leaves no stale presence, and loses nothing that it acknowledged', async () => {
  const environment = await createTestEnvironment({ hasRedis: true });
  const { env } = environment;
  const { Socket } = environment.models;
  const survivor = environment.node(0);
  const [holder, taker] = await Promise.all([startGatewayProcess(env), startGatewayProcess(env)]);

  const ghost = await connect(holder, { claims: { uid: 'ghost' } });
  await ghost.ask('join');
  const device = openSurvivor('lasting', [holder.url, survivor.url]);
  await until(async () => (await survivor.call('GET', '/users/lasting/presence')).json.data.online);
  expect((await Socket.findOne({ user: 'ghost' }).lean())?.socket_ids).toEqual([ghost.id]);

  holder.child.kill('SIGKILL');
  const killedAt = performance.now();
  for (const n of range(50)) {
    const url = `${taker.url}/emit/lasting/m?durable=true`;
    const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json' };
    expect((await fetch(url, { method: 'POST', headers, body: String(n) })).status).toBe(200);
  }
  taker.child.kill('SIGKILL');
  await until(() => new Set(device.received).size === 50);
  expect([...new Set(device.received)]).toEqual(range(50));

  await until(async () => (await survivor.call('GET', '/users/ghost/presence')).json.data.online === false);
  await until(async () => (await Socket.findOne({ user: 'ghost' }).lean())?.socket_ids.length === 0);
  // The limit is part of the contract: rivals take 30 to 75 seconds.
  expect(performance.now() - killedAt).toBeLessThan(PRESENCE_LIMIT_MS);

  device.close();
  await environment.close();
});

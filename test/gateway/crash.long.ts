import mongoose from 'mongoose';
import { expect, test } from 'vitest';
import { defineModels } from '../../shared/models/index.js';
import { PRESENCE_LIMIT_MS } from '../../src/realtime/presence/index.js';
import { openSurvivor } from '../realtime/delivery/chaos.js';
import { connect } from '../support/client.js';
import { startDatabase } from '../support/database.js';
import { API_KEY, startGateway } from '../support/gateway.js';
import { startGatewayProcess } from '../support/node-process.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('a killed node leaves no stale presence, and loses nothing that it acknowledged', async () => {
  const [redis, database] = await Promise.all([startRedis(), startDatabase()]);
  const connection = await mongoose.createConnection(database.url).asPromise();
  const { Socket } = defineModels(connection);
  const env = { REDIS_URL: redis.url, MONGODB_URL: database.url };
  const survivor = await startGateway(env);
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
  await survivor.close();
  await connection.close();
  await Promise.all([redis.dispose(), database.stop()]);
});

import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../support/client.js';
import { startEmbeddedDatabase } from '../support/database.js';
import { startGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

test('during a database outage clients and emits continue, dependent calls fail, and the gateway recovers', async () => {
  const database = await startEmbeddedDatabase();
  const gateway = await startGateway({ MONGODB_URL: database.url, MONGODB_SELECTION_TIMEOUT_MS: '1000' });
  const client = await connect(gateway, { claims: { uid: 'patient' } });
  await database.kill();
  await until(async () => (await gateway.call('GET', '/health/ready')).status === 503);
  expect((await gateway.call('GET', '/health/ready')).json.missing).toEqual(['mongo']);
  expect((await gateway.call('POST', '/emit/patient/during', {})).status).toBe(200);
  expect(await client.next('during')).toEqual([{}]);
  expect(await client.ask('join')).toEqual({ success: false, message: 'UNAVAILABLE', additional_info: { errno: 503 } });
  const newcomer = await connect(gateway, { claims: { uid: 'newcomer' } });

  await database.restart();
  await until(async () => (await gateway.call('GET', '/health/ready')).status === 200);
  expect(await client.ask('join')).toEqual({ success: true, message: 'SUCCESS' });
  expect(await newcomer.ask('join')).toEqual({ success: true, message: 'SUCCESS' });
  client.close();
  newcomer.close();
  await gateway.close();
  await database.stop();
});

test('operations wait for a database that comes back, and shutdown does not wait for one that does not', async () => {
  const database = await startEmbeddedDatabase();
  onTestFinished(() => database.stop());
  // Longer than a test may take: nothing here waits for the end of it.
  const gateway = await startGateway({ MONGODB_URL: database.url, MONGODB_SELECTION_TIMEOUT_MS: '600000' });
  const client = await connect(gateway, { claims: { uid: 'patient' } });
  await database.kill();
  await until(async () => (await gateway.call('GET', '/health/ready')).status === 503);
  const joined = client.ask('join');
  await gateway.call('GET', '/health/ready');
  await database.restart();
  expect(await joined).toEqual({ success: true, message: 'SUCCESS' });

  await database.kill();
  await until(async () => (await gateway.call('GET', '/health/ready')).status === 503);
  const ended = new Promise((resolve) => client.socket.once('disconnect', resolve));
  const unanswered = client.ask('join');
  await gateway.close();
  expect(await unanswered).toEqual({ success: false, message: 'UNAVAILABLE', additional_info: { errno: 503 } });
  await ended;
});

test('an unresponsive database is reported as missing', async () => {
  const database = await startEmbeddedDatabase();
  const gateway = await startGateway({ MONGODB_URL: database.url });
  onTestFinished(async () => {
    process.kill(database.pid ?? expect.fail('it ended'), 'SIGCONT');
    await gateway.close();
    await database.stop();
  });
  expect((await gateway.call('GET', '/health/ready')).status).toBe(200);
  process.kill(database.pid ?? expect.fail('it does not run'), 'SIGSTOP');
  // Also where nothing asks whether the node is ready.
  expect((await gateway.call('GET', '/metrics')).text).toContain('gateway_dependency_up{dependency="mongo"} 0\n');
  const ready = await gateway.call('GET', '/health/ready');
  expect([ready.status, ready.json.missing]).toEqual([503, ['mongo']]);
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startEmbedded } from '../../src/embedded/index.js';
import { connect } from '../support/client.js';
import { startGateway } from '../support/gateway.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { until } from '../support/until.js';

test('while the database is away clients and emits go on, what needs it says so, and it comes back by itself', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const database = await startEmbedded({ directory });
  const gateway = await startGateway({ MONGODB_URL: database.url, MONGODB_SELECTION_TIMEOUT_MS: '1000' });
  const client = await connect(gateway, { claims: { uid: 'patient' } });
  await database.stop();
  await until(async () => (await gateway.call('GET', '/health/ready')).status === 503);
  expect((await gateway.call('GET', '/health/ready')).json.missing).toEqual(['mongo']);
  expect((await gateway.call('POST', '/emit/patient/during', {})).status).toBe(200);
  expect(await client.next('during')).toEqual([{}]);
  expect(await client.ask('join')).toEqual({ success: false, message: 'UNAVAILABLE', additional_info: { errno: 503 } });
  const newcomer = await connect(gateway, { claims: { uid: 'newcomer' } });

  const again = await startEmbedded({ directory });
  await until(async () => (await gateway.call('GET', '/health/ready')).status === 200);
  expect(await client.ask('join')).toEqual({ success: true, message: 'SUCCESS' });
  expect(await newcomer.ask('join')).toEqual({ success: true, message: 'SUCCESS' });
  client.close();
  newcomer.close();
  await gateway.close();
  await again.stop();
  await rm(directory, { recursive: true, force: true });
});

test('a database that is silent is missing, like one that is gone', async () => {
  const directory = await temporaryDirectory();
  const database = await startEmbedded({ directory });
  const gateway = await startGateway({ MONGODB_URL: database.url, MONGODB_SELECTION_TIMEOUT_MS: '1000' });
  onTestFinished(async () => {
    process.kill(database.pid ?? expect.fail('it ended'), 'SIGCONT');
    await gateway.close();
    await database.stop();
  });
  expect((await gateway.call('GET', '/health/ready')).status).toBe(200);
  process.kill(database.pid ?? expect.fail('it does not run'), 'SIGSTOP');
  const ready = await gateway.call('GET', '/health/ready');
  expect([ready.status, ready.json.missing]).toEqual([503, ['mongo']]);
});

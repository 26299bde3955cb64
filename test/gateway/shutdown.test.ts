import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, openSocket } from '../support/client.js';
import { startGateway } from '../support/gateway.js';
import { startGatewayProcess } from '../support/node-process.js';
import { until } from '../support/until.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test('SIGTERM: clients are told, let go in waves and come back by themselves; the process ends with 0', async () => {
  const node = await startGatewayProcess({ DATA_DIR: join(directory, 'term'), SHUTDOWN_DRAIN_MS: '1500' });
  const clients = await Promise.all(
    Array.from({ length: 40 }, (_, index) => connect(node, { claims: { uid: `u${index}` } })),
  );
  const endings: Promise<[string, number]>[] = clients.map((client) => client.closed.then((why) => [why, Date.now()]));
  node.child.kill('SIGTERM');
  for (const client of clients) expect(await client.next('server_draining')).toEqual([{ retry_after_ms: 1500 }]);

  expect((await fetch(`${node.url}/status`)).status).toBe(200);
  const ready = await fetch(`${node.url}/health/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ message: 'UNAVAILABLE', missing: ['draining'] });
  const late = openSocket(node);
  await new Promise((resolve) => late.once('connect_error', resolve));
  late.close();

  const ends = await Promise.all(endings);
  // "transport close" is what a client reconnects after; after a disconnect by the server it would not.
  expect(new Set(ends.map(([why]) => why))).toEqual(new Set(['transport close']));
  expect(new Set(ends.map(([, at]) => at)).size).toBeGreaterThan(5);
  expect(await node.ended).toBe(0);
});

test('a second signal ends it at once, and so does the time limit', async () => {
  const [first, second] = await Promise.all([
    startGatewayProcess({
      DATA_DIR: join(directory, 'second'),
      SHUTDOWN_DRAIN_MS: '600000',
      SHUTDOWN_TIMEOUT_MS: '600000',
    }),
    startGatewayProcess({
      DATA_DIR: join(directory, 'limit'),
      SHUTDOWN_DRAIN_MS: '600000',
      SHUTDOWN_TIMEOUT_MS: '200',
    }),
  ]);
  const clients = await Promise.all([connect(first), connect(second)]);
  first.child.kill('SIGINT');
  second.child.kill('SIGTERM');
  await clients[0]?.next('server_draining');
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(1);
  expect(await second.ended).toBe(1);
});

test('what is in flight is acknowledged before its connection is closed', async () => {
  const gateway = await startGateway();
  const client = await connect(gateway);
  const answers = Promise.all(Array.from({ length: 50 }, () => client.ask('join')));
  // The events have arrived with the one after them.
  await until(async () => (await gateway.call('GET', '/users/user-1/presence')).json.data.online === true);
  const closing = gateway.close();
  expect(await answers).toEqual(Array.from({ length: 50 }, () => ({ success: true, message: 'SUCCESS' })));
  expect(await client.closed).toBe('transport close');
  await closing;
});

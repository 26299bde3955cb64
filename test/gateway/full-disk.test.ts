import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../../src/embedded/server/database-server.js';
import { createMemoryStorage } from '../embedded/support/memory-storage.js';
import { connect } from '../support/client.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

const ROOM = 10_000_000;

const storage = createMemoryStorage();
let directory: string;
let server: RunningServer;
let gateway: TestGateway;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  gateway = await startGateway(
    { DATA_DIR: directory },
    {
      async startEmbedded({ onStorage }) {
        const path = join(directory, 'db.sock');
        server = await startServer({
          address: { path },
          storage,
          onProblem: () => undefined,
          ...(onStorage && { onStorage }),
        });
        const url = `mongodb://${encodeURIComponent(path)}/gs?directConnection=true`;
        return { url, pid: process.pid, stop: () => server.stop() };
      },
    },
  );
});
afterAll(async () => {
  await gateway?.close();
  await rm(directory, { recursive: true, force: true });
});

const emit = async (n: number) => {
  const { status, json } = await gateway.call('POST', '/emit/ann/news?durable=true', { n, text: 'x'.repeat(1000) });
  return { status, message: json.message as string };
};
const readiness = async () => {
  const { status, json } = await gateway.call('GET', '/health/ready');
  return [status, json.missing ?? []];
};
const gauge = async (): Promise<string | undefined> =>
  /gateway_dependency_up\{dependency="storage"\} (\d)/.exec((await gateway.call('GET', '/metrics')).text)?.[1];

test('on a full disk writes are UNAVAILABLE and readiness names the storage; with room again nothing acknowledged is lost', async () => {
  expect(await readiness()).toEqual([200, []]);
  expect(await gauge()).toBe('1');
  const acknowledged: number[] = [];
  for (let n = 0; n < 5; n += 1) if ((await emit(n)).status === 200) acknowledged.push(n);
  expect(acknowledged).toHaveLength(5);

  storage.roomBytes = 500;
  expect(await emit(5)).toEqual({ status: 503, message: 'UNAVAILABLE' });
  await until(async () => (await readiness())[0] === 503);
  expect(await readiness()).toEqual([503, ['storage']]);
  expect(await gauge()).toBe('0');
  // Reads work, and what stores nothing.
  expect((await gateway.call('GET', '/users/ann/deliveries')).status).toBe(200);
  expect((await gateway.call('POST', '/emit/ann/news', { n: -1 })).status).toBe(200);
  expect((await gateway.call('GET', '/health/live')).status).toBe(200);

  storage.roomBytes = ROOM;
  await until(async () => (await readiness())[0] === 200);
  expect(await gauge()).toBe('1');
  for (let n = 6; n < 10; n += 1) if ((await emit(n)).status === 200) acknowledged.push(n);
  expect(acknowledged).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9]);

  const client = await connect(gateway, { claims: { uid: 'ann' } });
  const received: number[] = [];
  while (received.length < acknowledged.length) {
    const [events, acknowledge] = await client.next('_batch');
    for (const [, { n }] of events) received.push(n);
    acknowledge();
  }
  expect(received).toEqual(acknowledged);
  client.close();
});

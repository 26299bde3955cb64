import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as typedClient from '#shared/client/index.js';
import { connect, refusal } from '../support/client.js';
import { API_KEY, signToken } from '../support/gateway.js';
import type { GatewayProcess } from '../support/gateway-process.js';
import { openLines } from '../support/lines.js';
import { until } from '../support/until.js';
import {
  createMachines,
  isRunning,
  type LogLine,
  logOf,
  type Machines,
  nodesOf,
  pidsOf,
  samplesOf,
  sumOf,
} from './machine.js';

let machines: Machines;
let machine: GatewayProcess;
let directory: string;
/** Its API keys, one a line. */
let keysFile: string;

beforeAll(async () => {
  machines = await createMachines();
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  keysFile = join(directory, 'keys');
  await writeFile(keysFile, API_KEY);
  machine = await machines.start({
    SHUTDOWN_DRAIN_MS: '800',
    ADDRESS_CONNECTIONS_MAX: '40',
    REFUSED_CONNECTS_MAX: '30',
    EMIT_API_KEYS: '',
    EMIT_API_KEYS_FILE: keysFile,
  });
});
afterAll(async () => {
  await machines.close();
  await rm(directory, { recursive: true, force: true });
});

test('connections are spread over the workers, each is a node, and an emit reaches the sockets of all', async () => {
  const clients = await Promise.all(Array.from({ length: 10 }, () => connect(machine, { claims: { uid: 'ann' } })));
  const nodes = await nodesOf(machine);
  expect(nodes.map(({ name }) => name).sort()).toEqual(['machine/1', 'machine/2']);
  expect(nodes.reduce((sum, { connections }) => sum + (connections ?? 0), 0)).toBe(10);
  for (const { connections } of nodes) expect(connections).toBeGreaterThan(0);

  await machine.ask('POST', '/emit/ann/hello', { n: 1 });
  for (const client of clients) expect(await client.next('hello')).toEqual([{ n: 1 }]);
  for (const client of clients) client.close();
  await until(async () => (await sumOf(machine, 'gateway_connections')) === 0);
});

test('metrics are those of all workers: what clients did, whichever worker served them', async () => {
  const before = await Promise.all(
    ['gateway_events_total', 'gateway_event_seconds_count'].map((name) => sumOf(machine, name)),
  );
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(machine, { claims: { uid: 'bob' } })));
  for (const client of clients) for (let n = 0; n < 5; n += 1) await client.ask('join');
  expect(await sumOf(machine, 'gateway_connections')).toBe(6);
  expect(await sumOf(machine, 'gateway_events_total')).toBe((before[0] ?? 0) + 30);
  expect(await sumOf(machine, 'gateway_event_seconds_count')).toBe((before[1] ?? 0) + 30);
  expect(await sumOf(machine, 'gateway_workers')).toBe(2);
  expect(await samplesOf(machine, 'gateway_build_info')).toMatchObject([{ value: 1 }]);
  const memory = await samplesOf(machine, 'process_resident_memory_bytes');
  expect(memory.map(({ labels }) => labels['worker']).sort()).toEqual(['1', '2', 'primary']);
  for (const client of clients) client.close();
});

test.each(['/tail?user=tia', '/live?user=tia&kinds=event'])('%s shows what happens on every worker', async (path) => {
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(machine, { claims: { uid: 'tia' } })));
  const { records, close } = await openLines(machine, path);
  // The other worker watches a moment after the answer.
  await until(async () => {
    for (const client of clients) await client.ask('join');
    return new Set(records.map(({ node }) => node)).size === 2;
  });
  const ids = (await nodesOf(machine)).map(({ id }) => id);
  expect([...new Set(records.map(({ node }) => node))].sort()).toEqual(ids.sort());
  close();
  for (const client of clients) client.close();
});

test('clients that begin with polling come through by websocket; the refusal of polling has a code', async () => {
  const answer = await fetch(`${machine.url}/socket.io/?EIO=4&transport=polling`);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ code: 0, message: expect.stringContaining('transports: ["websocket"]') });

  const token = signToken({ uid: 'typed' });
  const plain = io(`${machine.url}/v1/shared`, { auth: { token }, tryAllTransports: true, forceNew: true });
  await new Promise<void>((resolve) => plain.once('connect', resolve));
  expect(plain.io.engine.transport.name).toBe('websocket');
  plain.close();

  const typed = typedClient.connect({ url: machine.url, namespace: '/v1/shared', token: async () => token });
  await typed.emit('join');
  typed.close();
});

test('a secret that changes in its file, or at SIGHUP, takes effect in every worker', async () => {
  const statuses = async (key: string): Promise<Set<number>> => {
    const calls = Array.from({ length: 8 }, () =>
      fetch(`${machine.url}/nodes`, { headers: { 'x-api-key': key, connection: 'close' } }),
    );
    return new Set((await Promise.all(calls)).map(({ status }) => status));
  };
  const added = 'another-key-of-the-tests';
  expect(await statuses(added)).toEqual(new Set([401]));
  await writeFile(keysFile, `${API_KEY}\n${added}`);
  machine.child.kill('SIGHUP');
  await until(async () => (await statuses(added)).has(200));
  await until(async () => !(await statuses(added)).has(401));
  expect(machine.exit).toBeUndefined();
});

test('the limit of connections of one address holds for the machine, and the refusals of one worker count at the others', async () => {
  const clients = await Promise.all(Array.from({ length: 40 }, () => connect(machine)));
  // The workers tell each other a moment later.
  await until(async () => (await refusal(machine).catch(() => undefined)) !== undefined);
  expect(await sumOf(machine, 'gateway_connections')).toBeLessThanOrEqual(41);
  for (const client of clients) client.close();
  await until(async () => {
    const client = await connect(machine).catch(() => undefined);
    client?.close();
    return client !== undefined;
  });

  const refuse = async (): Promise<unknown> => (await refusal(machine, { claims: null })).message;
  const refusals = new Map<unknown, number>();
  for (let n = 0; n < 60; n += 1) {
    const message = await refuse();
    refusals.set(message, (refusals.get(message) ?? 0) + 1);
  }
  // Two workers that count by themselves would refuse 60 of them because of the token.
  expect(refusals.get('RATE_LIMITED')).toBeGreaterThan(10);
});

test('a worker that is killed is started again: no acknowledged durable message is lost, counters do not fall', async () => {
  const users = ['ida', 'jan', 'kim', 'lea'];
  const received = new Map<string, Set<number>>();
  const clients = users.map((uid) => {
    const token = signToken({ uid });
    const client = typedClient.connect({
      url: machine.url,
      namespace: '/v1/shared',
      token: async () => token,
      random: () => 0,
      events: typedClient.eventsOf<{ note: [{ n: number }] }>(),
    });
    received.set(uid, new Set());
    client.on('note', ({ n }) => void received.get(uid)?.add(n));
    return client;
  });
  await Promise.all(clients.map((client) => client.emit('join')));

  const stored: [string, number][] = [];
  const send = async (uid: string, n: number): Promise<void> => {
    const answer = await fetch(`${machine.url}/emit/${uid}/note?durable=true`, {
      method: 'POST',
      headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ n }),
    }).catch(() => undefined);
    if (answer?.ok === true) stored.push([uid, n]);
  };
  const before = await sumOf(machine, 'gateway_durable_messages_total');
  const victim = pidsOf(machine)[0] ?? 0;
  for (let n = 0; n < 40; n += 1) {
    const sent = users.map((uid) => send(uid, n));
    if (n === 20) process.kill(victim, 'SIGKILL');
    await Promise.all(sent);
  }
  expect(await sumOf(machine, 'gateway_durable_messages_total')).toBeGreaterThanOrEqual(before);
  expect(stored.length).toBeGreaterThan(100);
  await until(() => stored.every(([uid, n]) => received.get(uid)?.has(n) === true));

  await until(() => pidsOf(machine).length === 3);
  expect(logOf(machine)).toContainEqual(
    expect.objectContaining({ event: 'worker_ended', node: 'machine', worker: 1, pid: victim, signal: 'SIGKILL' }),
  );
  const listening = logOf(machine).filter(({ event, node }) => event === 'listening' && node === 'machine/1');
  expect(listening).toHaveLength(2);
  expect(await sumOf(machine, 'gateway_worker_exits_total')).toBe(1);
  for (const client of clients) client.close();
});

test('SIGTERM drains the workers one after another: until the last one connections are accepted; then the port is free', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => connect(machine, { claims: { uid: 'max' } })));
  const pids = pidsOf(machine).filter(isRunning);
  const drains = (): LogLine[] => logOf(machine).filter(({ event }) => event === 'draining');
  machine.child.kill('SIGTERM');
  const refusedAt: number[] = [];
  while (drains().length < 2) {
    const attempt = () => connect(machine, { claims: { uid: 'new' } });
    // One that was accepted in the moment in which its worker left the port is refused, and its next attempt finds the other.
    const client = await attempt()
      .catch(attempt)
      .catch(() => undefined);
    if (client === undefined) refusedAt.push(Date.now());
    client?.close();
  }
  // The lines of the log arrive here a moment after the refusals.
  expect(refusedAt.filter((at) => at < (drains()[1]?.time ?? 0))).toEqual([]);
  for (const client of clients) {
    expect(await client.next('server_draining')).toEqual([{ retry_after_ms: 400 }]);
    expect(await client.closed).toBe('transport close');
  }
  expect(await machine.ended).toBe(0);
  expect(pids.map(isRunning)).toEqual([false, false]);
  const order = logOf(machine).filter(({ event }) => event === 'draining' || event === 'stopped');
  expect(order.map(({ event }) => event)).toEqual(['draining', 'stopped', 'draining', 'stopped']);
  await expect(fetch(`${machine.url}/status`)).rejects.toThrow();
});

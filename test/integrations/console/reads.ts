import { expect } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import type { TestEnvironment } from '../../support/environment.js';
import { API_KEY, signToken } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { accessesOf } from '../query-plans.js';

/** What a user has. */
export interface Amounts {
  readonly sockets: number;
  /** Durable messages that wait for a device that is away, and as many that it has. */
  readonly entries: number;
  /** Commands of Redis that a call may take, with the heartbeats and leases of the nodes meanwhile. */
  readonly redisMax: number;
}

/** Messages of a device are counted up to it. */
const COUNTED_MAX = 1000;
/** Messages that one page of a history searches. */
const SEARCHED_MAX = 2000;
const CHUNK = 200;
const BATCH = 5000;
const BEGINNING = 1_700_000_000_000;

/**
 * Calls what the console calls for one user, and expects that each reads, writes and asks within bounds, however much the user
 * has. Documents and commands are counted; time is not measured.
 */
export async function expectBoundedReads(
  environment: TestEnvironment,
  { sockets, entries, redisMax }: Amounts,
): Promise<void> {
  const [user] = await environment.people(`User with ${entries}`);
  const token = signToken({ uid: user.id });
  const connect = (node: number, deviceId?: string) =>
    environment.open(user, { node, namespace: '/v1/shared', auth: { token, ...(deviceId && { deviceId }) } });
  const backend = createBackend({ url: environment.node(0).url, apiKey: API_KEY });
  const devices = async (): Promise<string[]> =>
    (await backend.devices(user.id)).devices.flatMap(({ deviceId }) => (deviceId === '' ? [] : deviceId)).sort();
  for (const deviceId of ['cleared', 'forgotten']) (await connect(0, deviceId)).close();
  await until(async () => (await devices()).length === 2);
  await until(async () => (await backend.connections(user.id)).connections.length === 0);
  await insertEntries(environment, user.id, entries);
  for (let opened = 0; opened < sockets; opened += 100) {
    await Promise.all(Array.from({ length: Math.min(100, sockets - opened) }, (_, index) => connect(index % 2)));
  }
  await until(async () => (await backend.inspectUser(user.id)).connections === sockets);
  const newest = toId(entries - 1);

  const measure = async <T>(what: string, most: number, work: () => Promise<T>): Promise<T> => {
    let answer: { readonly of: T } | undefined;
    const before = await redisCalls(environment);
    const accesses = await accessesOf(environment.connection, async () => {
      answer = { of: await work() };
    });
    const calls = (await redisCalls(environment)) - before;
    const examined = accesses.reduce((sum, access) => sum + access.documentsExamined, 0);
    const told = `${what}: ${JSON.stringify(accesses)}`;
    expect(
      accesses.flatMap(({ stages }) => stages),
      told,
    ).not.toContain('COLLSCAN');
    expect(examined, told).toBeLessThanOrEqual(most);
    expect(calls, what).toBeLessThanOrEqual(redisMax);
    if (answer === undefined) throw new Error(what);
    return answer.of;
  };
  const call = (path: string) => environment.node(0).call('GET', path);
  // Each of two devices: a count, and the oldest of what waits.
  const devicesMax = 2 * (COUNTED_MAX + 10);
  const inspected = await measure('a user', devicesMax + 50, () => backend.inspectUser(user.id));
  expect([inspected.sockets.length, inspected.connections]).toEqual([Math.min(100, sockets), sockets]);
  expect(inspected.devices.flatMap(({ deviceId, waiting }) => (deviceId === '' ? [] : waiting))).toEqual([1000, 1000]);
  await measure('the search', 70, () => backend.findUsers(user.id));
  const page = await measure('connections', 10, () => call(`/users/${user.id}/connections?limit=100`));
  expect(page.json.data.connections.length).toBe(Math.min(100, sockets));
  const first = await measure('messages', devicesMax + CHUNK + 50, () => call(`/users/${user.id}/deliveries?limit=20`));
  expect(first.json.data.messages.map(({ id }: { id: string }) => id)[0]).toBe(newest);
  const older = `/users/${user.id}/deliveries?limit=20&before=${Math.floor(entries / 2)}`;
  await measure('older messages', devicesMax + CHUNK + 50, () => call(older));
  const none = await measure('messages that match nothing', devicesMax + SEARCHED_MAX + CHUNK + 50, () =>
    call(`/users/${user.id}/deliveries?limit=20&event=nothing`),
  );
  expect(none.json.data.messages).toEqual([]);
  await measure('a message', devicesMax + 50, () => backend.inspectMessage(newest));
  for (const path of ['/cluster', '/cluster/history', '/sites']) await measure(path, 50, () => call(path));

  const acts = `/users/${user.id}/devices`;
  const cleared = await measure('clearing a queue', COUNTED_MAX + 20, () =>
    environment.node(0).call('DELETE', `${acts}/cleared/messages`),
  );
  // Counted up to a bound, cleared whole.
  expect(cleared.json.data).toEqual({ cleared: 1000 });
  const left = await backend.devices(user.id);
  expect(left.devices.find(({ deviceId }) => deviceId === 'cleared')?.waiting).toBe(0);
  await measure('forgetting a device', 20, () => environment.node(0).call('DELETE', `${acts}/forgotten`));
  expect(await devices()).toEqual(['cleared']);
}

const toId = (n: number): string => (BEGINNING + n).toString(16).padStart(24, '0');

/** Durable messages, as the gateway stores them. */
async function insertEntries({ models }: TestEnvironment, userId: string, count: number): Promise<void> {
  const recipient = JSON.stringify(['', userId]);
  const checkAt = new Date(Date.now() + 3_600_000);
  for (let start = 0; start < count; start += BATCH) {
    const entries = Array.from({ length: Math.min(BATCH, count - start) }, (_, index) => ({
      _id: toId(start + index),
      recipient,
      position: start + index + 1,
      namespace: '/v1/shared',
      checkAt,
      body: '["m",1]',
      createdAt: new Date(BEGINNING + start + index),
      keepsReceipt: true,
    }));
    await models.DeliveryEntry.collection.insertMany(entries as never[]);
  }
}

/** Commands that Redis has had from all nodes, of scripts too; without those of this test. */
async function redisCalls(environment: TestEnvironment): Promise<number> {
  const stats = String(await environment.redis().command('INFO', 'commandstats'));
  return [...stats.matchAll(/^cmdstat_(?!info|ping|client|auth|hello)\S+?:calls=(\d+)/gm)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  );
}

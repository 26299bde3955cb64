import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { connect, refusal } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../support/environment.js';
import { API_KEY, signToken, startGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

let environment: TestEnvironment;
const lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  const logger = createLogger(
    { level: 'info', isPretty: false },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  environment = await createTestEnvironment({ nodes: 2, overrides: { logger } });
});
afterAll(() => environment?.close());

const backend = (node = 0) => createBackend({ url: environment.node(node).url, apiKey: API_KEY });
const claimsOf = ({ id, accountId }: TestUser) => ({ uid: id, account_id: accountId });
const namespaces = ['/v1/shared', '/v1/conversation', '/'];

/** The refusal of each namespace on each node; `undefined` for one that accepts the user. */
const refusals = (user: TestUser): Promise<unknown[]> =>
  Promise.all(
    namespaces.flatMap((namespace) =>
      [0, 1].map((node) =>
        refusal(environment.node(node), { namespace, claims: claimsOf(user) }).then(
          ({ data }) => data,
          () => undefined,
        ),
      ),
    ),
  );
const isRefused = { errno: 403, message: 'FORBIDDEN', retry_after: expect.any(Number) };
const sixTimes = (value: unknown): unknown[] => Array.from({ length: 6 }, () => value);

describe('a block', () => {
  test('closes all sockets of a user and refuses others, on every node and after a restart', async () => {
    const [ann, bob] = await environment.people('Ann', 'Bob');
    const open = (user: TestUser) =>
      Promise.all(namespaces.flatMap((namespace) => [0, 1].map((node) => environment.open(user, { namespace, node }))));
    const [sockets, others] = [await open(ann), await open(bob)];
    const { blockedUntil } = await backend().block(ann.id.toUpperCase(), 900);
    expect(Date.parse(blockedUntil) - Date.now()).toBeGreaterThan(890_000);
    for (const socket of sockets) {
      expect(await socket.next('disconnected')).toEqual([{ reason: 'blocked' }]);
      expect(await socket.closed).toBe('io server disconnect');
    }
    expect(await refusals(ann)).toEqual(sixTimes(isRefused));
    expect((await backend(1).blockOf(ann.id)).blockedUntil).toBe(blockedUntil);
    for (const { socket } of others) expect(socket.connected).toBe(true);

    const authorization = `Bearer ${signToken(claimsOf(ann))}`;
    const answer = await environment.node(1).call('GET', '/api/chats', undefined, { authorization });
    expect(answer.status).toBe(403);

    const restarted = await environment.startNode();
    expect((await refusal(restarted, { claims: claimsOf(ann) })).data).toEqual(isRefused);
    expect(lines.filter(({ event }) => event === 'blocked')).toEqual([
      expect.objectContaining({ user: ann.id, blockMs: 900_000, key: expect.stringMatching(/^sha256:/) }),
    ]);
  });

  test('ends on every node when it is ended, and is not there twice', async () => {
    const [ann] = await environment.people('Ann');
    await backend(0).block(ann.id, 900);
    expect(await backend(1).unblock(ann.id)).toEqual({ wasBlocked: true });
    await until(async () => (await refusals(ann)).every((refused) => refused === undefined));
    expect(await backend(0).unblock(ann.id)).toEqual({ wasBlocked: false });
    expect(await backend(0).blockOf(ann.id)).toEqual({ blockedUntil: null });
    const restarted = await environment.startNode();
    const back = await connect(restarted, { claims: claimsOf(ann) });
    back.close();
    expect(lines.filter(({ event, user }) => event === 'unblocked' && user === ann.id)).toMatchObject([
      { wasBlocked: true },
      { wasBlocked: false },
    ]);
  });

  test('is known to every node as soon as the call is answered, also when the bus is slow', async () => {
    const [ann] = await environment.people('Ann');
    const nodes = [backend(0), backend(1)];
    // Stored by a node whose message has not arrived yet.
    const inAnHour = new Date(Date.now() + 3_600_000);
    await environment.models.Revocation.create({
      _id: `user:${ann.id}`,
      blockedUntil: inAnHour,
      purgeAt: inAnHour,
      blockVersion: 1,
      changedAt: new Date(),
    });
    for (const node of nodes) expect(await node.blockOf(ann.id)).toEqual({ blockedUntil: inAnHour.toISOString() });
    expect(await backend(1).unblock(ann.id)).toEqual({ wasBlocked: true });
    for (const node of nodes) expect(await node.blockOf(ann.id)).toEqual({ blockedUntil: null });
  });

  test('is what the last call said, on any node; block_seconds does not shorten it', async () => {
    const [ann] = await environment.people('Ann');
    const until10 = async (node: number): Promise<number> =>
      Date.parse((await backend(node).blockOf(ann.id)).blockedUntil ?? '') - Date.now();
    await backend(0).block(ann.id, 900);
    await backend(1).block(ann.id, 60);
    await until(async () => (await until10(0)) <= 60_000);
    await backend(0).disconnect(ann.id, { block_seconds: 10 });
    await backend(1).unblock(ann.id);
    await backend(0).block(ann.id, 30);
    await backend(1).disconnect(ann.id, { block_seconds: 20 });
    for (const node of [0, 1]) {
      await until(async () => (await until10(node)) <= 30_000);
      expect(await until10(node)).toBeGreaterThan(20_000);
    }
  });

  test('and its end are found in the database when the bus loses them', async () => {
    const [ann] = await environment.people('Ann');
    const clock = createTestClock();
    const node = await environment.startNode({}, { clock });
    const refusalOf = () =>
      refusal(node, { claims: claimsOf(ann) }).then(
        ({ data }) => data,
        () => undefined,
      );
    const change = (update: object) =>
      environment.models.Revocation.updateOne(
        { _id: `user:${ann.id}` },
        { ...update, $inc: { blockVersion: 1 }, $currentDate: { changedAt: true } },
        { upsert: true },
      );
    const inAnHour = new Date(Date.now() + 3_600_000);
    await change({ $set: { blockedUntil: inAnHour, purgeAt: inAnHour } });
    await clock.advanceUntil(1000, async () => (await refusalOf()) !== undefined);
    expect(await refusalOf()).toEqual(isRefused);
    await change({ $unset: { blockedUntil: '' } });
    await clock.advanceUntil(1000, async () => (await refusalOf()) === undefined);
    const back = await connect(node, { claims: claimsOf(ann) });
    back.close();
  });

  test('expires by itself, also when it replaced a longer one', async () => {
    const clock = createTestClock();
    const node = await startGateway({}, { clock });
    onTestFinished(() => node.close());
    const call = (method: string, body?: object) => node.call(method, '/users/ann/block', body);
    await call('POST', { seconds: 900 });
    await call('POST', { seconds: 60 });
    clock.advance(59_000);
    expect((await refusal(node, { claims: { uid: 'ann' } })).data).toMatchObject({
      message: 'FORBIDDEN',
      retry_after: 1,
    });
    clock.advance(1000);
    const back = await connect(node, { claims: { uid: 'ann' } });
    expect((await call('GET')).json.data).toEqual({ blockedUntil: null });
    back.close();
  });

  test.each([0, -1, 2_592_001, 1.5, 'soon', undefined])('refuses %j seconds', async (seconds) => {
    const answer = await environment.node(0).call('POST', '/users/ann/block', { seconds });
    expect(answer.json).toMatchObject({ errno: 400, details: [{ path: 'seconds' }] });
  });
});

test('connections of a user come from all nodes, page by page', async () => {
  const [ann] = await environment.people('Ann');
  const opened = await Promise.all(
    [0, 1, 0, 1, 1].map((node, index) =>
      environment.open(ann, {
        node,
        namespace: '/v1/shared',
        auth: { token: signToken(claimsOf(ann)), deviceId: `device-${index}` },
      }),
    ),
  );
  await until(async () => (await backend().connections(ann.id)).connections.length === 5);
  const found: { socketId: string; node: string; deviceId: string }[] = [];
  let after: string | null | undefined;
  do {
    const page = await backend(1).connections(ann.id.toUpperCase(), { limit: 2, ...(after != null && { after }) });
    expect(page.connections.length).toBeLessThanOrEqual(2);
    found.push(...page.connections);
    after = page.next;
  } while (after !== null);
  expect(found.map(({ socketId }) => socketId)).toEqual(opened.map(({ id }) => id).sort());
  expect(found.find(({ socketId }) => socketId === opened[3]?.id)).toMatchObject({
    namespace: '/v1/shared',
    deviceId: 'device-3',
  });
  expect(new Set(found.map(({ node }) => node)).size).toBe(2);
  expect(await backend().connections('no user')).toEqual({ connections: [], next: null });
  // A device is noted in the mailbox after its client is let in.
  await until(async () => (await backend().devices(ann.id)).devices.length === 5);
  const { devices } = await backend().devices(ann.id);
  expect(devices.map(({ deviceId, isConnected }) => [deviceId, isConnected]).sort()).toEqual(
    opened.map((_, index) => [`device-${index}`, true]),
  );
  for (const client of opened) client.close();
});

test('connections of a node come from that node, page by page, whatever node is asked', async () => {
  const [ann] = await environment.people('Ann');
  const opened = await Promise.all([1, 1, 1].map((node) => environment.open(ann, { node, namespace: '/v1/shared' })));
  const anonymous = await environment.open(ann, { node: 1, namespace: '/v1/lead-finder', claims: null });
  const ids = [...opened, anonymous].map(({ id }) => id).sort();
  await until(async () => (await backend().connections(ann.id)).connections.length === 3);
  const node = (await backend().connections(ann.id)).connections[0]?.node ?? '';
  const found: { socketId: string; kind: string; userId: string | null }[] = [];
  let after: string | null | undefined;
  do {
    const page = await backend(0).nodeConnections(node, { limit: 2, ...(after != null && { after }) });
    found.push(...page.connections);
    after = page.next;
  } while (after !== null);
  // Others may still be there from earlier tests.
  const foundIds = found.map(({ socketId }) => socketId);
  expect(foundIds).toEqual([...new Set(foundIds)].sort());
  expect(foundIds.filter((id) => ids.includes(id))).toEqual(ids);
  expect(found.find(({ socketId }) => socketId === anonymous.id)).toMatchObject({ kind: 'anonymous', userId: null });
  expect(found.filter(({ kind, userId }) => kind === 'user' && userId === ann.id)).toHaveLength(3);
  const whole = await backend(1).nodeConnections(node);
  expect(whole.connections.map(({ socketId }) => socketId)).toEqual(expect.arrayContaining(ids));
  await expect(backend().nodeConnections('no node')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  for (const client of [...opened, anonymous]) client.close();
});

test('a drained node is left by its clients and accepts no others; the rest of the cluster goes on', async () => {
  const node = await environment.startNode({ NODE_NAME: 'leaving', SHUTDOWN_DRAIN_MS: '100' });
  const [ann] = await environment.people('Ann');
  const [leaving, staying] = [
    await connect(node, { claims: claimsOf(ann) }),
    await environment.open(ann, { namespace: '/v1/shared' }),
  ];
  const find = async () => (await backend().nodes()).nodes.find(({ name }) => name === 'leaving');
  await until(async () => (await find())?.connections === 1);
  const { id = '' } = (await find()) ?? {};
  expect(await backend().drainNode(id)).toEqual({ connections: 1 });
  expect(await leaving.next('server_draining')).toEqual([{ retry_after_ms: 100 }]);
  expect(await leaving.closed).toBe('transport close');
  expect((await node.call('GET', '/health/ready')).json).toMatchObject({ missing: ['draining'] });
  await refusal(node, { claims: claimsOf(ann) });
  expect(await find()).toMatchObject({ connections: 0, isDraining: true });
  expect(await backend().drainNode(id)).toEqual({ connections: 0 });
  expect(staying.socket.connected).toBe(true);
  expect(lines.filter(({ event }) => event === 'node_drained')).toMatchObject([{ drainedNode: id }, {}]);
  await expect(backend().drainNode('no node')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import { connect, refusal } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { API_KEY } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { connectSite } from '../push-sites/site-client.js';
import { openWebsite, type Website } from '../push-sites/website.js';

const HOUR_MS = 3_600_000;

let environment: TestEnvironment;
let website: Website;
// The clocks of the nodes differ, by more than the history is long, and move together.
const clock = createTestClock();
const clocks = [clock, { ...clock, now: () => clock.now() - 3 * HOUR_MS }];

beforeAll(async () => {
  website = await openWebsite();
  const site = {
    SITE_NAME: 'news',
    AUTH_URL: `${website.url}/rooms`,
    API_KEY: 'key of news',
    USER_ROOM_PREFIX: 'user_',
    UPDATE_USER_URL: `${website.url}/users/:id`,
  };
  environment = await createTestEnvironment({
    nodes: 2,
    env: site,
    nodeOptions: (node) => ({
      env: { NODE_NAME: `gateway-${node}` },
      ...(clocks[node] !== undefined && { overrides: { clock: clocks[node] } }),
    }),
  });
});
afterAll(async () => {
  await environment?.close();
  await website?.close();
});

const backend = (node = 0) => createBackend({ url: environment.node(node).url, apiKey: API_KEY });

const total = (series: readonly (number | null)[] = []): number =>
  Math.round(series.reduce<number>((sum, rate) => sum + (rate ?? 0), 0) * 10);

test('the overview and the history are of all nodes, and the same whichever is asked', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const opened = [
    await environment.open(ann, { node: 0, namespace: '/v1/shared' }),
    await environment.open(bob, { node: 1, namespace: '/v1/shared' }),
    await environment.open(bob, { node: 1, namespace: '/v1/conversation' }),
  ];
  for (let count = 0; count < 20; count += 1) await opened[2]?.ask('list_conversation', {});
  for (let count = 0; count < 5; count += 1) await opened[2]?.ask('no_such_event', {});
  await refusal(environment.node(0), { claims: { scope: 'other' } });
  for (let count = 0; count < 7; count += 1) await backend().emit(bob.id, 'news', {});
  await environment.node(1).call('GET', '/nodes', undefined, { 'x-api-key': 'wrong' });
  for (const client of opened.slice(0, 2)) await client.ask('join');

  for (const node of [0, 1]) {
    const { nodes, totals } = await backend(node).cluster();
    expect(nodes.map(({ name }) => name)).toEqual(['gateway-0', 'gateway-1']);
    for (const one of nodes) {
      expect(one).toMatchObject({ redis: 'up', mongo: 'up', isReady: true, isDraining: false });
      expect(one.memoryBytes).toBeGreaterThan(10_000_000);
      expect(one.eventLoopLagMs).toBeGreaterThanOrEqual(0);
    }
    expect(nodes.map(({ connections }) => connections)).toEqual([1, 2]);
    expect(nodes[1]?.connectionsByNamespace).toMatchObject({ '/v1/shared': 1, '/v1/conversation': 1 });
    expect(totals).toMatchObject({ connections: 3, users: 2 });
  }

  await clock.advanceUntil(10_000, async () => {
    const { series } = await backend().clusterHistory();
    return (series['connections:/v1/shared']?.at(-1) ?? 0) === 2 && total(series['events']) >= 27;
  });
  clock.advance(10_000);
  for (const node of [0, 1]) {
    const { series, missingNodes, from, stepSeconds } = await backend(node).clusterHistory();
    expect(missingNodes).toEqual([]);
    expect(stepSeconds).toBe(10);
    expect(Math.abs(Date.parse(from) + HOUR_MS - (clocks[node]?.now() ?? 0))).toBeLessThanOrEqual(30_000);
    for (const values of Object.values(series)) expect(values).toHaveLength(360);
    expect(total(series['events'])).toBe(27);
    expect(total(series['errors:NOT_FOUND'])).toBe(5);
    expect(total(series['errors:NOT_ENOUGH_SCOPE'])).toBe(1);
    expect(total(series['errors:HTTP 401'])).toBe(1);
    expect(total(series['emits'])).toBeGreaterThanOrEqual(7);
    expect(Math.max(...(series['eventP99Ms'] ?? []).map((value) => value ?? 0))).toBeGreaterThan(0);
    expect(Math.max(...(series['restP99Ms'] ?? []).map((value) => value ?? 0))).toBeGreaterThan(0);
    expect(series['connections:/v1/conversation']?.at(-1)).toBe(1);
  }
  expect((await backend().clusterHistory(5)).series['events']).toHaveLength(5);
  for (const client of opened) client.close();
});

test('callers share the answers of the nodes for a second', async () => {
  clock.advance(1000);
  const answers = new Set<string>();
  for (let count = 0; count < 10; count += 1) {
    const calls = Array.from({ length: 10 }, () => environment.node(0).call('GET', '/cluster'));
    for (const { text } of await Promise.all(calls)) answers.add(text);
  }
  // Memory and lag of two answers would differ.
  expect(answers.size).toBe(1);
  const client = await connect(environment.node(1), { claims: { uid: 'later' } });
  clock.advance(1000);
  expect((await backend().cluster()).totals.connections).toBe(1);
  client.close();
});

test('sites show the clients, calls and updates of all nodes', async () => {
  website.rooms.set('ann', ['user_ann', 'hall']);
  website.rooms.set('bob', ['user_bob']);
  const ann = await connectSite(environment.node(0), 'news', { token: 'ann', deviceId: 'phone' });
  const bob = await connectSite(environment.node(1), 'news', { token: 'bob', deviceId: 'laptop' });
  const find = async (node: number) => (await backend(node).sites()).sites;
  await clock.advanceUntil(1000, async () => (await find(0))[0]?.userUpdates.length === 2);
  clock.advance(1000);
  await refusal(environment.node(1), { namespace: '/news', claims: null, auth: { token: 'wrong' } });
  for (const node of [0, 1]) {
    const [news, ...others] = await find(node);
    expect(others).toEqual([]);
    expect(news).toMatchObject({
      name: 'news',
      namespace: '/news',
      connections: 2,
      waiting: 0,
      auth: { ok: 2, failed: 1, lastStatus: 401, p50Ms: expect.any(Number), p99Ms: expect.any(Number) },
    });
    expect(news?.userUpdates.map(({ userId, kind }) => `${userId} ${kind}`).sort()).toEqual([
      'ann connected',
      'bob connected',
    ]);
    // By the clock of the node that answers.
    const now = clocks[node]?.now() ?? 0;
    expect(news?.auth.lastAt).toBe(new Date(now).toISOString());
    for (const { at } of news?.userUpdates ?? []) {
      expect(now - Date.parse(at)).toBeGreaterThanOrEqual(1000);
      expect(now - Date.parse(at)).toBeLessThan(HOUR_MS);
    }
    expect(JSON.stringify(news)).not.toContain('key of news');
  }
  website.answer = (_call, response) => response.writeHead(503).end();
  await refusal(environment.node(0), { namespace: '/news', claims: null, auth: { token: 'another' } });
  website.answer = undefined;
  clock.advance(1000);
  const [news] = await find(1);
  expect(news?.auth).toMatchObject({ ok: 2, failed: 2 });
  ann.close();
  // That a user has left is noticed by the next tick of presence.
  await clock.advanceUntil(1000, async () => (await find(1))[0]?.userUpdates.length === 3);
  expect((await find(1))[0]?.connections).toBe(1);
  bob.close();
});

test('a node that is alive and does not answer is named, and does not keep the others', async () => {
  const redis = environment.redis();
  const node = await environment.startNode({ NODE_NAME: 'third' }, { clock });
  const [seconds] = (await redis.command('TIME')) as string[];
  await redis.command('ZADD', 'general-socket:nodes', `${(Number(seconds) + 3600) * 1000}`, 'a-silent-node');
  const own = createBackend({ url: node.url, apiKey: API_KEY });
  const asked = Promise.all([own.cluster(), own.clusterHistory(3), own.sites()]);
  let isAnswered = false;
  void asked.then(() => {
    isAnswered = true;
  });
  // The time in which nodes must answer passes no faster than the others get on.
  await clock.advanceUntil(10, () => isAnswered);
  const [overview, history, sites] = await asked;
  expect(overview.nodes.at(-1)).toMatchObject({ id: 'a-silent-node', name: null, connections: null, isReady: null });
  expect(overview.nodes.find(({ name }) => name === 'third')).toMatchObject({ isReady: true });
  expect(history.missingNodes).toEqual(['a-silent-node']);
  expect(sites.missingNodes).toEqual(['a-silent-node']);
  await redis.command('ZREM', 'general-socket:nodes', 'a-silent-node');
});

test('a node without Redis answers for itself, and says that Redis is away', async () => {
  const node = await environment.startNode({ NODE_NAME: 'alone' });
  const client = await connect(node, { namespace: '/v1/lead-finder', claims: null });
  await environment.redis().stop();
  const own = createBackend({ url: node.url, apiKey: API_KEY });
  await until(async () => (await own.cluster()).nodes.length === 1);
  const { nodes, totals } = await own.cluster();
  expect(nodes).toMatchObject([{ name: 'alone', redis: 'down', mongo: 'up', isReady: false, connections: 1 }]);
  expect(totals.connections).toBe(1);
  expect((await own.clusterHistory(3)).missingNodes).toEqual([]);
  client.close();
});

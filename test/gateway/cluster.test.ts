import { createClient } from 'redis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import type { TestGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

let environment: TestEnvironment;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
  [a, b] = [environment.node(0), environment.node(1)];
});
afterAll(() => environment.close());

/** Both nodes hear each other. */
const isWhole = async (): Promise<boolean> => {
  const probe = await connect(b, { claims: { uid: 'probe' } });
  const heard = probe.next('probe');
  await a.call('POST', '/emit/probe/probe', {});
  const barrier = probe.ask('join').then(() => probe.ask('join'));
  const isHeard = await Promise.race([heard.then(() => true), barrier.then(() => false)]);
  probe.close();
  return isHeard;
};

test('an emit on one node reaches the user, the account and all clients on the other', async () => {
  const claims = { uid: 'far', account_id: 'far-account' };
  const [far, stranger] = await Promise.all([connect(b, { claims }), connect(b, { claims: { uid: 'other' } })]);
  await a.call('POST', '/emit/far/user', { n: 1 });
  await a.call('POST', '/broadcast/account?account=far-account', { n: 2 });
  await a.call('POST', '/emit', { items: [{ userId: 'far', event: 'item', payload: { n: 3 } }] });
  await a.call('POST', '/broadcast/everybody', { n: 4 });
  for (const [index, event] of ['user', 'account', 'item', 'everybody'].entries()) {
    expect(await far.next(event)).toEqual([{ n: index + 1 }]);
  }
  expect(await stranger.next('everybody')).toEqual([{ n: 4 }]);
  expect([...stranger.received('user'), ...stranger.received('account'), ...stranger.received('item')]).toEqual([]);
  far.close();
  stranger.close();
});

/** The messages between the nodes about a namespace, until `stop`. */
async function listenBetween(namespace: string) {
  const subscriber = createClient({ url: environment.redis().url });
  await subscriber.connect();
  const channels: string[] = [];
  await subscriber.pSubscribe(`general-socket#${namespace}#*`, (_message, channel) => void channels.push(channel));
  await subscriber.pSubscribe('general-socket:{general-socket:members}:routes:*', (message, channel) => {
    // A node measures by it how long its own message takes.
    if (!message.includes('"echo"')) channels.push(channel.replace(/[^:]*$/, '<node>'));
  });
  return {
    channels,
    async stop() {
      // A reply that follows all messages before it.
      await subscriber.ping();
      await subscriber.close();
      return channels;
    },
  };
}

/** A batch to two users, of which one is on both nodes and one on the other only, and what they get in order. */
async function sendBatch() {
  const claims = ['batch-1', 'batch-2'].map((uid) => ({ uid, account_id: 'batch' }));
  const clients = await Promise.all([
    ...claims.map((own) => connect(b, { claims: own })),
    connect(a, { claims: claims[0] ?? {} }),
  ]);
  const items = Array.from({ length: 50 }, (_, n) => ({ userId: `batch-${1 + (n % 2)}`, event: 'item', payload: n }));
  const between = await listenBetween('/v1/shared');
  const { json } = await a.call('POST', '/emit', { items: [...items, { userId: 'batch-1' }] });
  expect(json.data.items.at(-1)).toMatchObject({ message: 'VALIDATION_ERROR' });
  await a.call('POST', '/broadcast/last?account=batch', {});
  for (const client of clients) await client.next('last');
  const channels = await between.stop();
  const numbers = clients.map((client) => client.received('item').map(([n]) => n));
  for (const client of clients) client.close();
  return { numbers, channels };
}

const EVEN = Array.from({ length: 25 }, (_, n) => 2 * n);
const ODD = EVEN.map((n) => n + 1);

test('a batch is one message to each node with its users, and keeps its order', async () => {
  const { numbers, channels } = await sendBatch();
  expect(numbers).toEqual([EVEN, ODD, EVEN]);
  const toOther = 'general-socket:{general-socket:members}:routes:to:<node>';
  expect(channels).toEqual([toOther, toOther]);
});

test('a batch is one message per item while a node of an earlier version is there', async () => {
  const { command } = environment.redis();
  const announce = (what: string) => command('PUBLISH', 'general-socket:check:earlier', `${what} earlier:version`);
  await command('ZADD', 'general-socket:members', String(Date.now() + 3_600_000), 'earlier:version');
  await announce('join');
  await until(async () => (await sendBatch()).channels.length > 2);
  const { numbers, channels } = await sendBatch();
  expect(numbers).toEqual([EVEN, ODD, EVEN]);
  expect(channels).toEqual([
    ...EVEN.flatMap(() => ['general-socket#/v1/shared#user:batch-1#', 'general-socket#/v1/shared#user:batch-2#']),
    'general-socket#/v1/shared#account:batch#',
  ]);
  await command('ZREM', 'general-socket:members', 'earlier:version');
  await announce('leave');
  await until(async () => (await sendBatch()).channels.length === 2);
});

test('a node of an earlier version gets events from when it has subscribed, before the others know it', async () => {
  const earlier = createClient({ url: environment.redis().url });
  await earlier.connect();
  const messages: string[] = [];
  await earlier.pSubscribe('general-socket#/v1/shared#*', (message) => void messages.push(message));
  await earlier.subscribe('general-socket:bus:delivery.log', (message) => void messages.push(message));
  // The adapter of each version does this before its node accepts clients.
  await earlier.subscribe('general-socket-request#/#', () => undefined);
  await a.call('POST', '/emit/of-earlier/plain', { n: 1 });
  await a.call('POST', '/emit', {
    items: [2, 3].map((n) => ({ userId: 'of-earlier', event: 'item', payload: { n } })),
  });
  await a.call('POST', '/emit/of-earlier/kept?durable=true', { n: 4 });
  const numbers = () =>
    messages.flatMap((message) => [...message.matchAll(/\\?"n\\?":(\d)/g)].map(([, n]) => Number(n)));
  await until(() => numbers().includes(4));
  expect(numbers()).toEqual([1, 2, 3, 4]);
  await earlier.close();
  await until(async () => (await sendBatch()).channels.length === 2);
});

test('presence covers all nodes', async () => {
  const clients = [await connect(a, { claims: { uid: 'both' } }), await connect(b, { claims: { uid: 'both' } })];
  const connections = async (node: TestGateway) =>
    (await node.call('GET', '/users/both/presence')).json.data.connections;
  await until(async () => (await connections(a)) === 2 && (await connections(b)) === 2);
  clients[0]?.close();
  await until(async () => (await connections(b)) === 1);
  clients[1]?.close();
  await until(async () => (await connections(a)) === 0);
});

test('disconnect ends the sockets on every node', async () => {
  const clients = [await connect(a, { claims: { uid: 'gone' } }), await connect(b, { claims: { uid: 'gone' } })];
  await a.call('POST', '/users/gone/disconnect', {});
  for (const client of clients) {
    expect(await client.next('disconnected')).toEqual([{ reason: null }]);
    expect(await client.closed).toBe('io server disconnect');
  }
});

test('a limit counts the events of a user on all nodes', async () => {
  const env = { EVENT_LIMIT: '4', EVENT_LIMIT_WINDOW_MS: '60000' };
  const nodes = await Promise.all([environment.startNode(env), environment.startNode(env)]);
  const clients = await Promise.all(nodes.map((node) => connect(node, { claims: { uid: 'busy' } })));
  const answers: string[] = [];
  for (const client of [...clients, ...clients, ...clients]) answers.push((await client.ask('join')).message);
  expect(answers).toEqual([...Array.from({ length: 4 }, () => 'SUCCESS'), 'RATE_LIMITED', 'RATE_LIMITED']);
  for (const client of clients) client.close();
  await Promise.all(nodes.map((node) => node.close()));
});

test('while Redis is away each node serves its own clients; afterwards the nodes are connected again', async () => {
  const [near, far] = await Promise.all([
    connect(a, { claims: { uid: 'outage' } }),
    connect(b, { claims: { uid: 'outage' } }),
  ]);
  await environment.redis().stop();
  await until(async () => (await a.call('GET', '/health/ready')).status === 503);
  const ready = await a.call('GET', '/health/ready');
  expect(ready.json).toEqual({ success: false, errno: 503, message: 'UNAVAILABLE', missing: ['redis'] });
  expect((await a.call('GET', '/health/ready?exclude=mongo')).json.missing).toEqual(['redis']);
  expect((await a.call('GET', '/health/ready?exclude=mongo,redis')).json).toEqual({
    success: true,
    message: 'SUCCESS',
  });
  expect((await a.call('GET', '/health/ready?exclude=reddis')).status).toBe(400);
  expect((await a.call('GET', '/status')).status).toBe(200);
  expect((await a.call('POST', '/emit/outage/during', { n: 1 })).status).toBe(200);
  expect(await near.next('during')).toEqual([{ n: 1 }]);
  expect(await near.ask('join')).toEqual({ success: true, message: 'SUCCESS' });
  const newcomer = await connect(a, { claims: { uid: 'newcomer' } });
  expect(await newcomer.ask('join')).toEqual({ success: true, message: 'SUCCESS' });
  expect((await a.call('GET', '/users/outage/presence')).json).toMatchObject({ errno: 503, message: 'UNAVAILABLE' });
  expect((await a.call('GET', '/metrics')).text).toMatch(/gateway_redis_publish_failures_total [1-9]/);

  await environment.redis().start();
  await until(async () => (await a.call('GET', '/health/ready')).status === 200);
  await until(async () => (await b.call('GET', '/health/ready')).status === 200);
  await until(isWhole);
  await b.call('POST', '/emit/outage/after', { n: 2 });
  expect(await near.next('after')).toEqual([{ n: 2 }]);
  expect(await far.next('after')).toEqual([{ n: 2 }]);
  expect(far.received('during')).toEqual([]);
  const present = async (user: string) => (await b.call('GET', `/users/${user}/presence`)).json.data?.connections;
  await until(async () => (await present('outage')) === 2 && (await present('newcomer')) === 1);
  for (const client of [near, far, newcomer]) client.close();
});

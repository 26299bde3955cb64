import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect, refusal } from '../support/client.js';
import { API_KEY, signToken } from '../support/gateway.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

/** An id that would clear a terminal and begin a line of its own. */
const HOSTILE = 'eve\n\u001b[2J{"event":"forged"}';
const SECRETS = { payload: 'the-payload-of-a-call', key: 'a-key-that-is-not-known', token: signToken({ uid: 'ann' }) };

type Line = Readonly<Record<string, unknown>>;

let redis: TestRedis;
let node: GatewayProcess;

const lines = (): Line[] => node.lines.map((line) => JSON.parse(line) as Line);
const linesOf = (event: string): Line[] => lines().filter((line) => line['event'] === event);
const lineOf = async (event: string): Promise<Line> => {
  await until(() => linesOf(event).length > 0);
  return linesOf(event)[0] ?? {};
};

beforeAll(async () => {
  redis = await startRedis();
  node = await startGatewayProcess({
    REDIS_URL: redis.url,
    NODE_NAME: 'gateway-1',
    EVENT_LIMIT: '20',
    MAILBOX_MAX: '10',
    SOCKET_BUFFER_MAX: '300000',
    SHUTDOWN_TIMEOUT_MS: '60000',
  });
});
afterAll(async () => {
  await node.close();
  await redis.dispose();
});

test('a start logs each step as JSON with node, version and event, and nothing for developers', () => {
  expect(lines().map(({ event }) => event)).toEqual(
    expect.arrayContaining(['starting', 'dependency_ready', 'push_off', 'listening']),
  );
  expect(linesOf('dependency_ready').map(({ dependency }) => dependency)).toEqual(['mongo', 'redis']);
  for (const line of lines()) expect(line).toMatchObject({ node: 'gateway-1', version: expect.stringMatching(/^\d/) });
  expect(node.lines.join()).not.toContain('npm run token');
});

test('a kick names key, user and sockets', async () => {
  const clients = [
    await connect(node, { claims: { uid: HOSTILE } }),
    await connect(node, { namespace: '/v1/conversation', claims: { uid: HOSTILE } }),
  ];
  await until(async () =>
    /"connections":2/.test(await node.ask('GET', `/users/${encodeURIComponent(HOSTILE)}/presence`)),
  );
  await node.ask('POST', `/users/${encodeURIComponent(HOSTILE)}/disconnect`, { reason: SECRETS.payload });
  await Promise.all(clients.map(({ closed }) => closed));
  const digest = createHash('sha256').update(API_KEY).digest('hex');
  expect(await lineOf('kicked')).toMatchObject({
    level: 30,
    key: `sha256:${digest.slice(0, 8)}`,
    sockets: 2,
    socketsHere: 2,
    user: 'eve\\u000a\\u001b[2J{"event":"forged"}',
  });
});

test('a refused key names route, reason and address', async () => {
  const call = (headers: Record<string, string>) => fetch(`${node.url}/emit/ann/x`, { method: 'POST', headers });
  expect((await call({ 'x-api-key': SECRETS.key })).status).toBe(401);
  expect((await call({})).status).toBe(401);
  await until(() => linesOf('key_refused').length === 2);
  const place = { path: '/emit/:userId/:event', address: '127.0.0.1' };
  expect(linesOf('key_refused')).toMatchObject([
    { ...place, reason: 'the key is not one of EMIT_API_KEYS' },
    { ...place, reason: 'no key' },
  ]);
});

test('a flood of refused connections is one line', async () => {
  for (let count = 0; count < 30; count += 1) await refusal(node, { auth: { token: `${SECRETS.token}x` } });
  expect(await lineOf('connection_refused')).toMatchObject({ namespace: '/v1/shared', reason: 'INVALID_TOKEN' });
  expect(linesOf('connection_refused')).toHaveLength(1);
});

test('a user who reaches the rate limit is named once', async () => {
  const client = await connect(node, { claims: { uid: 'busy' } });
  await Promise.all(Array.from({ length: 40 }, () => client.ask('join', { secret: SECRETS.payload })));
  expect(await lineOf('rate_limit_reached')).toMatchObject({ limit: 'events', caller: 'user:busy' });
  expect(linesOf('rate_limit_reached')).toHaveLength(1);
  client.close();
});

test('a client whose token is too large is told, and named by its address', async () => {
  const client = new WebSocket(`${node.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  await once(client, 'message');
  client.send(`40/v1/shared,${JSON.stringify({ token: SECRETS.token.padEnd(40_000, 'x') })}`);
  const [code, reason] = await once(client, 'close');
  expect([code, String(reason)]).toEqual([1009, 'larger than the 32768 bytes of SOCKET_OPEN_MAX']);
  expect(await lineOf('first_frame_too_large')).toMatchObject({ level: 40, address: '127.0.0.1' });
});

test('a caller who floods is named once, with the socket', async () => {
  const client = await connect(node, { claims: { uid: 'flooder' } });
  for (let sent = 0; sent < 1500; sent += 1) client.socket.emit('unknown', SECRETS.payload);
  expect(await lineOf('flood')).toMatchObject({
    level: 40,
    caller: 'user:flooder',
    user: 'flooder',
    address: '127.0.0.1',
    namespace: '/v1/shared',
    socket: client.socket.id,
    packet: 'message',
  });
  expect(linesOf('flood')).toHaveLength(1);
  client.close();
});

test('a slow client names user, namespace and bytes', async () => {
  const slow = new WebSocket(`${node.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  await once(slow, 'message');
  slow.send(`40/v1/shared,${JSON.stringify({ token: signToken({ uid: 'slow' }) })}`);
  await once(slow, 'message');
  slow.pause();
  while (linesOf('slow_client_closed').length === 0) {
    await node.ask('POST', '/emit/slow/flood', `${SECRETS.payload}${'x'.repeat(200_000)}`);
  }
  const line = await lineOf('slow_client_closed');
  expect(line).toMatchObject({ user: 'slow', namespaces: ['/v1/shared'] });
  expect(line['bytes']).toBeGreaterThan(300_000);
  slow.terminate();
});

test('a device that loses messages names user, device and reason', async () => {
  const device = await connect(node, {
    claims: { uid: 'late' },
    auth: { token: signToken({ uid: 'late' }), deviceId: 'phone' },
  });
  await until(async () => /"deviceId":"phone"/.test(await node.ask('GET', '/users/late/deliveries')));
  device.close();
  while (linesOf('device_cut').length === 0) {
    await node.ask('POST', '/emit/late/m?durable=true', { secret: SECRETS.payload });
  }
  expect(await lineOf('device_cut')).toMatchObject({ user: 'late', device: 'phone', reason: 'overflow' });
});

test('a dependency that is lost and comes back is told twice', async () => {
  await redis.stop();
  expect(await lineOf('dependency_lost')).toMatchObject({ level: 50, dependency: 'redis' });
  await redis.start();
  const back = await lineOf('dependency_back');
  expect(back).toMatchObject({ level: 30, dependency: 'redis' });
  expect(back['awayMs']).toBeGreaterThan(0);
});

test('a stop logs each step and the counts; no line has a secret or a control character', async () => {
  await node.close();
  expect([node.exit, node.stderr]).toEqual([0, '']);
  const events = lines().map(({ event }) => event);
  expect(events.filter((event) => ['draining', 'drained', 'stopped'].includes(String(event)))).toEqual([
    'draining',
    'drained',
    'stopped',
  ]);
  expect(events.at(-1)).toBe('stopped');
  expect(new Set(node.lines).size).toBe(node.lines.length);
  expect(linesOf('connection_refused').at(-1)).toMatchObject({ reason: 'INVALID_TOKEN', omitted: 29 });
  expect(linesOf('forged')).toEqual([]);
  const all = node.lines.join('');
  expect([...Object.values(SECRETS), API_KEY].filter((secret) => all.includes(secret))).toEqual([]);
  expect(/\p{Cc}/u.test(all)).toBe(false);
});

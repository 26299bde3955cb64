import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/platform/time/clock.js';
import { createTestClock } from '../../support/clock.js';
import type { TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { connectSite, sent } from './site-client.js';
import { createSiteEnvironment, news, type SiteEnvironment } from './site-environment.js';

let environment: SiteEnvironment;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  environment = await createSiteEnvironment();
  [a, b] = await Promise.all([environment.start(), environment.start()]);
});
afterEach(() => {
  environment.website.answer = undefined;
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  await environment.close();
});

/** What the website was notified of a user, in order. */
function told(user: string): { field: string; body: unknown; authorization: string | undefined; meta: unknown }[] {
  return environment.website.to(`/users/${encodeURIComponent(user)}`).map(({ method, body, headers }) => {
    expect([method, headers['content-type']]).toEqual(['PUT', 'application/json']);
    const parsed = JSON.parse(body) as { user: object };
    const [field = ''] = Object.keys(parsed.user);
    return { field, body: parsed, authorization: headers.authorization, meta: headers['x-meta'] };
  });
}

/** The times that the website was notified of, in order. */
const timesTold = (user: string): number[] =>
  told(user).flatMap(({ body }) => Object.values((body as { user: Record<string, string> }).user).map(Date.parse));

const fieldsTold = (user: string): string[] => told(user).map(({ field }) => field);

test('the website is notified of the first connect and the last disconnect, over nodes', async () => {
  environment.website.rooms.set('t8', ['user_8']);
  const before = Date.now();
  const phone = await connectSite(a, 'news', { token: 't8', deviceId: 'phone', meta: 'm' });
  await until(() => told('8').length === 1);
  const laptop = await connectSite(b, 'news', { token: 't8', deviceId: 'laptop', meta: 'm' });
  await laptop.ask();
  phone.close();
  // What is sent to the device that is left is told after the other one has gone.
  await sent(a, news, { rooms: 'user_8', event: 'm' });
  await laptop.has(1);
  laptop.close();
  await until(() => told('8').length === 2);
  const again = await connectSite(b, 'news', { token: 't8', deviceId: 'phone', meta: 'm' });
  await until(() => told('8').length === 3);
  again.close();
  await until(() => told('8').length === 4);

  expect(fieldsTold('8')).toEqual(['last_connected', 'last_disconnected', 'last_connected', 'last_disconnected']);
  for (const { field, body, authorization, meta } of told('8')) {
    expect([authorization, meta]).toEqual(['Bearer t8', 'm']);
    const { user } = body as { user: Record<string, string> };
    expect(body).toEqual({ id: '8', user: { [field]: expect.any(String) } });
    const at = new Date(user[field] ?? '');
    expect(at.toISOString()).toBe(user[field]);
    expect(at.getTime()).toBeGreaterThanOrEqual(before);
  }
});

test.each(['a/b?c#d', '../admin', '$&', 'ü', ':id'])('the user id %s is supported', async (user) => {
  environment.website.rooms.set(encodeURIComponent(user), [`user_${user}`]);
  const client = await connectSite(a, 'news', { token: encodeURIComponent(user) });
  await until(() => told(user).length === 1);
  expect(told(user)[0]?.body).toMatchObject({ id: user });
  client.close();
  await until(() => told(user).length === 2);
});

test('only configured sites are notified, and only of users', async () => {
  environment.website.rooms.set('t-quiet', ['user_quiet', 'browse']);
  environment.website.rooms.set('t-unconfirmed', ['browse']);
  const clients = [
    await connectSite(a, 'shop', { token: 't-quiet' }),
    await connectSite(a, 'news', { token: 't-unconfirmed' }),
    await connectSite(a, 'news', {}),
  ];
  for (const client of clients) client.close();
  const last = await connectSite(b, 'news', { token: 't-quiet' });
  await until(() => told('quiet').length === 1);
  last.close();
  await until(() => told('quiet').length === 2);
  expect(fieldsTold('quiet')).toEqual(['last_connected', 'last_disconnected']);
  expect(
    environment.website.calls.filter(({ method, headers }) => method === 'PUT' && headers.authorization === undefined),
  ).toEqual([]);
});

test('credentials kept for the website cannot be read in Redis', async () => {
  environment.website.rooms.set('top-secret', ['user_sealed']);
  const client = await connectSite(a, 'news', { token: 'top-secret' });
  await until(() => told('sealed').length === 1);
  const redis = await createClient({ url: environment.redis.url }).connect();
  const stored: string[] = [];
  for await (const keys of redis.scanIterator()) {
    for (const key of keys) {
      const type = await redis.type(key);
      if (type === 'hash') stored.push(key, JSON.stringify(await redis.hGetAll(key)));
      if (type === 'string') stored.push(key, (await redis.get(key)) ?? '');
    }
  }
  await redis.close();
  expect(stored.some((text) => text.includes('sealed'))).toBe(true);
  expect(stored.filter((text) => text.includes('top-secret'))).toEqual([]);
  client.close();
  await until(() => told('sealed').length === 2);
  expect(told('sealed')[1]?.authorization).toBe('Bearer top-secret');
});

test('a failed call is retried three times, and no client waits for it', async () => {
  const clock = createTestClock();
  const alone = await environment.start({ REDIS_URL: '' }, { clock });
  let answers = 0;
  environment.website.answer = ({ method }, response) => {
    if (method === 'GET') return void response.end('["user_retry"]');
    answers += 1;
    if (answers === 1) return void response.socket?.destroy();
    // The second is never answered.
    if (answers > 2) response.writeHead(503).end();
  };
  const client = await connectSite(alone, 'news', { token: 'any' });
  await sent(alone, news, { rooms: 'user_retry', event: 'm' });
  await client.has(1);
  for (const [count, pauseMs] of [
    [1, 1000],
    [2, 5000 + 2000],
    [3, 4000],
  ] as const) {
    await until(() => told('retry').length === count);
    await clock.advanceUntil(pauseMs / 10, () => told('retry').length > count);
  }
  await until(() => answers === 4);
  // Whatever comes after that is told all the same.
  environment.website.answer = undefined;
  client.close();
  await clock.advanceUntil(10, () => told('retry').length === 5);
  expect(fieldsTold('retry')).toEqual([...Array(4).fill('last_connected'), 'last_disconnected']);
  await alone.close();
});

test('of the waiting updates of a user only the newest is sent', async () => {
  const clock = createTestClock();
  const alone = await environment.start({ REDIS_URL: '' }, { clock });
  const held: (() => void)[] = [];
  environment.website.answer = ({ method }, response) => {
    if (method === 'GET') response.end('["user_flapping"]');
    else held.push(() => response.end());
  };
  for (let round = 0; round < 5; round += 1) {
    const client = await connectSite(alone, 'news', { token: 'any' });
    const gone = new Promise((resolve) => client.socket.once('disconnect', resolve));
    client.close();
    await gone;
    // The gateway has noticed when it no longer counts the connection.
    await until(async () =>
      /gateway_connections\{namespace="\/news"\} 0/.test((await alone.call('GET', '/metrics')).text),
    );
    clock.advance(100);
  }
  expect(held).toHaveLength(1);
  environment.website.answer = undefined;
  held[0]?.();
  await until(() => told('flapping').length === 3);
  expect(fieldsTold('flapping')).toEqual(['last_connected', 'last_connected', 'last_disconnected']);
  await alone.close();
  expect(told('flapping')).toHaveLength(3);
});

test.each(['alone', 'among-others'])('a stopping node notifies the website of its users: %s', async (which) => {
  const user = `stop-${which}`;
  environment.website.rooms.set(user, [`user_${user}`]);
  const node = await environment.start(which === 'alone' ? { REDIS_URL: '' } : {});
  const client = await connectSite(node, 'news', { token: user });
  await until(() => told(user).length === 1);
  await node.close();
  await until(() => told(user).length === 2);
  expect(fieldsTold(user)).toEqual(['last_connected', 'last_disconnected']);
  client.close();
});

/** A clock that is so many minutes ahead. */
const aheadBy = (minutes: number): Clock => ({ ...systemClock, now: () => Date.now() + minutes * 60_000 });

test('the website is notified of times by one clock, whatever the clocks of the nodes show', async () => {
  environment.website.rooms.set('t-clocks', ['user_clocks']);
  const nodes = [
    await environment.start({}, { clock: aheadBy(7) }),
    await environment.start({}, { clock: aheadBy(-7) }),
  ];
  const from = Date.now();
  for (const [round, node] of [...nodes, ...nodes].entries()) {
    const client = await connectSite(node, 'news', { token: 't-clocks' });
    await until(() => told('clocks').length === 2 * round + 1);
    client.close();
    await until(() => told('clocks').length === 2 * round + 2);
  }
  const times = timesTold('clocks');
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(Math.min(...times)).toBeGreaterThanOrEqual(from);
  expect(Math.max(...times)).toBeLessThanOrEqual(Date.now());
  await Promise.all(nodes.map((node) => node.close()));
});

test('the website is notified of users who come and go while Redis is away', async () => {
  for (const user of ['stays', 'comes', 'goes']) environment.website.rooms.set(`t-${user}`, [`user_${user}`]);
  const [stays, goes] = [
    await connectSite(a, 'news', { token: 't-stays' }),
    await connectSite(a, 'news', { token: 't-goes' }),
  ];
  await until(() => told('stays').length === 1 && told('goes').length === 1);
  await environment.redis.stop();
  goes.close();
  const comes = await connectSite(b, 'news', { token: 't-comes' });
  await environment.redis.start();
  await until(() => told('comes').length === 1 && told('goes').length === 2);
  expect([fieldsTold('comes'), fieldsTold('goes').at(-1)]).toEqual([['last_connected'], 'last_disconnected']);
  expect(fieldsTold('stays').at(-1)).toBe('last_connected');
  for (const client of [stays, comes]) client.close();
  await until(() => ['stays', 'comes'].every((user) => fieldsTold(user).at(-1) === 'last_disconnected'));
});

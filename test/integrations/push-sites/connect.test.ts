import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { startEmbeddedDatabase } from '../../support/database.js';
import type { TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { openRaw } from '../../transport/hostile/raw-connection.js';
import { connectSite, sendTo, sent, siteRefusal } from './site-client.js';
import { createSiteEnvironment, news, plain, type SiteEnvironment } from './site-environment.js';

let environment: SiteEnvironment;
let gateway: TestGateway;
let clock: TestClock;

beforeAll(async () => {
  environment = await createSiteEnvironment();
  clock = createTestClock();
  gateway = await environment.start({ REDIS_URL: '', SOCKET_TRANSPORTS: 'websocket,polling' }, { clock });
});
afterEach(() => {
  environment.website.answer = undefined;
});
afterAll(async () => {
  await gateway.close();
  await environment.close();
});

const REFUSED = '44/shop,{"message":"Authentication failed","data":{"errno":401,"message":"INVALID_TOKEN"}}';

const NO_TOKEN = REFUSED.replace('Authentication failed', 'Auth error: no token');

const callsWith = (token: string) =>
  environment.website.calls.filter(
    ({ method, headers }) => method === 'GET' && headers.authorization?.endsWith(` ${token}`) === true,
  );

test('the website is asked with the headers of the site and the credentials of the client', async () => {
  environment.website.rooms.set('t1', ['user_1']);
  const clients = [
    await connectSite(gateway, 'news', { token: 't1', meta: '{"role":"x"}' }),
    await connectSite(gateway, 'shop', { token: 't1' }),
    await connectSite(gateway, 'shop', { auth: { token: 't1', meta: 'from auth' } }),
  ];
  expect(
    callsWith('t1').map(({ method, path, headers }) => [method, path, headers.authorization, headers['x-meta']]),
  ).toEqual([
    ['GET', '/rooms', 'Bearer t1', '{"role":"x"}'],
    ['GET', '/rooms', 'Token t1', undefined],
    ['GET', '/rooms', 'Token t1', 'from auth'],
  ]);
  for (const client of clients) client.close();
});

describe('a client is refused with the words of the original', () => {
  const respond = (status: number, body: string, headers: Record<string, string> = {}) => {
    environment.website.answer = (_call, response) => void response.writeHead(status, headers).end(body);
  };
  const ANSWERS: [name: string, answer: () => void, message: string][] = [
    ['401', () => respond(401, 'no'), 'Authentication failed'],
    ['403', () => respond(403, '["user_1"]'), 'Authentication failed'],
    ['500', () => respond(500, 'stack trace'), 'Auth 500 error'],
    ['404', () => respond(404, ''), 'Auth 404 error'],
    ['204', () => respond(204, ''), 'Auth 204 error'],
    ['201', () => respond(201, '["user_1"]'), 'Auth 201 error'],
    ['no room of a user', () => respond(200, '["staff", "User_1", "user_"]'), 'User is missing a private room'],
    ['no room at all', () => respond(200, '[]'), 'User is missing a private room'],
    ['no JSON', () => respond(200, '<html>'), 'Auth error: the answer is not JSON'],
    ['nothing', () => respond(200, ''), 'Auth error: the answer is not JSON'],
    ['an object', () => respond(200, '{"0":"user_1"}'), 'Auth error: the answer is not a list of room names'],
    ['numbers', () => respond(200, '["user_1", 2]'), 'Auth error: the answer is not a list of room names'],
    ['an empty name', () => respond(200, '["user_1", ""]'), 'Auth error: the answer is not a list of room names'],
    [
      '1001 rooms',
      () => respond(200, JSON.stringify(Array.from({ length: 1001 }, (_, n) => `user_${n}`))),
      'Auth error: the answer is not a list of room names',
    ],
    [
      'a megabyte',
      () => respond(200, JSON.stringify(['user_1', 'x'.repeat(1_000_000)])),
      'Auth error: the response is too large',
    ],
    ['a redirect to itself', () => respond(302, '', { location: '/rooms' }), 'Auth error: redirect loop'],
    [
      'a redirect elsewhere',
      () => respond(302, '', { location: 'file:///etc/passwd' }),
      'Auth error: it redirects to an invalid URL',
    ],
    ['a redirect to nowhere', () => respond(302, ''), 'Auth 302 error'],
  ];

  test.each(ANSWERS)('%s', async (name, answer, message) => {
    answer();
    expect(await siteRefusal(gateway, 'news', { token: `refused ${name}` })).toBe(message);
  });

  test('redirects without end', async () => {
    let count = 0;
    environment.website.answer = (_call, response) =>
      void response.writeHead(307, { location: `/rooms?${++count}` }).end();
    expect(await siteRefusal(gateway, 'news', { token: 'endless' })).toBe('Auth error: too many redirects');
    expect(count).toBeLessThan(10);
  });

  test('a website that closes the connection', async () => {
    environment.website.answer = (_call, response) => void response.socket?.destroy();
    expect(await siteRefusal(gateway, 'news', { token: 'hung' })).toBe('Auth error: no connection');
    expect(callsWith('hung')).toHaveLength(2);
  });

  test('a website that does not answer in time', async () => {
    environment.website.answer = () => undefined;
    const refused = siteRefusal(gateway, 'news', { token: 'slow' });
    await until(() => callsWith('slow').length === 1);
    clock.advance(4999);
    environment.website.rooms.set('other', ['user_o']);
    clock.advance(1);
    expect(await refused).toBe('Auth error: no answer in time');
    expect(callsWith('slow')).toHaveLength(1);
  });

  test('a website that never finishes its answer', async () => {
    let hasBegun = false;
    environment.website.answer = (_call, response) => {
      response.write('["user_1"');
      hasBegun = true;
    };
    const refused = siteRefusal(gateway, 'news', { token: 'trickle' });
    await until(() => hasBegun);
    clock.advance(5000);
    expect(await refused).toBe('Auth error: no answer in time');
  });

  test.each([
    ['no token, where nothing is public', 'shop', {}, 'Auth error: no token'],
    ['an empty token, where nothing is public', 'shop', { token: '' }, 'Auth error: no token'],
    ['a token that is no text', 'news', { auth: { token: { $gt: '' } } }, 'Auth error: the token cannot be sent'],
    ['a token that breaks the line', 'news', { auth: { token: 'a\r\nx: y' } }, 'Auth error: the token cannot be sent'],
    ['a token of 10 kB', 'news', { auth: { token: 'x'.repeat(10_000) } }, 'Auth error: the token cannot be sent'],
    ['a meta that is no header', 'news', { token: 't', meta: 'ü🚀' }, 'Auth error: the meta cannot be sent'],
    [
      'a device of 10 kB',
      'news',
      { auth: { token: 't', deviceId: 'd'.repeat(10_000) } },
      'Auth error: deviceId is not valid',
    ],
    [
      'a device that is no text',
      'news',
      { auth: { token: 't', deviceId: ['d'] } },
      'Auth error: deviceId is not valid',
    ],
  ])('%s', async (_name, site, options, message) => {
    const before = environment.website.to('/rooms').length;
    expect(await siteRefusal(gateway, site, options)).toBe(message);
    expect(environment.website.to('/rooms')).toHaveLength(before);
  });

  test('of repeated parameters only the last one counts', async () => {
    const answerTo = async (query: string): Promise<string | undefined> => {
      const raw = await openRaw(gateway, `EIO=4&${query}`);
      raw.send('40/shop,');
      const answer = await raw.next();
      raw.close();
      return answer;
    };
    environment.website.rooms.set('twice', ['user_twice']);
    expect(await answerTo('token=bad&token=twice')).toMatch(/^40\/shop,/);
    expect(await answerTo('token=twice&token=bad')).toBe(REFUSED);
    expect(await answerTo('token=twice&token=')).toBe(NO_TOKEN);
    expect(await answerTo('token[]=twice')).toBe(NO_TOKEN);
    expect(await answerTo(`token=twice&deviceId=a&deviceId=${'b'.repeat(129)}`)).toContain('deviceId is not valid');
  });
});

test('a refused connection is closed unless another namespace uses it', async () => {
  const alone = await openRaw(gateway);
  // Once it has been somewhere, no time limit ends a connection that does nothing.
  alone.send('40/news,');
  expect(await alone.next()).toMatch(/^40\/news,/);
  expect(await alone.next()).toContain('_settings');
  alone.send('41/news,');
  alone.send('40/shop,{"token":"bad"}');
  expect(await alone.next()).toBe(REFUSED);
  expect(await alone.next()).toBe(undefined);

  environment.website.rooms.set('t-both', ['user_both']);
  const both = await openRaw(gateway);
  both.send('40/news,{"token":"t-both"}');
  expect(await both.next()).toMatch(/^40\/news,/);
  expect(await both.next()).toBe('42/news,["_settings",{"device_ttl":3600}]');
  both.send('40/shop,{"token":"bad"}');
  expect(await both.next()).toBe(REFUSED);
  both.send('42/news,1["anything"]');
  expect(await both.next()).toContain('43/news,1[');
  both.close();
});

test('a client that is refused by a limit is told when it can come back', async () => {
  const limited = await environment.start({ REDIS_URL: '', REFUSED_CONNECTS_MAX: '1' }, { clock });
  onTestFinished(() => limited.close());
  expect(await siteRefusal(limited, 'shop', { token: 'bad' })).toBe('Authentication failed');
  await expect(connectSite(limited, 'shop', { token: 'bad' })).rejects.toMatchObject({
    message: 'Auth error: RATE_LIMITED',
    data: { errno: 429, message: 'RATE_LIMITED', retry_after: 10 },
  });
});

test('a redirect is followed without sending the token to another host', async () => {
  environment.website.rooms.set('t-moved', ['user_m']);
  environment.website.answer = (call, response) => {
    if (call.path === '/rooms') return void response.writeHead(302, { location: '/v2/rooms' }).end();
    if (call.path === '/v2/rooms') {
      const elsewhere = environment.website.url.replace('127.0.0.1', 'localhost');
      return void response.writeHead(302, { location: `${elsewhere}/v3` }).end();
    }
    response.end('["user_m"]');
  };
  const client = await connectSite(gateway, 'news', { token: 't-moved' });
  expect(callsWith('t-moved').map(({ path }) => path)).toEqual(['/rooms', '/v2/rooms']);
  expect(environment.website.to('/v3').map(({ headers }) => headers.authorization)).toEqual([undefined]);
  client.close();
});

test('a network error is retried once', async () => {
  environment.website.rooms.set('t-fault', ['user_f']);
  let faults = 0;
  environment.website.answer = ({ method }, response) => {
    faults += method === 'GET' ? 1 : 0;
    if (faults === 1) response.socket?.destroy();
    else response.end('["user_f"]');
  };
  const client = await connectSite(gateway, 'news', { token: 't-fault' });
  expect(callsWith('t-fault')).toHaveLength(2);
  client.close();
});

test('concurrent connects share one answer, which is cached briefly', async () => {
  environment.website.rooms.set('t-tabs', ['user_tabs', 'board']);
  const tabs = await Promise.all(
    Array.from({ length: 20 }, (_, n) => connectSite(gateway, 'news', { token: 't-tabs', deviceId: `${n}` })),
  );
  expect(callsWith('t-tabs')).toHaveLength(1);
  // Another site is another question, and so is another meta.
  const others = [
    await connectSite(gateway, 'shop', { token: 't-tabs' }),
    await connectSite(gateway, 'news', { token: 't-tabs', meta: 'm' }),
  ];
  expect(callsWith('t-tabs')).toHaveLength(3);

  clock.advance(5000);
  environment.website.rooms.set('t-tabs', ['user_tabs']);
  const later = await connectSite(gateway, 'news', { token: 't-tabs', deviceId: 'later' });
  expect(callsWith('t-tabs')).toHaveLength(4);
  await sent(gateway, news, { rooms: 'board', event: 'secret' });
  await sent(gateway, news, { rooms: 'user_tabs', event: 'own' });
  await later.has(1);
  expect(later.heard).toEqual([['own']]);
  for (const client of [...tabs, ...others, later]) client.close();
});

test('500 concurrent clients connect with a bounded number of concurrent calls', async () => {
  let [arrived, inProgress, busiest] = [0, 0, 0];
  const held: (() => void)[] = [];
  environment.website.answer = ({ method, headers }, response) => {
    if (method !== 'GET') return void response.end();
    const user = headers.authorization?.replace('Bearer storm-', '');
    held.push(() => {
      inProgress -= 1;
      response.end(JSON.stringify([`user_storm_${user}`, 'storm']));
    });
    arrived += 1;
    inProgress += 1;
    busiest = Math.max(busiest, inProgress);
    if (held.length === 32 || arrived === 500) void release();
  };
  const release = async (): Promise<void> => {
    // Whatever else is on its way has time to arrive.
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    for (const answer of held.splice(0)) answer();
  };
  const clients = Array.from({ length: 500 }, (_, n) =>
    connectSite(gateway, 'news', { token: `storm-${n}`, deviceId: 'd' }),
  );
  const connected = await Promise.all(clients);
  expect([arrived, busiest]).toEqual([500, 32]);
  await sent(gateway, news, { rooms: 'storm', event: 'm' });
  await Promise.all(connected.map((client) => client.has(1)));
  for (const client of connected) client.close();
});

test('clients that wait too long are refused, and a slow website does not delay other sites', async () => {
  const held: (() => void)[] = [];
  environment.website.answer = (call, response) => {
    // Users of the tests before may still be leaving; their updates are not what is held up here.
    if (call.method !== 'GET') return void response.end();
    if (call.headers.authorization?.startsWith('Token')) return void response.end('["user_1"]');
    held.push(() => response.end('["user_1"]'));
  };
  const waiting = Array.from({ length: 33 }, (_, n) => siteRefusal(gateway, 'news', { token: `held-${n}` }));
  await until(() => held.length === 32);
  const elsewhere = await connectSite(gateway, 'shop', { token: 'free' });
  clock.advance(5000);
  const refusals = await Promise.all(waiting);
  expect(refusals.filter((message) => message === 'Auth error: no answer in time')).toHaveLength(32);
  expect(refusals.filter((message) => message === 'Auth error: too many clients at once')).toHaveLength(1);
  elsewhere.close();
});

test('a client without a token receives only the public channel, and the website is not asked', async () => {
  environment.website.rooms.set('t-public', ['user_p', 'browse', 'staff']);
  environment.website.rooms.set('t-guest', ['browse', 'staff']);
  const before = environment.website.to('/rooms').length;
  const visitor = await connectSite(gateway, 'news', {});
  expect(environment.website.to('/rooms')).toHaveLength(before);
  const user = await connectSite(gateway, 'news', { token: 't-public', deviceId: 'd' });
  const guest = await connectSite(gateway, 'news', { token: 't-guest' });
  await sent(gateway, news, { rooms: ['browse'], event: 'offer', args: [1, 2] });
  await sent(gateway, news, { rooms: ['staff'], event: 'internal' });
  await sent(gateway, news, { rooms: ['staff', 'browse', 'user_p'], event: 'both' });
  await Promise.all([user.has(3), guest.has(3), visitor.has(2)]);
  await Promise.all([user.ask(), guest.ask(), visitor.ask()]);
  expect(visitor.heard).toEqual([['offer', 1, 2], ['both']]);
  expect(user.heard).toEqual([['offer', 1, 2], ['internal'], ['both']]);
  expect(guest.heard).toEqual([['offer', 1, 2], ['internal'], ['both']]);
  expect(visitor.wire[0]).toBe('_settings');
  for (const client of [visitor, user, guest]) client.close();
});

test('a site without users stores nothing', async () => {
  environment.website.rooms.set('t-plain', ['user_1', 'room']);
  await sent(gateway, plain, { rooms: ['user_1'], event: 'lost' });
  const client = await connectSite(gateway, 'plain', { token: 't-plain' });
  await sent(gateway, plain, { rooms: ['room', 'user_1'], event: 'm', args: ['x', 2] });
  await sent(gateway, plain, { rooms: ['elsewhere'], event: 'not here' });
  await client.has(1);
  await client.ask();
  expect(client.heard).toEqual([['m', 'x', 2]]);
  client.close();
});

test('client events to a site are answered and reach no other client', async () => {
  environment.website.rooms.set('t-talk', ['user_talk']);
  const client = await connectSite(gateway, 'news', { token: 't-talk' });
  for (const event of ['join', '_batch', 'send', '__proto__']) {
    expect(await new Promise((resolve) => client.socket.emit(event, { rooms: ['staff'] }, resolve))).toEqual({
      success: false,
      message: 'NOT_FOUND',
      additional_info: { errno: 404 },
    });
  }
  client.close();
});

test('while the database is away clients are refused and messages are neither stored nor sent', async () => {
  const database = await startEmbeddedDatabase();
  const away = await createSiteEnvironment(database);
  const node = await away.start({ REDIS_URL: '', MONGODB_SELECTION_TIMEOUT_MS: '1000' });
  away.website.rooms.set('t', ['user_1', 'browse']);
  const visitor = await connectSite(node, 'news', {});
  await database.kill();
  expect(await siteRefusal(node, 'news', { token: 't' })).toBe('Auth error: UNAVAILABLE');
  for (const rooms of [
    ['user_1', 'browse'],
    ['staff', 'browse'],
  ]) {
    const { status, json } = await sendTo(node, news, { rooms, event: 'half' });
    expect([status, json.message]).toEqual([503, 'UNAVAILABLE']);
  }
  await sent(node, news, { rooms: 'browse', event: 'needs no database' });
  await visitor.has(1);
  expect(visitor.heard).toEqual([['needs no database']]);
  visitor.close();
  await node.close();
  await away.close();
});

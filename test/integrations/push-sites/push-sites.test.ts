import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../support/client.js';
import { startDatabase } from '../../support/database.js';
import { API_KEY, type TestGateway } from '../../support/gateway.js';
import { type MongoProxy, nameOf, startMongoProxy } from '../../support/mongo-proxy.js';
import { until } from '../../support/until.js';
import { connectSite, type SiteClient, sendTo, sent } from './site-client.js';
import { createSiteEnvironment, news, type SiteEnvironment, shop } from './site-environment.js';
import type { Website } from './website.js';

let environment: SiteEnvironment;
let website: Website;
let proxy: MongoProxy;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  const database = await startDatabase();
  proxy = await startMongoProxy(database.url);
  environment = await createSiteEnvironment({ ...database, url: proxy.url() });
  website = environment.website;
  [a, b] = await Promise.all([environment.start({ DEVICE_TTL: '60' }), environment.start()]);
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  await environment.close();
  await proxy.close();
});

describe('sending', () => {
  test('reaches a user over nodes with exactly the sent arguments, after the settings event', async () => {
    website.rooms.set('t-live', ['user_live']);
    const client = await connectSite(b, 'news', { token: 't-live', deviceId: 'd' });
    await sent(a, news, { rooms: ['user_live'], event: 'update_store', args: ['user', { id: 1, age: 5 }] });
    await sent(a, news, { rooms: 'user_live', event: 'none' });
    await sent(a, news, { rooms: 'user_live', event: 'one', args: { $set: { 'a.b': [null] } } });
    await sent(a, news, { rooms: 'user_live', event: 'null', args: null });
    await sent(a, news, { rooms: 'user_live', event: 'empty', args: [] });
    await sent(a, news, { rooms: 'user_live', event: 'list', args: [[1], 'x', false] });
    await client.has(6);
    expect(client.heard).toEqual([
      ['update_store', 'user', { id: 1, age: 5 }],
      ['none'],
      ['one', { $set: { 'a.b': [null] } }],
      ['null', null],
      ['empty'],
      ['list', [1], 'x', false],
    ]);
    expect(client.wire[0]).toBe('_settings');
    client.close();
  });

  test('waits for absent and unknown users, and arrives as one batch after the settings event', async () => {
    website.rooms.set('t-away', ['user_away']);
    for (const n of [1, 2, 3]) await sent(a, news, { rooms: ['user_away'], event: 'm', args: [n] });
    const client = await connectSite(b, 'news', { token: 't-away', deviceId: 'd' });
    await client.has(3);
    expect(client.heard).toEqual([
      ['m', 1],
      ['m', 2],
      ['m', 3],
    ]);
    expect(client.wire).toEqual(['_settings', '_batch']);
    client.close();
    await sent(b, news, { rooms: ['user_away'], event: 'm', args: [4] });
    const back = await connectSite(a, 'news', { token: 't-away', deviceId: 'd' });
    await back.has(1);
    expect(back.heard).toEqual([['m', 4]]);
    back.close();
  });

  test('delivers everything sent after a new device saw its connect', async () => {
    website.rooms.set('t-next', ['user_next', 'team']);
    const first = await connectSite(a, 'news', { token: 't-next', deviceId: 'first' });
    // What is noted about a device takes long now; taking a message does not.
    proxy.rules.onCommand = async (command) => {
      if (nameOf(command) === 'update') await setTimeout(500);
      return undefined;
    };
    const next = await connectSite(b, 'news', { token: 't-next', deviceId: 'next' });
    await sent(a, news, { rooms: ['team'], event: 'm', args: [1] });
    proxy.rules = {};
    await Promise.all([next.has(1), first.has(1)]);
    expect(next.heard).toEqual([['m', 1]]);
    for (const client of [first, next]) client.close();
  });

  test('announces how many seconds messages are kept', async () => {
    website.rooms.set('t-ttl', ['user_ttl']);
    const client = await connectSite(a, 'news', { token: 't-ttl' });
    await client.ask();
    expect(client.settings).toEqual([{ device_ttl: 60 }]);
    client.close();
  });

  test('delivers to each user of a shared room once, connected or not, and after a restart', async () => {
    website.rooms.set('t-s1', ['user_s1', 'staff', 'night']);
    website.rooms.set('t-s2', ['user_s2', 'staff']);
    website.rooms.set('t-s3', ['user_s3', 'Staff']);
    const [one, two, three] = await Promise.all([
      connectSite(b, 'news', { token: 't-s1', deviceId: 'd' }),
      connectSite(b, 'news', { token: 't-s2', deviceId: 'd' }),
      connectSite(b, 'news', { token: 't-s3', deviceId: 'd' }),
    ]);
    await sent(a, news, { rooms: ['staff', 'night', 'user_s1', 'staff'], event: 'm', args: [1] });
    await Promise.all([one.has(1), two.has(1)]);
    two.close();
    await until(async () => !two.socket.connected);

    await a.close();
    a = await environment.start();
    await sent(a, news, { rooms: ['staff'], event: 'm', args: [2] });
    await one.has(2);
    await Promise.all([one.ask(), three.ask()]);
    expect(one.heard).toEqual([
      ['m', 1],
      ['m', 2],
    ]);
    expect(three.heard).toEqual([]);
    const back = await connectSite(a, 'news', { token: 't-s2', deviceId: 'd' });
    await back.has(1);
    expect(back.heard).toEqual([['m', 2]]);
    for (const client of [one, three, back]) client.close();
  });

  test('drops a removed room at the next connect', async () => {
    website.rooms.set('t-r', ['user_r', 'board']);
    const before = await connectSite(a, 'news', { token: 't-r', deviceId: 'd' });
    before.close();
    website.rooms.set('t-r2', ['user_r']);
    const after = await connectSite(b, 'news', { token: 't-r2', deviceId: 'd' });
    await sent(a, news, { rooms: ['board'], event: 'secret' });
    await sent(a, news, { rooms: ['user_r'], event: 'own' });
    await after.has(1);
    expect(after.heard).toEqual([['own']]);
    after.close();
  });
});

describe('resync', () => {
  /** Three messages that have come one by one, none of them acknowledged. */
  const stream = async (client: SiteClient, user: string, query: string): Promise<void> => {
    // What comes as a batch holds up what is after it until it is acknowledged.
    for (let n = 0; client.wire.at(-1) !== 'ready'; n += 1) {
      await sent(a, news, { rooms: [`user_${user}`], event: 'ready' });
      await client.has(n + 1);
      client.acknowledge(n);
    }
    const before = client.heard.length;
    for (const n of [1, 2, 3]) await sent(a, news, { rooms: [`user_${user}`], event: 'm', args: [n] }, query);
    await client.has(before + 3);
    client.acknowledge(before + 1);
  };

  test('restarts a device that acknowledges out of order', async () => {
    website.rooms.set('t-resync', ['user_resync']);
    const client = await connectSite(b, 'news', { token: 't-resync', deviceId: 'd', isHeld: true });
    await stream(client, 'resync', '&resync=true');
    await until(() => client.wire.includes('_resync'));
    client.close();
    const back = await connectSite(a, 'news', { token: 't-resync', deviceId: 'd' });
    await sent(a, news, { rooms: ['user_resync'], event: 'm', args: [4] });
    await back.has(1);
    expect(back.heard).toEqual([['m', 4]]);
    back.close();
  });

  test.each(['', '&resync=', '&resync=0', '&resync=false'])('is off: %j', async (query) => {
    const user = `off${query}`;
    website.rooms.set(user, [`user_${user}`]);
    const client = await connectSite(b, 'news', { token: user, deviceId: 'd', isHeld: true });
    await stream(client, user, query);
    await client.ask();
    client.close();
    const back = await connectSite(a, 'news', { token: user, deviceId: 'd' });
    await until(() => back.heard.length >= 2);
    await back.ask();
    expect(back.heard.map(([, n]) => n)).toEqual(expect.arrayContaining([1, 3]));
    expect([...client.wire, ...back.wire]).not.toContain('_resync');
    back.close();
  });
});

describe('sites', () => {
  test('are isolated for any names of users, devices and rooms', async () => {
    website.rooms.set('same', ['user_1', 'staff']);
    website.rooms.set('odd', ['user_odd:1', 'staff:x']);
    website.rooms.set('ours alone', ['user_two']);
    website.rooms.set('theirs alone', ['user_two', 'staff']);
    const [ours, theirs, odd, user] = await Promise.all([
      connectSite(b, 'news', { token: 'same', deviceId: 'd' }),
      connectSite(a, 'shop', { token: 'same', deviceId: 'd' }),
      connectSite(b, 'shop', { token: 'odd', deviceId: '*' }),
      connect(b, { claims: { uid: '1' } }),
    ]);
    await sent(a, news, { rooms: ['user_1', 'staff', 'user_odd:1', 'staff:x'], event: 'ours' });
    await sent(b, shop, { rooms: ['staff'], event: 'theirs' });
    await a.call('POST', '/emit/1/general?durable=true&namespace=*', {});
    await Promise.all([ours.has(1), theirs.has(1), user.next('general')]);
    await Promise.all([ours.ask(), theirs.ask(), odd.ask(), user.ask('join')]);
    expect(ours.heard).toEqual([['ours']]);
    expect(theirs.heard).toEqual([['theirs']]);
    expect(odd.heard).toEqual([]);
    expect(user.received('ours')).toEqual([]);
    for (const client of [ours, theirs, odd, user]) client.close();
    // A user of the same name is in the room, but at the other site.
    const [here, there] = await Promise.all([
      connectSite(a, 'news', { auth: { token: 'ours alone', deviceId: 'd' } }),
      connectSite(a, 'shop', { auth: { token: 'theirs alone', deviceId: 'd' } }),
    ]);
    await sent(a, news, { rooms: ['staff'], event: 'not for two' });
    await sent(a, news, { rooms: ['user_two'], event: 'for two' });
    await here.has(1);
    await there.ask();
    expect([here.heard, there.heard]).toEqual([[['for two']], []]);
    for (const client of [here, there]) client.close();
    // The same after the queues were kept: nothing of the other site is in them.
    await sent(a, news, { rooms: ['user_1'], event: 'kept by news' });
    const back = await connectSite(a, 'shop', { token: 'same', deviceId: 'd' });
    await sent(a, shop, { rooms: ['user_1'], event: 'kept by shop' });
    await back.has(1);
    expect(back.heard).toEqual([['kept by shop']]);
    back.close();
  });

  test.each(['*', 'a:b', '__proto__', '"],["', 'constructor', 'ü\u0000', '%', '$where'])(
    'keep the devices and users apart that are called %j',
    async (name) => {
      website.rooms.set(`odd ${encodeURIComponent(name)}`, [`user_${name}`, name]);
      const auth = { token: `odd ${encodeURIComponent(name)}`, deviceId: name };
      const first = await connectSite(b, 'news', { auth });
      first.close();
      await until(async () => !first.socket.connected);
      await sent(a, news, { rooms: [`user_${name}`], event: 'm', args: [name] });
      await sent(a, news, { rooms: [name], event: 'room' });
      const again = await connectSite(a, 'news', { auth });
      await again.has(2);
      expect(again.heard).toEqual([['m', name], ['room']]);
      again.close();
    },
  );

  test('refuse the key of another site and the key of the gateway', async () => {
    for (const [site, key] of [
      ['news', shop.key],
      ['shop', news.key],
      ['shop', '54321'],
      ['news', API_KEY],
      ['__proto__', 'x'],
      ['constructor', 'x'],
      ['nowhere', 'x'],
      ['', API_KEY],
    ] as const) {
      const { status, text } = await sendTo(a, { name: site, key }, { rooms: ['user_1'], event: 'm' });
      const missing = [400, "Missing query param 'site' or 'apiKey'."];
      expect([site, status, text]).toEqual([site, ...(site === '' ? missing : [401, 'ApiKey invalid.'])]);
    }
  });
});

describe('the key of a site', () => {
  const post = (query: string, headers: Record<string, string> = {}, body = '{"rooms":["user_k"],"event":"m"}') =>
    a.call('POST', `/send?${query}`, body, { 'x-api-key': '', ...headers });

  test('is accepted in the query or in a header', async () => {
    const key = encodeURIComponent(news.key);
    expect([(await post(`site=news&apiKey=${key}`)).text]).toEqual(['OK']);
    expect([(await post('site=news', { 'x-api-key': news.key })).text]).toEqual(['OK']);
    expect([(await post('site=news&apiKey=', { 'x-api-key': news.key })).text]).toEqual(['OK']);
    expect((await post('site=news&apiKey=no', { 'x-api-key': news.key })).status).toBe(401);
    expect((await post('site=news', { authorization: `Bearer ${news.key}` })).status).toBe(400);
    for (const query of [
      '',
      'site=news',
      `apiKey=${key}`,
      `site=news&site=news&apiKey=${key}`,
      `site[]=news&apiKey=${key}`,
    ]) {
      const { status, text, headers } = await post(query);
      expect([query, status, text]).toEqual([query, 400, "Missing query param 'site' or 'apiKey'."]);
      expect(headers.get('content-type')).toMatch('text/plain');
    }
    expect((await post(`site=news&apiKey=${key}&apiKey=${key}`)).status).toBe(400);
  });

  test('is checked before the body is read', async () => {
    const tcp = connectTcp(a.port, '127.0.0.1');
    let heard = '';
    tcp.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    tcp.write(
      'POST /send?site=news&apiKey=no HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{',
    );
    await until(() => heard.includes('ApiKey invalid.'));
    expect(heard).toMatch(/^HTTP\/1\.1 401 /);
    tcp.destroy();
    await once(tcp, 'close');
    expect((await post('site=news&apiKey=no', {}, '{'.repeat(2_000_000))).status).toBe(401);
  });
});

describe('a message', () => {
  const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `user_${n}`);
  const REFUSED: [name: string, message: unknown, path: string][] = [
    ['nothing', {}, 'rooms'],
    ['null', null, ''],
    ['a list', [], ''],
    ['no rooms', { rooms: [], event: 'm' }, 'rooms'],
    ['1,001 rooms', { rooms: names(1001), event: 'm' }, 'rooms'],
    ['rooms that are no names', { rooms: [1], event: 'm' }, 'rooms'],
    ['rooms that are an object', { rooms: { $in: ['user_1'] }, event: 'm' }, 'rooms'],
    ['an empty room', { rooms: '', event: 'm' }, 'rooms'],
    ['a room of 10 kB', { rooms: ['r'.repeat(10_000)], event: 'm' }, 'rooms.0'],
    ['half a character', { rooms: ['\ud800'], event: 'm' }, 'rooms.0'],
    ['no event', { rooms: 'user_1' }, 'event'],
    ['an event that is no name', { rooms: 'user_1', event: 7 }, 'event'],
    ...[
      'connect',
      'connect_error',
      'disconnect',
      'disconnecting',
      'newListener',
      '_batch',
      '_resync',
      '_',
      'e'.repeat(129),
      '',
    ].map((event): [string, unknown, string] => [
      `the event ${event.slice(0, 20)}`,
      { rooms: 'user_1', event },
      'event',
    ]),
  ];

  test.each(REFUSED)('is refused with %s', async (_name, message, path) => {
    const { status, json } = await sendTo(a, news, message as Record<string, unknown>);
    expect([status, json.message, json.details[0].path]).toEqual([400, 'VALIDATION_ERROR', path]);
  });

  test('is refused when it is too large, too deep or unreadable', async () => {
    const query = `/send?site=shop&apiKey=${shop.key}`;
    const large = await a.call(
      'POST',
      query,
      JSON.stringify({ rooms: 'user_1', event: 'm', args: 'x'.repeat(2_000_000) }),
    );
    expect([large.status, large.json.message]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    for (const body of ['{', `{"rooms":"user_1","event":"m","args":${'['.repeat(1000)}${']'.repeat(1000)}}`]) {
      expect((await a.call('POST', query, body)).json.message).toBe('VALIDATION_ERROR');
    }
    const text = await a.call('POST', query, 'rooms=1', { 'content-type': 'text/plain' });
    expect(text.json.message).toBe('VALIDATION_ERROR');
    const again = await a.call('POST', `${query}&resync=1&resync=1`, { rooms: 'user_1', event: 'm' });
    expect(again.json.details[0].path).toBe('resync');
  });

  test('can be a form', async () => {
    website.rooms.set('t-form', ['user_form']);
    const client = await connectSite(b, 'news', { token: 't-form', deviceId: 'd' });
    const post = (body: string) =>
      a.call('POST', `/send?site=news&apiKey=${news.key}`, body, {
        'content-type': 'application/x-www-form-urlencoded',
      });
    expect((await post('rooms=user_form&event=one&args=x')).text).toBe('OK');
    expect((await post('rooms[]=user_form&rooms[]=night&event=two&args[]=user&args[][id]=1')).text).toBe('OK');
    const many = names(999).map((room, n) => `rooms[${n}]=${room}`);
    expect((await post([...many, 'rooms[999]=user_form', 'event=many'].join('&'))).text).toBe('OK');
    expect((await post('event=none')).json.details[0].path).toBe('rooms');
    expect((await post(`rooms=user_form&event=m&${'a=1&'.repeat(10_000)}`)).status).toBe(413);
    expect((await post(`rooms=user_form&event=m&args${'[a]'.repeat(1000)}=1`)).status).toBe(400);
    await client.has(3);
    expect(client.heard).toEqual([['one', 'x'], ['two', 'user', { id: '1' }], ['many']]);
    client.close();
  });

  test('keeps object keys as they are', async () => {
    website.rooms.set('t-keys', ['user_keys']);
    const client = await connectSite(b, 'news', { token: 't-keys', deviceId: 'd' });
    const args = '[{"__proto__":{"isPolluted":true},"constructor":1,"$set":{"a.b":1}}]';
    await a.call('POST', `/send?site=news&apiKey=${news.key}`, `{"rooms":"user_keys","event":"m","args":${args}}`);
    await client.has(1);
    expect(JSON.stringify(client.heard[0]?.slice(1))).toBe(args);
    expect({}).not.toHaveProperty('isPolluted');
    client.close();
  });

  test('to a room of many users reaches each of them once and in order, on all nodes', async () => {
    for (let n = 0; n < 40; n += 1) website.rooms.set(`many-${n}`, [`user_many_${n}`, 'crowd']);
    const clients = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        connectSite(n % 2 === 0 ? a : b, 'shop', { token: `many-${n}`, deviceId: 'd' }),
      ),
    );
    for (const n of [1, 2, 3]) await sent(a, shop, { rooms: ['crowd'], event: 'm', args: [n] });
    await Promise.all(clients.map((client) => client.has(3)));
    expect(clients.every(({ heard }) => JSON.stringify(heard) === '[["m",1],["m",2],["m",3]]')).toBe(true);
    for (const client of clients) client.close();
  });
});

test('the health check answers with one word', async () => {
  const { status, text, headers } = await a.call('GET', '/healthcheck', undefined, { 'x-api-key': '' });
  expect([status, text, headers.get('content-type')]).toEqual([200, 'ok', 'text/plain; charset=utf-8']);
});

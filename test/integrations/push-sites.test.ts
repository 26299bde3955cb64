import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedDatabase, startEmbedded } from '../../src/embedded/index.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { connectSite, sent } from './site-client.js';
import { openWebsite, type Website } from './website.js';

const news = { name: 'news', key: 'key of news' };

let directory: string;
let redis: TestRedis;
let database: EmbeddedDatabase;
let website: Website;
let env: Record<string, string>;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  [redis, database, website] = await Promise.all([startRedis(), startEmbedded({ directory }), openWebsite()]);
  const SITES_FILE = join(directory, 'sites.yml');
  await writeFile(
    SITES_FILE,
    `news: { authUrl: "${website.url}/rooms", apiKey: key of news, userRoomPrefix: user_, publicChannel: browse }
shop:
  authUrl: ${website.url}/rooms
  authScheme: Token
  apiKey: 054321
  userRoomPrefix: user_
plain: { authUrl: "${website.url}/rooms", apiKey: p }
`,
  );
  env = { REDIS_URL: redis.url, MONGODB_URL: database.url, SITES_FILE, EVENT_LIMIT: '100000', DEVICE_TTL: '60' };
  [a, b] = await Promise.all([startGateway(env), startGateway(env)]);
});
afterEach(() => {
  website.answer = undefined;
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  await Promise.all([redis.dispose(), database.stop(), website.close()]);
  await rm(directory, { recursive: true, force: true });
});

describe('sending', () => {
  test('reaches a user over nodes with exactly the arguments that were sent, after the settings', async () => {
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

  test('waits for whoever is away or was never seen, and comes as one batch after the settings', async () => {
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

  test('tells the time that messages wait as a number of seconds', async () => {
    website.rooms.set('t-ttl', ['user_ttl']);
    const client = await connectSite(a, 'news', { token: 't-ttl' });
    const settings = new Promise((resolve) => client.socket.once('_settings', resolve));
    await client.ask();
    client.close();
    const socket = await connectSite(a, 'news', { token: 't-ttl', isHeld: true });
    socket.close();
    expect(client.wire).toEqual(['_settings']);
    void settings;
  });

  test('a shared room reaches its users once each, connected or not, and after a restart', async () => {
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
    a = await startGateway(env);
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

  test('a room that was taken away is gone at the next connect', async () => {
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

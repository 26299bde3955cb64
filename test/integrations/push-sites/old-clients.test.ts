import oldIo from 'socket.io-client-2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../support/client.js';
import type { TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { openRaw } from '../../transport/hostile/raw-connection.js';
import { connectSite, sent } from './site-client.js';
import { createSiteEnvironment, news, type SiteEnvironment } from './site-environment.js';

let environment: SiteEnvironment;
let gateway: TestGateway;

beforeAll(async () => {
  environment = await createSiteEnvironment();
  gateway = await environment.start({ ALLOW_EIO3: 'true', SOCKET_TRANSPORTS: 'websocket,polling' });
});
afterAll(async () => {
  await gateway.close();
  await environment.close();
});

interface OldClient {
  readonly socket: ReturnType<typeof oldIo>;
  /** `[event, ...arguments]` of everything, out of batches too. */
  readonly heard: unknown[][];
  readonly settings: unknown[];
}

/** Connects with a client of Socket.IO 2. @throws Error with what its `error` event was given */
async function connectOld(path: string, options: Record<string, unknown> = {}): Promise<OldClient> {
  const socket = oldIo(gateway.url + path, { forceNew: true, reconnection: false, ...options });
  const heard: unknown[][] = [];
  const settings: unknown[] = [];
  socket.on('_settings', (told: unknown) => settings.push(told));
  socket.on('_batch', (events: unknown[][], acknowledge: () => void) => {
    heard.push(...events);
    acknowledge();
  });
  socket.on('m', (...args: unknown[]) => {
    const acknowledge = args.at(-1);
    heard.push(['m', ...(typeof acknowledge === 'function' ? args.slice(0, -1) : args)]);
    if (typeof acknowledge === 'function') acknowledge();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (told: unknown) => reject(new Error(String(told))));
  });
  return { socket, heard, settings };
}

describe.each([
  ['polling, then a websocket', {}],
  ['polling alone', { transports: ['polling'] }],
  ['a websocket alone', { transports: ['websocket'] }],
])('a client of Socket.IO 2 over %s', (name, options) => {
  const user = name.replaceAll(/\W/g, '');

  test('receives waiting and new messages, and is refused like any other client', async () => {
    environment.website.rooms.set(user, [`user_${user}`, 'staff', 'browse']);
    for (const n of [1, 2]) await sent(gateway, news, { rooms: [`user_${user}`], event: 'm', args: [n] });
    const client = await connectOld(`/news?token=${user}&deviceId=d`, options);
    await until(() => client.heard.length === 2);
    await sent(gateway, news, { rooms: ['staff'], event: 'm', args: ['room', { id: 1 }] });
    await sent(gateway, news, { rooms: ['browse'], event: 'm', args: ['public'] });
    await until(() => client.heard.length === 4);
    expect(client.settings).toEqual([{ device_ttl: 3600 }]);
    expect(client.heard).toEqual([
      ['m', 1],
      ['m', 2],
      ['m', 'room', { id: 1 }],
      ['m', 'public'],
    ]);
    client.socket.close();
    await until(() => environment.website.to(`/users/${user}`).length === 2);
    await expect(connectOld('/news?token=bad', options)).rejects.toThrow('Authentication failed');
    const visitor = await connectOld('/news', options);
    visitor.socket.close();
  });
});

test('the connection of a refused old client is closed', async () => {
  const socket = oldIo(`${gateway.url}/shop?token=bad`, { forceNew: true, reconnection: false });
  const ended = new Promise((resolve) => socket.io.on('close', resolve));
  const told = await new Promise((resolve) => socket.once('error', resolve));
  expect(told).toBe('Authentication failed');
  await ended;
});

test('an old client can neither receive nor send in the default namespace', async () => {
  const raw = await openRaw(gateway, 'EIO=3');
  expect(await raw.next()).toBe('40');
  environment.website.rooms.set('t-root', ['user_root']);
  raw.send('42["join",{"channel":"x"}]');
  raw.send('420["join",{}]');
  raw.send('40/news?token=t-root,');
  expect(await raw.next()).toBe('40/news,');
  expect(await raw.next()).toBe('42/news,["_settings",{"device_ttl":3600}]');
  raw.send('42/news,1["anything"]');
  expect(await raw.next()).toContain('43/news,1[');
  raw.close();
});

test('an unknown namespace of an old client has no effect', async () => {
  const bystander = await connect(gateway, { claims: { uid: 'bystander' } });
  for (const frame of [
    '40//,',
    '40/news?token=%E0%A4%A,',
    '40/%00,',
    '40/__proto__?__proto__=1,',
    '40/news?__proto__=1&token=,',
  ]) {
    const raw = await openRaw(gateway, 'EIO=3');
    await raw.next();
    raw.send(frame);
    raw.send('42/news,1["anything"]');
    await raw.next();
    raw.close();
  }
  expect(await bystander.ask('join', {})).toMatchObject({ success: true });
  bystander.close();
});

test('a gateway that does not allow old clients refuses them', async () => {
  const strict = await environment.start({ SOCKET_TRANSPORTS: 'websocket,polling' });
  const response = await fetch(`${strict.url}/socket.io/?EIO=3&transport=polling`);
  expect(response.status).toBe(400);
  const client = await connectSite(strict, 'news', {});
  client.close();
  await strict.close();
});

import { get } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/platform/logging/logger.js';
import { connect, openSocket } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

const clock = createTestClock();
const lines: Record<string, unknown>[] = [];
const logger = createLogger(
  { level: 'info', isPretty: false },
  { write: (line: string) => void lines.push(JSON.parse(line)) },
);
const linesAbout = (words: string) => lines.filter(({ msg }) => String(msg).includes(words));

let gateway: TestGateway;

beforeAll(async () => {
  const CORS_ORIGINS = ' "https://Shop.Example:443/", http://localhost:8080/ ,https://shop.example';
  gateway = await startGateway({ CORS_ORIGINS }, { clock, logger });
});
afterAll(() => gateway.close());

/** Asks for a websocket. @returns the answer of a server that refuses */
const upgrade = (path: string): Promise<{ status: number | undefined; body: string }> =>
  new Promise((resolve, reject) => {
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    const asked = get(new URL(path, gateway.url), { headers });
    asked.on('error', reject);
    asked.on('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('the websocket was opened'));
    });
    asked.on('response', (response) => {
      void readText(response).then((body) => resolve({ status: response.statusCode, body }), reject);
    });
  });

const POLL = '/socket.io/?EIO=4&transport=polling';

describe('a client that tries polling where only websockets are enabled', () => {
  test('gets the reason, which is logged too', async () => {
    lines.length = 0;
    const { status, json } = await gateway.call('GET', POLL, undefined, { 'user-agent': 'python/3.12' });
    expect(status).toBe(400);
    expect(json.message).toBe(
      'Transport unknown: this server takes websocket only; connect with transports: ["websocket"]',
    );
    expect(linesAbout('transport')).toEqual([
      expect.objectContaining({ enabled: ['websocket'], userAgent: 'python/3.12' }),
    ]);
  });

  test('writes ten lines a minute and no more', async () => {
    clock.advance(60_000);
    lines.length = 0;
    const agent = 'x'.repeat(5000);
    for (let count = 0; count < 30; count += 1) {
      await gateway.call('GET', POLL, undefined, { 'user-agent': agent });
      await gateway.call('GET', '/socket.io/?EIO=4&transport=pigeon');
    }
    expect(linesAbout('transport')).toHaveLength(10);
    expect(String(lines[0]?.['userAgent'])).toHaveLength(200);
    clock.advance(60_000);
    expect(linesAbout('transport')).toHaveLength(11);
    expect(lines.at(-1)).toMatchObject({ omitted: 50 });
    clock.advance(60_000);
    expect(lines).toHaveLength(11);
  });

  test('gets the enabled transports when only polling is enabled', async () => {
    const polling = await startGateway({ SOCKET_TRANSPORTS: 'polling' });
    const { json } = await polling.call('GET', '/socket.io/?EIO=4&transport=websocket');
    expect(json.message).toMatch(/this server takes polling only/);
    await polling.close();
  });
});

test('a polling client whose requests reach different nodes gets the reason, which is logged too', async () => {
  const polling = { SOCKET_TRANSPORTS: 'websocket,polling' };
  const [first, second] = await Promise.all([startGateway(polling), startGateway(polling, { logger })]);
  lines.length = 0;
  const opened = (await first.call('GET', POLL)).text;
  const { sid } = JSON.parse(opened.slice(1));
  const { status, json } = await second.call('GET', `${POLL}&sid=${sid}`, undefined, { 'user-agent': 'python/3.12' });
  expect(status).toBe(400);
  expect(json.message).toMatch(/on another node; polling needs sticky sessions/);
  expect(linesAbout('polling client')).toEqual([
    expect.objectContaining({ event: 'session_unknown', userAgent: 'python/3.12' }),
  ]);
  await Promise.all([first.close(), second.close()]);
});

test('a polling client whose token is too large gets the reason, which is logged too', async () => {
  lines.length = 0;
  const polling = await startGateway({ SOCKET_TRANSPORTS: 'websocket,polling' }, { logger });
  const options = { transports: ['polling'], reconnection: false, auth: { token: 'x'.repeat(40_000) } };
  const socket = openSocket(polling, options);
  const ended = new Promise<void>((resolve) => socket.io.once('close', () => resolve()));
  const error = await new Promise<Error & { data?: unknown }>((resolve) => socket.once('connect_error', resolve));
  expect([error.message, error.data]).toEqual(['PAYLOAD_TOO_LARGE', { errno: 413, message: 'PAYLOAD_TOO_LARGE' }]);
  await ended;
  expect(linesAbout('SOCKET_OPEN_MAX')).toEqual([expect.objectContaining({ address: '127.0.0.1' })]);
  await polling.close();
});

describe('a client of Socket.IO 2', () => {
  test('that polls gets the reason of Engine.IO, which is logged too', async () => {
    const polling = await startGateway({ SOCKET_TRANSPORTS: 'websocket,polling' }, { logger });
    lines.length = 0;
    const { status, json } = await polling.call('GET', '/socket.io/?EIO=3&transport=polling');
    expect([status, json]).toEqual([400, { code: 5, message: 'Unsupported protocol version' }]);
    expect(linesAbout('ALLOW_EIO3')).toHaveLength(1);
    await polling.close();
  });

  test.each(['?EIO=3&transport=websocket', '?transport=websocket'])(
    'that opens a websocket gets an HTTP answer with the reason, and no websocket: %s',
    async (query) => {
      clock.advance(60_000);
      lines.length = 0;
      const { status, body } = await upgrade(`/socket.io/${query}`);
      expect([status, JSON.parse(body)]).toEqual([
        400,
        { code: 5, message: expect.stringContaining('update the client') },
      ]);
      expect(linesAbout('ALLOW_EIO3')).toEqual([expect.objectContaining({ event: 'protocol_refused' })]);
    },
  );
});

describe('a client at a path that is not that of Socket.IO', () => {
  const refused = { success: false, errno: 404, message: 'NOT_FOUND' };
  const details = [{ path: '', message: 'Socket.IO is at /socket.io/: leave the option path of the client as it is' }];

  test('gets the path of Socket.IO, and is logged', async () => {
    clock.advance(60_000);
    lines.length = 0;
    const { status, body } = await upgrade('/realtime/?EIO=4&transport=websocket');
    expect([status, JSON.parse(body)]).toEqual([404, { ...refused, details }]);
    const polled = await gateway.call('GET', '/realtime/?EIO=4&transport=polling');
    expect([polled.status, polled.json]).toEqual([404, { ...refused, details }]);
    const line = expect.objectContaining({ event: 'path_refused', path: '/realtime/' });
    expect(linesAbout('path')).toEqual([line, line]);
  });

  test('is told nothing of the kind when it is no client of Socket.IO', async () => {
    expect((await gateway.call('GET', '/realtime/')).json).toEqual(refused);
  });
});

describe('a refused CONNECT is logged with its cause', () => {
  const expired = { uid: 'ada', exp: 1 };
  test.each<[string, string, Parameters<typeof connect>[1]]>([
    ['no token', 'no credential', { claims: null }],
    [
      'another secret',
      'invalid signature',
      { claims: null, auth: { token: jwt.sign({ uid: 'ada' }, 'x'.repeat(64)) } },
    ],
    ['expired', 'jwt expired', { claims: expired }],
  ])('of a token: %s', async (_name, cause, options) => {
    clock.advance(60_000);
    lines.length = 0;
    await expect(connect(gateway, options)).rejects.toThrow('INVALID_TOKEN');
    expect(linesAbout('a connection was refused')).toEqual([
      expect.objectContaining({ namespace: '/v1/shared', reason: 'INVALID_TOKEN', cause }),
    ]);
  });

  test('of a namespace that does not exist, ten times a minute, whatever its name', async () => {
    clock.advance(60_000);
    lines.length = 0;
    const names = Array.from({ length: 12 }, (_, index) => `/${'x'.repeat(300)}${index}`);
    for (const namespace of names) await expect(connect(gateway, { namespace })).rejects.toThrow('NOT_FOUND');
    const logged = linesAbout('there is no such namespace');
    expect(logged).toHaveLength(10);
    expect(logged[0]).toMatchObject({ event: 'namespace_unknown', namespace: names[0]?.slice(0, 200) });
  });
});

describe('a browser', () => {
  const open = (origin: string) =>
    new Promise<string>((resolve) => {
      const socket = openSocket(gateway, { extraHeaders: { origin } });
      const end = (outcome: string): void => {
        socket.close();
        resolve(outcome);
      };
      socket.once('connect', () => end('connected'));
      socket.once('connect_error', () => end('refused'));
    });
  const allowed = async (origin: string) =>
    (await gateway.call('GET', '/status', undefined, { origin })).headers.get('access-control-allow-origin');

  test.each(['https://shop.example', 'http://localhost:8080'])('of %s is accepted', async (origin) => {
    expect(await open(origin)).toBe('connected');
    expect(await allowed(origin)).toBe(origin);
  });

  test.each([
    'http://shop.example',
    'https://shop.example:8443',
    'https://shop.example.evil.example',
    'https://evil.example/https://shop.example',
    'null',
  ])('of %s is refused, with the reason in the log', async (origin) => {
    clock.advance(60_000);
    lines.length = 0;
    expect(await open(origin)).toBe('refused');
    expect(await allowed(origin)).toBe(null);
    const details = { origin, allowed: ['https://shop.example', 'http://localhost:8080'] };
    expect(linesAbout('CORS_ORIGINS')).toEqual([expect.objectContaining(details), expect.objectContaining(details)]);
  });

  test('writes ten lines a minute and no more', async () => {
    clock.advance(60_000);
    lines.length = 0;
    for (let count = 0; count < 20; count += 1) await allowed(`https://${'x'.repeat(3000)}${count}.example`);
    expect(linesAbout('CORS_ORIGINS')).toHaveLength(10);
    expect(String(lines[0]?.['origin'])).toHaveLength(200);
  });
});

describe('a correctly signed token with wrong claims', () => {
  test.each([
    ['a uid that is no id', { uid: 1.5 }, 'not an exact integer'],
    ['another audience', { aud: 'another' }, 'audience'],
  ])('is refused with the reason in the log: %s', async (_name, claims, reason) => {
    lines.length = 0;
    const strict = await startGateway({ JWT_AUDIENCE: 'gateway' }, { clock, logger });
    await expect(connect(strict, { claims: { aud: 'gateway', ...claims } })).rejects.toThrow('INVALID_TOKEN');
    expect(linesAbout('claims')).toEqual([
      expect.objectContaining({ namespace: '/v1/shared', reason: expect.stringContaining(reason) }),
    ]);
    await expect(connect(strict, { claims: null, auth: { token: 'garbage' } })).rejects.toThrow('INVALID_TOKEN');
    expect(linesAbout('claims')).toHaveLength(1);
    const client = await connect(strict, { claims: { aud: ['other', 'gateway'], uid: 42 } });
    expect((await strict.call('POST', '/emit/42/news', {})).json.data).toEqual({ sockets: 1 });
    client.close();
    await strict.close();
  });
});

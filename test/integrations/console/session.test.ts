import { createHmac, hkdfSync } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Route } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';
import { readConfig } from '../../../src/config.js';
import { decisionOf } from '../../../src/integrations/console/decisions.js';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { systemClock } from '../../../src/platform/time/clock.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { API_KEY, SECRET, startGateway, type TestGateway } from '../../support/gateway.js';
import { openLine } from '../../support/line.js';
import { openLines } from '../../support/lines.js';
import { until } from '../../support/until.js';
import { callAs, logIn, OF_PAGE } from './page.js';

const READ_KEY = 'a-key-of-people-who-look';
const ACT_KEY = 'a-key-of-people-who-act';
const CONSOLE_KEYS = `duty:read:${READ_KEY},operators:act:${ACT_KEY}`;
const PAGE = '<!doctype html><title>Console</title>';

let environment: TestEnvironment;
let directory: string;
/** Cookies of sessions. */
let reader: string;
let actor: string;
const lines: Record<string, unknown>[] = [];
/** Everything that a gateway answered to the raw calls of this file. */
const answers: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'console-'));
  await writeFile(join(directory, 'index.html'), PAGE);
  await writeFile(join(directory, 'main.js'), 'export {};');
  const logger = createLogger(
    { level: 'info', isPretty: false },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const overrides = { logger, consoleDirectory: directory };
  environment = await createTestEnvironment({
    nodes: 2,
    env: { CONSOLE_KEYS, CORS_ORIGINS: 'https://a.example' },
    overrides,
  });
  reader = await logIn(environment.node(0), READ_KEY);
  actor = await logIn(environment.node(0), ACT_KEY);
});
afterAll(async () => {
  await environment?.close();
  await rm(directory, { recursive: true, force: true });
});

const asReader = () => callAs(environment.node(0), reader);
const asActor = () => callAs(environment.node(0), actor);
const linesOf = (event: string) => lines.filter((line) => line['event'] === event);

interface RawCall {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request as it is written: `fetch` normalizes paths, and sets some headers itself. */
const send = (
  { port }: Pick<TestGateway, 'port'>,
  { method = 'GET', path, headers = {}, body }: RawCall,
): Promise<{ status: number; text: string; location: string | undefined }> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        answers.push(text);
        resolve({ status: response.statusCode ?? 0, text, location: response.headers.location });
      });
    });
    request.on('error', reject);
    request.end(body);
  });

/** A cookie as the page of the design describes it, without the code of the gateway. */
function forge(key: string, { id = key, access = 'act', expiry = Date.now() + 3_600_000, signer = key } = {}): string {
  const derive = (from: string, purpose: string, bytes: number) =>
    Buffer.from(hkdfSync('sha256', from, '', `console session: ${purpose}`, bytes));
  const text = ['v1', derive(id, 'id', 8).toString('hex'), access, expiry].join('.');
  const signature = createHmac('sha256', derive(signer, 'signature', 32))
    .update(text)
    .digest('base64url');
  return `console_session=${text}.${signature}`;
}

describe('a session', () => {
  test('is opened by a key, works on every node, and ends by logging out', async () => {
    for (const node of [0, 1]) {
      const call = callAs(environment.node(node), actor);
      expect((await call('GET', '/session')).json.data).toMatchObject({
        access: 'act',
        name: 'operators',
        isOpen: false,
        isDevelopment: true,
        hasPayloads: false,
      });
      expect((await call('GET', '/nodes')).json.data.nodes).toHaveLength(2);
      // A page that is read by its address has no headers of its own.
      expect((await call('GET', '/cluster', undefined, { 'sec-fetch-site': 'none' })).status).toBe(200);
    }
    const out = await asActor()('DELETE', '/session');
    expect(out.headers.get('set-cookie')).toMatch(/^console_session=; Path=\/console; Expires=Thu, 01 Jan 1970/);
    expect(linesOf('console_session_ended').at(-1)).toMatchObject({ key: 'console:operators' });
  });

  test('of an API key may act, and is named by the digest of the key', async () => {
    const call = callAs(environment.node(0), await logIn(environment.node(0), API_KEY));
    expect((await call('GET', '/session')).json.data).toMatchObject({ access: 'act', name: /^sha256:[0-9a-f]{8}$/ });
  });

  test('is told nothing without a cookie', async () => {
    const answer = await environment.node(0).call('GET', '/console/api/session', undefined, { 'x-api-key': API_KEY });
    expect(answer.json.data).toEqual({ access: null, isDevelopment: true });
  });

  test('has a cookie that only pages of the gateway send, for https where the page came by it', async () => {
    const body = JSON.stringify({ key: ACT_KEY });
    const headers = { 'x-console': '1', 'content-type': 'application/json' };
    const logInFrom = (origin: string) =>
      environment
        .node(0)
        .call('POST', '/console/api/session', body, { ...headers, origin, host: new URL(origin).host });
    const cookieOf = async (origin: string) => (await logInFrom(origin)).headers.get('set-cookie') ?? '';
    expect(await cookieOf(environment.node(0).url)).toMatch(
      /; Path=\/console; Expires=[^;]+; HttpOnly; SameSite=Strict$/,
    );
    const ofPage = { ...headers, 'sec-fetch-site': 'same-origin', origin: 'https://gateway.example' };
    const secure = await environment.node(0).call('POST', '/console/api/session', body, ofPage);
    expect(secure.headers.get('set-cookie')).toMatch(/; HttpOnly; Secure; SameSite=Strict$/);
    // The origin of the console needs no entry in CORS_ORIGINS.
    expect(linesOf('origin_refused')).toEqual([]);
  });

  test('is refused when its cookie is forged, expired, of another key or of another access', async () => {
    const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(actor) ?? [];
    const parts = value.split('.');
    const changed = (index: number, part: string) => `${name}=${parts.with(index, part).join('.')}`;
    const refused = [
      '',
      'console_session',
      'console_session=',
      `${name}=${value}.`,
      `${name}=${value} x`,
      changed(0, 'v2'),
      changed(1, '0'.repeat(16)),
      changed(2, 'read'),
      changed(3, String(Date.now() + 9e9)),
      changed(4, ''),
      changed(4, 'A'.repeat(43)),
      changed(4, `${parts[4]?.slice(0, -2)}AA`),
      reader.replace('.read.', '.act.'),
      forge(READ_KEY),
      forge('another key of sixteen'),
      forge(ACT_KEY, { signer: READ_KEY }),
      forge(ACT_KEY, { id: READ_KEY }),
      forge(ACT_KEY, { expiry: Date.now() - 1 }),
      forge(ACT_KEY, { access: 'read' }),
      forge(''),
      forge(API_KEY, { signer: '' }),
      `other=${value}`,
    ];
    for (const cookie of refused) {
      const answer = await callAs(environment.node(1), cookie)('GET', '/nodes');
      expect([cookie, answer.status, answer.json.message]).toEqual([cookie, 401, 'INVALID_API_KEY']);
    }
    // The same by the same means, but right.
    for (const cookie of [
      forge(ACT_KEY),
      forge(READ_KEY, { access: 'read' }),
      `${forge('x')}; a=b; ${forge(ACT_KEY)}`,
    ]) {
      expect((await callAs(environment.node(1), cookie)('GET', '/nodes')).status).toBe(200);
    }
  });

  test('ends after eight hours, and when its key is removed or may do less', async () => {
    const clock = createTestClock();
    const env = { CONSOLE_KEYS, MONGODB_URL: environment.database.url };
    const node = await startGateway(env, { clock });
    onTestFinished(() => node.close());
    const [a, b, c] = [await logIn(node, ACT_KEY), await logIn(node, READ_KEY), await logIn(node, API_KEY)];
    const states = () =>
      Promise.all([a, b, c].map(async (cookie) => (await callAs(node, cookie)('GET', '/nodes')).status));
    clock.advance(8 * 3_600_000 - 1000);
    expect(await states()).toEqual([200, 200, 200]);
    clock.advance(1000);
    expect(await states()).toEqual([401, 401, 401]);

    const next = [forge(ACT_KEY, { expiry: clock.now() + 1e6 }), forge(API_KEY, { expiry: clock.now() + 1e6 })];
    const nextStates = () =>
      Promise.all(next.map(async (cookie) => (await callAs(node, cookie)('GET', '/nodes')).status));
    expect(await nextStates()).toEqual([200, 200]);
    const rotate = (keys: string, apiKeys: string) =>
      node.app.replaceSecrets(
        readConfig({ NODE_ENV: 'test', JWT_SECRET: SECRET, CONSOLE_KEYS: keys, EMIT_API_KEYS: apiKeys }),
      );
    rotate(`operators:act:${ACT_KEY},new:act:another-key-of-sixteen`, 'another API key');
    expect(await nextStates()).toEqual([200, 401]);
    rotate(`operators:read:${ACT_KEY}`, API_KEY);
    expect(await nextStates()).toEqual([401, 200]);
    rotate(`new:act:another-key-of-sixteen`, API_KEY);
    expect(await nextStates()).toEqual([401, 200]);
  });

  test('takes its streams with it when it ends, and a key those that it has opened', async () => {
    // Time jumps, and what is done every second is done when the test says: eight hours have too many seconds.
    let offsetMs = 0;
    const secondly: (() => void)[] = [];
    const clock = {
      ...systemClock,
      now: () => systemClock.now() + offsetMs,
      every(intervalMs: number, task: () => void) {
        if (intervalMs === 1000) secondly.push(task);
        return systemClock.every(intervalMs, task);
      },
    };
    const pass = (ms: number): void => {
      offsetMs += ms;
      for (const task of secondly) task();
    };
    const node = await startGateway({ CONSOLE_KEYS, MONGODB_URL: environment.database.url }, { clock });
    onTestFinished(() => node.close());
    const open = (cookie: string, path: string) => openLines(node, `/console/api${path}`, { cookie, ...OF_PAGE });
    const openAll = async () => {
      const [a, b] = [await logIn(node, READ_KEY), await logIn(node, API_KEY)];
      return [
        await open(a, '/live'),
        await open(a, '/tail'),
        await open(b, '/live?kinds=push'),
        await open(b, '/tail'),
        await openLines(node, '/live'),
        await openLines(node, '/tail'),
      ];
    };
    const states = (streams: Awaited<ReturnType<typeof openAll>>) => streams.map(({ isEnded }) => isEnded());
    const rotate = (keys: string, apiKeys: string) =>
      node.app.replaceSecrets(
        readConfig({ NODE_ENV: 'test', JWT_SECRET: SECRET, CONSOLE_KEYS: keys, EMIT_API_KEYS: apiKeys }),
      );

    const first = await openAll();
    pass(8 * 3_600_000 - 60_000);
    // What is answered after that comes after the end of a stream.
    await node.call('GET', '/status');
    expect(states(first)).toEqual(Array.from({ length: 6 }, () => false));
    pass(60_000);
    // The API key itself does not end.
    await until(() => states(first).join() === 'true,true,true,true,false,false');

    const second = await openAll();
    rotate(`new:act:another-key-of-sixteen`, API_KEY);
    pass(0);
    await until(() => states(second).join() === 'true,true,false,false,false,false');
    rotate(`duty:read:${READ_KEY}`, 'another API key');
    pass(0);
    await until(() => [...first, ...second].every(({ isEnded }) => isEnded()));
    expect((await node.call('GET', '/live')).status).toBe(401);
  });
});

describe('a call from another page', () => {
  const act = { method: 'POST', path: '/console/api/emit/unknown-user/news', body: '{}' };
  const type = { 'content-type': 'application/json' };
  const port = () => environment.node(0).port;

  test.each<[string, Record<string, string>]>([
    ['without the header', { 'sec-fetch-site': 'same-origin' }],
    ['with the header empty', { 'sec-fetch-site': 'same-origin', 'x-console': '' }],
    ['without anything that a browser says', { 'x-console': '1' }],
    ['of another site', { 'x-console': '1', 'sec-fetch-site': 'cross-site' }],
    ['of the same site', { 'x-console': '1', 'sec-fetch-site': 'same-site' }],
    ['by its address', { 'x-console': '1', 'sec-fetch-site': 'none' }],
    ['of another origin', { 'x-console': '1', origin: 'https://evil.example' }],
    ['of no origin', { 'x-console': '1', origin: 'null' }],
    ['of an allowed origin that is not its own', { 'x-console': '1', origin: 'https://a.example' }],
    ['of another port', { 'x-console': '1', origin: 'http://127.0.0.1:1' }],
    ['of an origin that begins the same', { 'x-console': '1', origin: 'http://127.0.0.1:%p.evil.example' }],
  ])('does not act: %s', async (_name, headers) => {
    const own = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('%p', String(port()))]),
    );
    for (const call of [act, { ...act, path: '/console/api/session', body: JSON.stringify({ key: ACT_KEY }) }]) {
      const answer = await send(environment.node(0), { ...call, headers: { ...type, cookie: actor, ...own } });
      expect([answer.status, JSON.parse(answer.text).message]).toEqual([403, 'FORBIDDEN']);
    }
  });

  test('acts when its origin is that of the gateway, in a browser that says no more', async () => {
    const headers = { ...type, cookie: actor, 'x-console': '1', origin: `http://127.0.0.1:${port()}` };
    expect((await send(environment.node(0), { ...act, headers })).status).toBe(200);
  });

  test('reads nothing', async () => {
    for (const site of ['cross-site', 'same-site', 'anything']) {
      const answer = await asActor()('GET', '/nodes', undefined, { 'sec-fetch-site': site });
      expect([answer.status, answer.json.message]).toEqual([403, 'FORBIDDEN']);
    }
  });

  test('gets no answer to a preflight', async () => {
    const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-console' };
    for (const path of ['/session', '/emit/unknown-user/news', '/nodes']) {
      const answer = await callAs(environment.node(0), '')('OPTIONS', path, undefined, {
        ...asked,
        origin: 'https://a.example',
      });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });

  test('does not act by GET', async () => {
    const path = `/conversations/prospect/emit/message/${'a'.repeat(24)}`;
    expect((await asActor()('GET', path, undefined, {})).status).toBe(403);
    expect((await asActor()('GET', path)).status).not.toBe(403);
  });
});

describe('the routes', () => {
  const routes = publishedContracts.flatMap(({ contract }) => Object.values<Route>(contract.routes));
  const fill = ({ path }: Route) => path.replaceAll(/:\w+/g, 'a'.repeat(24));
  /** POST routes that only read, and GET routes that act. Any other route is judged by its method. */
  const EXCEPTIONS = {
    read: ['/presence'],
    act: [
      '/conversations/:channel/emit/message/:messageID',
      '/conversations/:channel/emit/conversation/:convoID/:isNew',
    ],
  };
  const isRead = ({ method, path }: Route) =>
    (method === 'get' && !EXCEPTIONS.act.includes(path)) || EXCEPTIONS.read.includes(path);
  const ofGateway = routes.filter(({ path }) => !path.startsWith('/console/'));

  test('each have a decision, which is that of its method but for named exceptions', () => {
    const found = ofGateway.map((route) => [route.method, route.path, decisionOf(route)]);
    expect(found).toEqual(ofGateway.map((route) => [route.method, route.path, isRead(route) ? 'read' : 'act']));
    expect(ofGateway.length).toBeGreaterThan(40);
  });

  test('that act are closed to a session that may read, whatever is sent, and those that read are not', async () => {
    for (const route of ofGateway) {
      if (route.sends === 'application/x-ndjson') continue;
      const answer = await asReader()(
        route.method.toUpperCase(),
        fill(route),
        route.body === undefined ? undefined : {},
      );
      const isRefused = answer.status === 403 && answer.json?.details?.[0]?.message === 'the session may only read';
      const shown = [route.method, route.path, answer.status, answer.text];
      // The key of a site is looked at first.
      if (route.caller === 'site') expect(answer.status, answer.text).toBe(400);
      else expect([...shown, isRefused || answer.json?.code === 'FORBIDDEN']).toEqual([...shown, !isRead(route)]);
    }
    expect((await asReader()('POST', '/token', { uid: 'u' })).json.message).toBe('FORBIDDEN');
    expect(linesOf('console_call').filter(({ key }) => key === 'console:duty')).toEqual([]);
    expect(linesOf('console_refused')).toContainEqual(expect.objectContaining({ key: 'console:duty' }));
  });

  test('of a site stay closed to a session without the key of the site', async () => {
    const answer = await asActor()('POST', '/send?site=news&apiKey=no', { rooms: 'r', event: 'e' });
    expect(answer.status).toBe(401);
  });

  test('of users ask for a token all the same', async () => {
    expect((await asActor()('GET', '/api/chats')).status).toBe(401);
  });

  test('show no payloads unless they are to be shown', async () => {
    for (const query of ['payloads=true', '%70ayloads=true', 'user=u&payloads=1']) {
      expect((await asActor()('GET', `/tail?${query}`)).status).toBe(403);
    }
    expect((await asActor()('GET', '/tail')).status).toBe(200);
  });
});

describe('an act', () => {
  test('reaches the user by the hot path, and is logged with key, route and user', async () => {
    const [ann] = await environment.people('Ann');
    const client = await environment.open(ann, { node: 1, namespace: '/v1/shared' });
    const call = callAs(environment.node(0), actor);
    expect(
      (await call('POST', `/emit/${ann.id}/news?durable=true`, { secret: 'a payload' })).json.data.state,
    ).toBeDefined();
    expect((await client.next('news'))[0]).toEqual({ secret: 'a payload' });
    expect(linesOf('console_call').at(-1)).toMatchObject({
      key: 'console:operators',
      call: 'POST /emit/:userId/:event',
      status: 200,
      address: '127.0.0.1',
      params: { userId: ann.id, event: 'news' },
      users: [ann.id],
      requestId: expect.any(String),
    });
    await call('POST', '/emit', {
      items: [
        { userId: ann.id, event: 'more' },
        { userId: 'other', event: 'more' },
      ],
    });
    expect(linesOf('console_call').at(-1)).toMatchObject({ call: 'POST /emit', users: [ann.id, 'other'] });
    await call('POST', `/broadcast/more?account=${ann.accountId}`, {});
    expect(linesOf('console_call').at(-1)).toMatchObject({ params: { event: 'more', account: ann.accountId } });
    await call('DELETE', `/users/${ann.id}/device?deviceId=a%20device`);
    expect(linesOf('console_call').at(-1)).toMatchObject({
      status: 404,
      params: { userId: ann.id, deviceId: 'a device' },
      users: [ann.id],
    });
    await call('POST', `/users/${ann.id}/disconnect`, { reason: 'bye' });
    expect(await client.closed).toBe('io server disconnect');
    await until(() => linesOf('kicked').length > 0);
    expect(linesOf('kicked').at(-1)).toMatchObject({ key: 'console:operators', user: ann.id });
  });

  test('in development can be a token for a user, who connects with it', async () => {
    const { token } = (await asActor()('POST', '/token', { uid: 'someone', account_id: 'a' })).json.data;
    const client = await environment.open(
      { id: 'someone', accountId: 'a', name: 'Someone' },
      { namespace: '/v1/shared', claims: null, auth: { token } },
    );
    await asActor()('POST', '/emit/someone/hello', { a: 1 });
    expect(await client.next('hello')).toEqual([{ a: 1 }]);
  });
});

describe('a path', () => {
  const shown = async (path: string, method = 'GET') => {
    const answer = await send(environment.node(0), { method, path, headers: { ...OF_PAGE, cookie: actor } });
    return answer.status;
  };

  test.each([
    '/console/api/../nodes',
    '/console/api/./nodes',
    '/console/api//nodes',
    '/console/api/nodes//',
    '/console/api/',
    '/console/api/%2e%2e/nodes',
    '/console/api/%2E/nodes',
    '/console/api/..%2fnodes',
    '/console/api/%2fnodes',
    '/console/api/console/api/session',
    '/console/api/Console/api/session',
    '/console/api/%63onsole/api/session',
    '/console/api//console/api/session',
    '/console/api/CONSOLE/API/TOKEN',
    '/console/api/%',
    '/console/api/%zz/x',
    '/console/api/token/../nodes',
    '/console/api/session/',
    '/console/api/token/',
    '/console/api/api/console/session',
    '/Console/api/session',
    '/CONSOLE/API/SESSION',
    '//console/api/session',
    '/console%2fapi/session',
    'http://127.0.0.1/console/api/session',
    '/./console/api/session',
    '/consoles/api/nodes',
    '/console;x/api/nodes',
    '/console/api',
    '/console/api?x',
  ])('leads nowhere: %s', async (path) => {
    for (const method of ['GET', 'POST', 'DELETE']) expect([404, 405]).toContain(await shown(path, method));
  });

  test.each([
    '/console/API/nodes',
    '/console/%61pi/nodes',
    '/console/../nodes',
    '/console/%2e%2e/%2e%2e/etc/passwd',
    '/console/.env',
    '/console/api\\nodes',
  ])('that is no call is the page: %s', async (path) => {
    const answer = await send(environment.node(0), { path, headers: { ...OF_PAGE, cookie: actor } });
    expect([answer.status, answer.text]).toEqual([200, PAGE]);
    expect(await shown(path, 'POST')).toBe(405);
  });

  test('of an id with a slash leads to the route, as it does without the console', async () => {
    const id = encodeURIComponent('a/b c?');
    expect((await asActor()('GET', `/users/${id}/presence`)).json.data).toMatchObject({ userId: 'a/b c?' });
  });

  test('of every view is the page, with a policy that names no other origin', async () => {
    for (const path of ['/', '/console', '/console?x', '/console/', '/console/users/a.b', '/console/messages/1?x=1']) {
      const answer = await environment.node(0).call('GET', path);
      expect([path, answer.status, answer.text]).toEqual([path, 200, PAGE]);
      const policy = answer.headers.get('content-security-policy');
      const host = `127.0.0.1:${environment.node(0).port}`;
      expect(policy).toBe(
        `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws://${host} wss://${host}; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'`,
      );
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
    expect((await environment.node(0).call('GET', '/console/main.js')).headers.get('content-type')).toMatch(
      /javascript/,
    );
    const odd = { path: '/console/', headers: { host: "x; script-src 'unsafe-inline'" } };
    expect((await send(environment.node(0), odd)).status).toBeLessThan(500);
    expect(await send(environment.node(0), { path: '/' })).toMatchObject({ status: 302, location: '/console/' });
  });

  test('of a file that is not read keeps no file open', async () => {
    const big = await mkdtemp(join(tmpdir(), 'console-'));
    onTestFinished(() => rm(big, { recursive: true, force: true }));
    await writeFile(join(big, 'index.html'), PAGE);
    // More than the kernel takes for a client that does not read.
    await writeFile(join(big, 'main.js'), Buffer.alloc(16_000_000, ' '));
    const node = await environment.startNode({ REDIS_PREFIX: 'big' }, { consoleDirectory: big });
    const readers = await Promise.all(
      Array.from({ length: 20 }, () => openLine(node, 'GET /console/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n')),
    );
    for (const { socket, text } of readers) {
      await until(() => text() !== '');
      socket.pause();
    }
    const opened = readdirSync('/proc/self/fd').flatMap((name) => {
      try {
        return readlinkSync(join('/proc/self/fd', name));
      } catch {
        return [];
      }
    });
    expect(opened.filter((path) => path.startsWith(big))).toEqual([]);
    expect(readers.map(({ socket }) => socket.destroyed)).not.toContain(true);
  });

  test('of a file that has not changed is not sent again, and of a newer build it is', async () => {
    const own = await mkdtemp(join(tmpdir(), 'console-'));
    onTestFinished(() => rm(own, { recursive: true, force: true }));
    for (const name of ['index.html', 'main.js']) await writeFile(join(own, name), 'old');
    const node = await environment.startNode({ REDIS_PREFIX: 'own' }, { consoleDirectory: own });
    const read = (known: string) => send(node, { path: '/console/main.js', headers: { 'if-none-match': known } });
    const etag = (await node.call('GET', '/console/main.js')).headers.get('etag') ?? '';
    expect(await read(etag)).toMatchObject({ status: 304, text: '' });
    await writeFile(join(own, 'main.js'), 'new');
    await utimes(join(own, 'main.js'), 1, 1);
    expect(await read(etag)).toMatchObject({ status: 200, text: 'new' });
    expect((await node.call('GET', '/console/..%2f..%2fetc%2fpasswd')).text).toBe('old');
  });

  test('of the page says how to build it when it is not built', async () => {
    const node = await startGateway(
      { MONGODB_URL: environment.database.url },
      { consoleDirectory: join(directory, 'no') },
    );
    onTestFinished(() => node.close());
    expect(await node.call('GET', '/console/')).toMatchObject({
      status: 503,
      text: expect.stringContaining('npm run build'),
    });
  });
});

describe('logging in', () => {
  const attempt = (node: TestGateway, key: string, address: string) =>
    node.call('POST', '/console/api/session', { key }, { ...OF_PAGE, 'x-api-key': '', 'x-forwarded-for': address });

  test('is limited for each address and each node, also with the right key', async () => {
    const nodes = await Promise.all(
      [0, 1].map(() => environment.startNode({ TRUST_PROXY: '1', REDIS_PREFIX: 'limits' })),
    );
    const [one, two] = nodes;
    if (one === undefined || two === undefined) throw new Error('there are no nodes');
    const codes: string[] = [];
    for (let count = 0; count < 10; count += 1)
      codes.push((await attempt(one, `wrong ${count}`, '192.0.2.1')).json.message);
    expect(new Set(codes)).toEqual(new Set(['INVALID_API_KEY']));
    const limited = await attempt(one, ACT_KEY, '192.0.2.1');
    expect([limited.json.message, Number(limited.headers.get('retry-after')) > 0]).toEqual(['RATE_LIMITED', true]);
    expect((await attempt(one, ACT_KEY, '192.0.2.2')).status).toBe(200);
    // All addresses of one network of IPv6 are one client.
    const network = await Promise.all(
      Array.from(
        { length: 11 },
        async (_, index) => (await attempt(one, 'wrong', `2001:db8::${index + 1}`)).json.message,
      ),
    );
    expect(network.filter((code) => code === 'RATE_LIMITED')).toHaveLength(1);
    const rest = await Promise.all(
      Array.from(
        { length: 100 },
        async (_, index) => (await attempt(one, 'wrong', `198.51.100.${index}`)).json.message,
      ),
    );
    // 11 and 10 attempts were made before, and those that the limit of an address refused do not count.
    expect(rest.filter((code) => code === 'INVALID_API_KEY')).toHaveLength(100 - 11 - 10);
    expect((await attempt(two, ACT_KEY, '203.0.113.1')).status).toBe(200);
    const reason = 'the key is not one of CONSOLE_KEYS or EMIT_API_KEYS';
    expect(linesOf('key_refused')).toContainEqual(expect.objectContaining({ reason, address: '192.0.2.1' }));
  });

  test('takes no large body of a caller who is not known', async () => {
    const body = JSON.stringify({ key: 'k'.repeat(9000) });
    expect((await environment.node(0).call('POST', '/console/api/session', body, OF_PAGE)).status).toBe(413);
    const headers = { ...OF_PAGE, 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const path = '/console/api/session';
    expect((await send(environment.node(0), { method: 'POST', path, headers, body })).status).toBe(413);
  });
});

describe('in development without keys', () => {
  let node: TestGateway;
  beforeAll(async () => {
    node = await environment.startNode({ CONSOLE_KEYS: '', EMIT_API_KEYS: '', REDIS_PREFIX: 'open' });
  });
  const access = async (headers: Readonly<Record<string, string>>) => {
    const { text } = await send(node, { path: '/console/api/session', headers });
    const act = { method: 'POST', path: '/console/api/presence', body: '{"userIds":["u"]}' };
    const { status } = await send(node, {
      ...act,
      headers: { 'content-type': 'application/json', ...OF_PAGE, ...headers },
    });
    return [JSON.parse(text).data?.access ?? null, status];
  };

  test('callers on this machine need no key', async () => {
    expect(await access({})).toEqual(['act', 200]);
    expect(await access({ host: `localhost:${node.port}` })).toEqual(['act', 200]);
    const { data } = JSON.parse((await send(node, { path: '/console/api/session' })).text);
    expect(data).toMatchObject({ isOpen: true, name: 'loopback', expiresAt: null });
  });

  test.each<Record<string, string>>([
    { host: 'evil.example' },
    { host: 'localhost.evil.example' },
    { host: `127.0.0.1.evil.example` },
    { 'x-forwarded-for': '192.0.2.1' },
    { via: '1.1 proxy' },
    { origin: 'https://evil.example' },
  ])('a name that leads to this machine, and a proxy, give nothing: %j', async (headers) => {
    expect(await access(headers)).toEqual([null, 401]);
  });

  test('keys of the console close it', async () => {
    const closed = await environment.startNode({ EMIT_API_KEYS: '', REDIS_PREFIX: 'closed' });
    const { text } = await send(closed, { path: '/console/api/session' });
    expect(JSON.parse(text).data).toEqual({ access: null, isDevelopment: true });
    expect((await callAs(closed, await logIn(closed, READ_KEY))('GET', '/nodes')).status).toBe(200);
  });
});

describe('in production', () => {
  const strong = '8f3a1c9e5b7d2046e1a8c3f59b6d7204';
  const production = { NODE_ENV: 'production', JWT_SECRET: strong, EMIT_API_KEYS: strong.slice(9), CONSOLE_KEYS: '' };

  test('there is no console unless it is turned on', async () => {
    const node = await environment.startNode({ ...production, REDIS_PREFIX: 'off' });
    for (const path of [
      '/',
      '/console',
      '/console/',
      '/console/main.js',
      '/console/api/session',
      '/console/api/nodes',
    ]) {
      const answer = await node.call('GET', path, undefined, { 'x-api-key': strong.slice(9) });
      expect([path, answer.status, answer.json.message]).toEqual([path, 404, 'NOT_FOUND']);
    }
  });

  test('it needs a key on this machine too, and signs no tokens', async () => {
    const node = await environment.startNode({ ...production, CONSOLE: 'on', REDIS_PREFIX: 'on' });
    const { text } = await send(node, { path: '/console/api/session' });
    expect(JSON.parse(text).data).toEqual({ access: null, isDevelopment: false });
    const call = callAs(node, await logIn(node, strong.slice(9)));
    expect((await call('GET', '/nodes')).status).toBe(200);
    expect((await call('POST', '/token', { uid: 'u' })).json.message).toBe('NOT_FOUND');
    expect((await node.call('GET', '/console/')).text).toBe(PAGE);
  });
});

test('no key, cookie or payload is in the log, and no key in an answer', () => {
  const log = JSON.stringify(lines);
  expect(lines.length).toBeGreaterThan(50);
  for (const secret of [
    READ_KEY,
    ACT_KEY,
    API_KEY,
    'a payload',
    'wrong 1',
    ...[reader, actor].map((cookie) => cookie.slice(-43)),
  ]) {
    expect(log).not.toContain(secret);
  }
  for (const secret of [READ_KEY, ACT_KEY, API_KEY]) expect(answers.join()).not.toContain(secret);
});

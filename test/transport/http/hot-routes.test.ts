import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { parse as parseQueryString } from 'node:querystring';
import { gzipSync } from 'node:zlib';
import express, { type Request, type RequestHandler } from 'express';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Route } from '#shared/contracts/contract.js';
import { withHotRoutes } from '../../../src/transport/http/hot-routes.js';
import { API_KEY, startGateway } from '../../support/gateway.js';

/** Sends bytes in pieces over a new connection. @returns what comes back until the server closes, without the date */
async function exchange(port: number, ...pieces: readonly (string | Buffer)[]): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  const ended = once(socket, 'close');
  for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
  await ended;
  return received.replace(/^(?:Date|X-Request-Id): .*\r\n/gm, '');
}

describe('matching', () => {
  const route = (method: Route['method'], path: string): Route => ({ summary: '', method, path });
  const declared = [
    { route: route('get', '/things/:id'), isHot: false },
    { route: route('post', '/things/:id/parts/:part'), isHot: true },
    { route: route('post', '/things/fixed'), isHot: false },
    { route: route('post', '/things/:id'), isHot: true },
    { route: route('post', '/things'), isHot: true },
    { route: route('put', '/things'), isHot: true },
  ];

  /** Answers with what the handler of a route gets, and counts the requests that Express gets. */
  async function startBoth() {
    const app = express().disable('x-powered-by').disable('etag');
    app.set('query parser', (text: string) => parseQueryString(text, '&', '=', { maxKeys: 0 }));
    const setHeader: RequestHandler = (_request, response, next) => {
      response.setHeader('x-first', '1');
      next();
    };
    app.use(setHeader);
    const routes = declared.map(({ route: own, isHot }) => {
      const handle: RequestHandler = (request, response) => {
        const query = request.url.includes('?') ? { ...request.query } : {};
        response.end(JSON.stringify([own.method, request.route.path, { ...request.params }, query]));
      };
      app[own.method](own.path, handle);
      return { route: own, handle, isHot };
    });
    app.use((_request, response) => void response.writeHead(404).end());
    let passed = 0;
    const fallback: RequestListener = (request, response) => {
      passed += 1;
      app(request as Request, response as never);
    };
    const hot = await listen(withHotRoutes({ middleware: [setHeader], routes, fallback }));
    return { hot, plain: await listen(app), passed: () => passed };
  }

  async function listen(listener: RequestListener): Promise<number> {
    const server = createServer({ keepAlive: false }, listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  const toRequest = (target: string, method = 'POST') =>
    `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

  test.each([
    '/things',
    '/things/a-1',
    '/things/a/parts/b?x=1&x=2',
    "/things/a~:@!$&'()*+,;=.b",
    '/things/64abc?',
    '/things/a?%zz=%41',
  ])('takes %s without Express, and gives the handler the same', async (target) => {
    const { hot, plain, passed } = await startBoth();
    const answer = await exchange(hot, toRequest(target));
    expect(answer).toContain('200 OK');
    expect(answer).toBe(await exchange(plain, toRequest(target)));
    expect(passed()).toBe(0);
  });

  test.each([
    '/',
    '//things',
    '/things/',
    '/Things',
    '/things/%61',
    '/things/%',
    '/things//parts/b',
    '/things/a/parts/',
    '/things/fixed',
    '/things/a#b',
    '/things/ü',
    '/things/a?b#c',
    '/things/"a"',
    '/things/a\\b',
    '/things/../things',
    'http://x/things',
    '*',
  ])('leaves %s to Express or gives the handler the same', async (target) => {
    const { hot, plain } = await startBoth();
    expect(await exchange(hot, toRequest(target))).toBe(await exchange(plain, toRequest(target)));
  });

  test.each(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('leaves %s to Express', async (method) => {
    const { hot, plain, passed } = await startBoth();
    const request = toRequest('/things', method);
    expect(await exchange(hot, request)).toBe(await exchange(plain, request));
    expect(passed()).toBe(1);
  });

  test('refuses a path that it cannot match', () => {
    const wild = { route: route('post', '/things/*rest'), handle: () => undefined, isHot: false };
    expect(() => withHotRoutes({ middleware: [], routes: [wild], fallback: () => undefined })).toThrow(/cannot match/);
  });

  test('gives the handler the same as Express for any URL', async () => {
    const { hot, plain, passed } = await startBoth();
    const parts = [
      'things',
      'Things',
      'fixed',
      'parts',
      'a',
      'a.b',
      '%61',
      '%2f',
      '%zz',
      '.',
      '..',
      '',
      'a;b',
      'a:b',
      '"',
      '|',
      'ü',
      '__proto__',
    ];
    const queries = ['', '', '', '?', '?a', '?a=b', '?a=%20&a=+', '?a[b]=c', '?__proto__=1', '?a=ü', '?a=#', '?a=?/'];
    let state = 42;
    const pick = (list: readonly string[]): string => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return list[Math.floor((state / 2 ** 31) * list.length)] ?? '';
    };
    const targets = Array.from({ length: 300 }, () => {
      const length = pick(['1', '2', '2', '4', '4', '5']);
      return `/things${Array.from({ length: Number(length) - 1 }, (_, n) => `/${n === 1 ? 'parts' : pick(parts)}`).join('')}${pick(queries)}`;
    });
    for (const target of targets) {
      const request = Buffer.from(toRequest(target), 'latin1');
      expect(await exchange(hot, request), target).toBe(await exchange(plain, request));
    }
    expect(passed()).toBeGreaterThan(50);
    expect(targets.length - passed()).toBeGreaterThan(50);
  });
});

describe('a response is the same, byte for byte, as when Express matches the route', () => {
  interface Call {
    readonly target?: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Buffer;
    readonly version?: string;
  }
  const EMIT = '/emit/someone/news';
  const json = JSON.stringify({ text: 'news' });
  const keyed = { 'x-api-key': API_KEY };
  const typed = { ...keyed, 'content-type': 'application/json' };
  const items = JSON.stringify({ items: [{ userId: 'someone', event: 'news' }, { event: 'news' }, 7] });

  const CALLS: Record<string, Call> = {
    'an emit': { headers: typed, body: json },
    'with a charset': { headers: { ...keyed, 'content-type': 'application/json; charset=utf-8' }, body: json },
    'with another charset': { headers: { ...keyed, 'content-type': 'application/json; charset=utf-16le' }, body: json },
    'with a media type in capitals': { headers: { ...keyed, 'content-type': 'APPLICATION/JSON' }, body: json },
    'with another media type': { headers: { ...keyed, 'content-type': 'text/plain' }, body: json },
    'with a media type like it': { headers: { ...keyed, 'content-type': 'application/jsonx' }, body: json },
    'without a media type': { headers: keyed, body: json },
    'without a body': { headers: typed },
    'with an empty body': { headers: { ...typed, 'content-length': '0' } },
    'without a key': { headers: { 'content-type': 'application/json' }, body: json },
    'with a wrong key': { headers: { ...typed, 'x-api-key': 'wrong' }, body: json },
    'with two keys': { headers: { ...typed, 'X-Api-Key': API_KEY }, body: json },
    'with a bearer key': {
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      body: json,
    },
    'without a key or a readable body': { body: '{' },
    'of no JSON': { headers: typed, body: '{"a":' },
    'of JSON with a byte order mark': { headers: typed, body: `\ufeff${json}` },
    'of invalid UTF-8': { headers: typed, body: Buffer.from('"\xff\xc0\x80"', 'latin1') },
    'of JSON nested too deeply': { headers: typed, body: '['.repeat(500) + ']'.repeat(500) },
    compressed: { headers: { ...typed, 'content-encoding': 'gzip' }, body: gzipSync(json) },
    'said to be compressed': { headers: { ...typed, 'content-encoding': 'gzip' }, body: json },
    'with an unknown encoding': { headers: { ...typed, 'content-encoding': 'x' }, body: json },
    'too large': { headers: { ...typed, 'content-length': '999999999' } },
    'with an invalid length': { headers: { ...typed, 'content-length': 'x' } },
    'in chunks': {
      headers: { ...typed, 'transfer-encoding': 'chunked' },
      body: `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`,
    },
    'in broken chunks': { headers: { ...typed, 'transfer-encoding': 'chunked' }, body: 'zz\r\n' },
    'to an invalid user': { target: `/emit/${'x'.repeat(500)}/news`, headers: typed, body: json },
    'of a reserved event': { target: '/emit/someone/connect', headers: typed, body: json },
    'with a query': { target: `${EMIT}?namespace=*`, headers: typed, body: json },
    'with an encoded query': { target: `${EMIT}?namespace=%2Fv1%2Fshared`, headers: typed, body: json },
    'with an empty query': { target: `${EMIT}?`, headers: typed, body: json },
    'with a misspelt option': { target: `${EMIT}?namespaces=*`, headers: typed, body: json },
    'with a repeated option': { target: `${EMIT}?ttl=1&ttl=2`, headers: typed, body: json },
    'with an invalid option': { target: `${EMIT}?durable=maybe`, headers: typed, body: json },
    'with an option without its prerequisite': { target: `${EMIT}?ttl=5`, headers: typed, body: json },
    'with an invalid idempotency key': { headers: { ...typed, 'idempotency-key': 'x'.repeat(200) }, body: json },
    'of a page': { headers: { ...typed, origin: 'https://page.example' }, body: json },
    'of a page of a known origin': { headers: { ...typed, origin: 'https://known.example' }, body: json },
    'with HTTP/1.0': { headers: typed, body: json, version: '1.0' },
    'that expects to continue': { headers: { ...typed, expect: '100-continue' }, body: json },
    'that expects something else': { headers: { ...typed, expect: 'something' }, body: json },
    'without a host': { headers: { ...typed, host: '' }, body: json },
    'a preflight': {
      method: 'OPTIONS',
      headers: { origin: 'https://page.example', 'access-control-request-method': 'POST' },
    },
    'the methods': { method: 'OPTIONS' },
    'another method': { method: 'PUT', headers: typed, body: json },
    'a batch': { target: '/emit', headers: typed, body: items },
    'a batch with a query': { target: '/emit?namespace=*', headers: typed, body: items },
    'a batch of nothing': { target: '/emit', headers: typed, body: '{"items":[]}' },
    'a broadcast': { target: '/broadcast/news?account=a', headers: typed, body: json },
    'a disconnect': { target: '/users/someone/disconnect', headers: typed, body: '{"reason":"test"}' },
    presences: { target: '/presence', headers: typed, body: '{"userIds":["a","b"]}' },
  };

  /** The same call on a path that only Express matches. */
  const toSlashed = (target: string): string => target.replace(/(?=\?|$)/, '/');

  function toBytes({
    target = EMIT,
    method = 'POST',
    headers = {},
    body = '',
    version = '1.1',
  }: Call): [string, Buffer] {
    const bytes = Buffer.from(body);
    const needsLength = bytes.length > 0 && headers['transfer-encoding'] === undefined;
    const all = { host: 'x', connection: 'close', ...(needsLength && { 'content-length': bytes.length }), ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return [`${method} ${target} HTTP/${version}\r\n${lines.join('')}\r\n`, bytes];
  }

  test.each([{ CORS_ORIGINS: '' }, { CORS_ORIGINS: 'https://known.example,https://other.example' }])(
    '%o',
    async (env) => {
      const gateway = await startGateway(env);
      onTestFinished(() => gateway.close());
      for (const [name, call] of Object.entries(CALLS)) {
        const [head, body] = toBytes(call);
        const [slashedHead] = toBytes({ ...call, target: toSlashed(call.target ?? EMIT) });
        const expected = await exchange(gateway.port, slashedHead, body);
        expect(expected, name).toMatch(/^HTTP\/1\.1 \d{3} /);
        expect(await exchange(gateway.port, Buffer.concat([Buffer.from(head), body])), name).toBe(expected);
        expect(await exchange(gateway.port, head, body.subarray(0, 3), body.subarray(3)), name).toBe(expected);
      }
    },
  );

  test('several calls in one packet are answered in order, without Express', async () => {
    const handle = vi.spyOn(express.application as unknown as { handle(): void }, 'handle');
    const gateway = await startGateway();
    onTestFinished(() => gateway.close());
    const toCalls = (toTarget: (target: string) => string): Buffer => {
      const calls = ['a', 'b', 'connect', 'c'].map((event, index, all) => {
        const headers = { ...typed, connection: index === all.length - 1 ? 'close' : 'keep-alive' };
        const [head, body] = toBytes({ target: toTarget(`/emit/someone/${event}`), headers, body: json });
        return Buffer.concat([Buffer.from(head), body]);
      });
      return Buffer.concat(calls);
    };
    const expected = await exchange(gateway.port, toCalls(toSlashed));
    expect(expected.match(/HTTP\/1\.1 \d{3}/g)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 400',
      'HTTP/1.1 200',
    ]);
    expect(handle).toHaveBeenCalledTimes(4);
    const asDeclared = toCalls((target) => target);
    expect(await exchange(gateway.port, asDeclared)).toBe(expected);
    expect(handle).toHaveBeenCalledTimes(4);
  });
});

import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import zlib from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Route } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';
import { API_KEY } from '../../support/gateway.js';
import { openLine } from '../../support/line.js';
import { enterRaw } from './raw-connection.js';
import { useTarget } from './target.js';

const LIMIT = 5;
const current = useTarget({ EVENT_LIMIT: String(LIMIT) });

/** Under twenty bytes that unfold to a megabyte. */
const bomb = zlib.brotliCompressSync('['.repeat(1_000_000));
const LARGE = 2000;

let unfolded = 0;
/** Texts of more than {@link LARGE} characters that were parsed as JSON. */
let parsed = 0;

beforeEach(() => {
  unfolded = 0;
  parsed = 0;
  const { createBrotliDecompress } = zlib;
  vi.spyOn(zlib, 'createBrotliDecompress').mockImplementation((...args) => {
    unfolded += 1;
    return createBrotliDecompress(...args);
  });
  const parse = JSON.parse;
  vi.spyOn(JSON, 'parse').mockImplementation((text: string, ...more) => {
    if (text.length > LARGE) parsed += 1;
    return parse(text, ...more);
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await current().expectUnharmed();
});

const post = (path: string, body: Buffer | string, headers: Record<string, string>): Promise<Response> =>
  fetch(current().gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });

/** Every route with a body that asks for credentials. */
const guarded = publishedContracts
  .flatMap(({ contract }) => Object.values<Route>(contract.routes))
  .filter(({ body, caller }) => body !== undefined && caller !== 'anyone')
  .map(({ method, path, refusals }) => ({
    method: method.toUpperCase(),
    path: path.replaceAll(/:\w+/g, 'x'),
    statuses: refusals === undefined ? [401, 403] : Object.values(refusals).map(({ status }) => status),
  }));

const BROTLI = { 'content-encoding': 'br' };
const KEY = { 'x-api-key': API_KEY };

describe('a body', () => {
  test.each([
    ['of a caller without a key', '/emit/someone/news', {}, 401],
    ['of a user without a token', '/api/chats/direct', {}, 401],
    ['for a site, without its key', '/send?site=x', {}, 403],
    ['for a route that does not exist', '/nowhere', KEY, 404],
    ['for a route that takes none', '/status', KEY, 405],
  ])('is neither unfolded nor parsed: %s', async (_name, path, headers, status) => {
    const compressed = await post(path, bomb, { ...headers, ...BROTLI });
    const plain = await post(path, JSON.stringify('x'.repeat(LARGE)), headers);
    expect(compressed.status).toBe(plain.status);
    if (status !== 403) expect(plain.status).toBe(status);
    expect({ unfolded, parsed }).toEqual({ unfolded: 0, parsed: 0 });
  });

  test('that unfolds to a deep nesting is refused before it is parsed', async () => {
    const response = await post('/emit/someone/news', bomb, { ...KEY, ...BROTLI });
    expect(response.status).toBe(400);
    expect({ unfolded, parsed }).toEqual({ unfolded: 1, parsed: 0 });
  });

  test.each([
    ['too deep', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['too many elements', `[${'0,'.repeat(300_000)}0]`],
    ['deep behind a text with quotes and brackets', `["\\\\","\\"]]]]",${'['.repeat(10_000)}`],
  ])('is refused before it is parsed: %s', async (_name, body) => {
    expect((await post('/emit/someone/news', body, KEY)).status).toBe(400);
    expect(parsed).toBe(0);
  });

  test('is accepted with brackets inside its strings', async () => {
    const response = await post('/emit/someone/news', JSON.stringify({ a: '[{,"\\'.repeat(100_000) }), KEY);
    expect([response.status, parsed]).toEqual([200, 1]);
  });

  test.each(guarded)('is not waited for without credentials: $method $path', async ({ method, path, statuses }) => {
    const line = await openLine(current().gateway);
    const head = `${method} ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    const answer = await line.ask(head, /^HTTP\/1\.1 \d+ /);
    expect(statuses).toContain(Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]));
  });

  test.each([
    ['without a key', '', '401'],
    ['with a declared length beyond the limit', `x-api-key: ${API_KEY}\r\n`, '413'],
  ])('is not waited for: %s', async (_name, header, status) => {
    const tcp = connectTcp(current().gateway.port, '127.0.0.1');
    const type = 'content-type: application/json\r\ncontent-length: 9000000\r\n';
    tcp.write(`POST /emit/someone/news HTTP/1.1\r\nhost: x\r\n${header}${type}\r\n`);
    const [head] = await once(tcp, 'data');
    expect(String(head)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    tcp.destroy();
  });
});

describe('an event', () => {
  test('of a caller over the limit is answered without being parsed', async () => {
    const connection = await enterRaw(current().gateway, { claims: { uid: 'over-the-limit' } });
    const data = JSON.stringify({ a: 'x'.repeat(100_000) });
    const codes: string[] = [];
    for (let sent = 0; sent < 4 * LIMIT; sent += 1) {
      connection.send(`42/v1/shared,${sent}["join",${data}]`);
      codes.push(/"message":"(\w+)"/.exec((await connection.next()) ?? '')?.[1] ?? '');
    }
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(3 * LIMIT);
    expect(parsed).toBe(LIMIT);
    connection.close();
  });
});

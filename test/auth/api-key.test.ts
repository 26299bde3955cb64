import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type ApiKeyRequest, createApiKeyGuard } from '../../src/auth/api-key.js';
import { expectRefusal } from './tokens.js';

const KEY = 'a-key-of-forty-characters-0123456789abcd';
const OLD_KEY = 'an older key';
const guard = createApiKeyGuard({ keys: [OLD_KEY, KEY], mode: 'keys' });

const request = (
  headers: ApiKeyRequest['headers'],
  remoteAddress: string | undefined = '127.0.0.1',
): ApiKeyRequest => ({
  headers,
  socket: { remoteAddress },
});

/** Runs the guard on a real request with exactly these header lines. @returns whether the caller was accepted */
async function isLetIn(check: (request: IncomingMessage) => void, lines: string[]): Promise<boolean> {
  const server = createServer((incoming, response) => {
    try {
      check(incoming);
      response.writeHead(200).end();
    } catch {
      response.writeHead(401).end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const host = lines.some((line) => line.startsWith('Host: ')) ? [] : ['Host: x'];
  socket.write(Buffer.from(['GET / HTTP/1.1', ...host, 'Connection: close', ...lines, '', ''].join('\r\n'), 'utf8'));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  server.close();
  return answer.toString().startsWith('HTTP/1.1 200');
}

describe('with keys', () => {
  test.each<[string, ApiKeyRequest['headers']]>([
    ['in x-api-key', { 'x-api-key': KEY }],
    ['as a bearer', { authorization: `Bearer ${KEY}` }],
    ['that is another of them', { 'x-api-key': OLD_KEY }],
    ['with an unrelated bearer token', { 'x-api-key': KEY, authorization: 'Bearer other' }],
  ])('accepts a key %s', (_case, headers) => {
    expect(() => guard(request(headers, '203.0.113.7'))).not.toThrow();
  });

  test.each<[string, ApiKeyRequest['headers']]>([
    ['none', {}],
    ['an empty one', { 'x-api-key': '' }],
    ['another one', { 'x-api-key': 'other' }],
    ['the beginning of one', { 'x-api-key': KEY.slice(0, -1) }],
    ['one and more', { 'x-api-key': `${KEY}x` }],
    ['another case', { 'x-api-key': KEY.toUpperCase() }],
    ['both in one', { 'x-api-key': `${OLD_KEY}, ${KEY}` }],
    ['a list', { 'x-api-key': [KEY] }],
    ['a wrong one beside a good bearer', { 'x-api-key': 'other', authorization: `Bearer ${KEY}` }],
    ['a list beside a good bearer', { 'x-api-key': [], authorization: `Bearer ${KEY}` }],
    ['a good one under Basic', { authorization: `Basic ${KEY}` }],
    ['a good one without a scheme', { authorization: KEY }],
  ])('refuses %s, also from this machine', async (_case, headers) => {
    await expectRefusal(() => guard(request(headers)), 'INVALID_API_KEY');
  });

  test('refuses a header that is sent twice', async () => {
    expect(await isLetIn(guard, [`X-Api-Key: ${KEY}`])).toBe(true);
    expect(await isLetIn(guard, [`X-Api-Key: ${KEY}`, `X-Api-Key: ${KEY}`])).toBe(false);
    expect(await isLetIn(guard, [`Authorization: Bearer ${KEY}`])).toBe(true);
    expect(await isLetIn(guard, [`Authorization: Bearer ${KEY}`, 'Authorization: Bearer other'])).toBe(false);
  });

  test('accepts keys with any characters', async () => {
    const letters = createApiKeyGuard({ keys: ['schlüssel-鍵'], mode: 'keys' });
    expect(await isLetIn(letters, ['X-Api-Key: schlüssel-鍵'])).toBe(true);
    expect(await isLetIn(letters, ['X-Api-Key: schlussel-鍵'])).toBe(false);
  });

  test.each([[[]], [['']], [[KEY, '']]])('refuses to create a guard for the keys %j', (keys) => {
    expect(() => createApiKeyGuard({ keys, mode: 'keys' })).toThrow('needs keys');
  });
});

describe('on loopback', () => {
  const local = createApiKeyGuard({ keys: [], mode: 'loopback' });

  test.each(['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '::FFFF:127.1.2.3'])('allows %s', (address) => {
    expect(() => local(request({}, address))).not.toThrow();
  });

  test.each([
    '128.0.0.1',
    '10.0.0.1',
    '203.0.113.127',
    '::ffff:10.0.0.1',
    '::',
    '::2',
    'fe80::1',
    '::1%eth0',
    '127.0.0.1.example.org',
    '1127.0.0.1',
    '',
  ])('refuses %s', async (address) => {
    await expectRefusal(() => local(request({}, address)), 'INVALID_API_KEY');
  });

  test('refuses a peer without an address', async () => {
    await expectRefusal(() => local({ headers: {}, socket: {} }), 'INVALID_API_KEY');
  });

  test.each([
    { origin: 'https://example.com' },
    { origin: 'http://localhost.example.com' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
  ])('refuses a page of another site in a browser on this machine: %j', (headers) => {
    expect(() => local(request(headers, '127.0.0.1'))).toThrow('INVALID_API_KEY');
  });

  test.each([
    'localhost',
    'LocalHost:4000',
    'localhost.',
    'api.localhost:4000',
    '127.0.0.1',
    '127.8.9.10:80',
    '[::1]',
    '[::1]:4000',
  ])('accepts a request with the host %s', (host) => {
    expect(() => local(request({ host }))).not.toThrow();
  });

  test.each([
    'attacker.example',
    'attacker.example:4000',
    'localhost.attacker.example',
    '127.0.0.1.attacker.example',
    'localhost:4000@attacker.example',
    'notlocalhost',
    '10.0.0.1',
    '0.0.0.0:4000',
    '[::2]',
    '[::ffff:10.0.0.1]',
    '',
  ])('refuses a request with the host %j, which may be DNS rebinding', async (host) => {
    await expectRefusal(() => local(request({ host })), 'INVALID_API_KEY');
  });

  test.each([
    [request({}, '10.0.0.1'), '', 'another machine'],
    [request({ host: 'attacker.example' }), 'host', 'a host name other than localhost'],
    [request({ 'x-real-ip': '203.0.113.7' }), 'x-real-ip', 'a proxy'],
    [request({ origin: 'https://attacker.example' }), 'origin', 'another origin'],
    [request({ 'sec-fetch-site': 'cross-site' }), 'sec-fetch-site', 'another site'],
  ])('gives the reason of a refusal: %j', (call, path, words) => {
    const message = expect.stringMatching(new RegExp(`${words}.*EMIT_API_KEYS`));
    expect(() => local(call)).toThrow(expect.objectContaining({ info: { details: [{ path, message }] } }));
  });

  test.each([{ origin: 'http://localhost:3000' }, { origin: 'http://[::1]' }, { 'sec-fetch-site': 'none' }])(
    'accepts a page of this machine: %j',
    (headers) => {
      expect(() => local(request(headers, '127.0.0.1'))).not.toThrow();
    },
  );

  test.each([
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-forwarded-port',
    'x-forwarded',
    'via',
    'x-real-ip',
    'x-client-ip',
    'x-cluster-client-ip',
    'x-remote-addr',
    'x-remote-ip',
    'client-ip',
    'cf-connecting-ip',
    'cf-connecting-ipv6',
    'true-client-ip',
    'fastly-client-ip',
    'x-azure-clientip',
    'x-appengine-user-ip',
    'x-envoy-external-address',
    'x-original-forwarded-for',
    'x-original-host',
    'cdn-loop',
    'forwarded-for',
    'x-originating-ip',
    'x-proxyuser-ip',
  ])('refuses a caller behind a proxy: %s', async (name) => {
    for (const value of ['127.0.0.1', '']) {
      await expectRefusal(() => local(request({ host: 'localhost', [name]: value })), 'INVALID_API_KEY');
    }
  });

  test('does not mistake ordinary headers for those of a proxy', () => {
    const headers = ['accept', 'user-agent', 'content-type', 'x-request-id', 'x-api-key', 'x-token', 'idempotency-key'];
    expect(() => local(request(Object.fromEntries(headers.map((name) => [name, 'x']))))).not.toThrow();
  });

  test('allows a real local request', async () => {
    expect(await isLetIn(local, ['Host: localhost'])).toBe(true);
    expect(await isLetIn(local, ['Host: attacker.example'])).toBe(false);
    expect(await isLetIn(local, ['Host: localhost', 'X-Forwarded-For: 127.0.0.1'])).toBe(false);
    expect(await isLetIn(local, ['Host: localhost', 'VIA: 1.1 proxy'])).toBe(false);
  });
});

test('the mode none allows every caller', () => {
  const open = createApiKeyGuard({ keys: [], mode: 'none' });
  expect(() => open(request({ forwarded: 'for=203.0.113.7' }, '203.0.113.7'))).not.toThrow();
});

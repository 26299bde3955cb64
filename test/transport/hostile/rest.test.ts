import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Route } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';
import { connect } from '../../support/client.js';
import { API_KEY, type TestResponse } from '../../support/gateway.js';
import { useTarget } from './target.js';

const current = useTarget();

const MEGABYTE = 1_048_576;
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

/** A `VALIDATION_ERROR` for these paths, with any messages. */
function expectInvalid(response: TestResponse, ...paths: string[]): void {
  expect(response.status).toBe(400);
  const details = paths.map((path) => ({ path, message: expect.any(String) }));
  expect(response.json).toStrictEqual({ success: false, errno: 400, message: 'VALIDATION_ERROR', details });
}

const failure = (errno: number, message: string) => ({ success: false, errno, message });

describe('a body that cannot be read', () => {
  const BODIES: Record<string, string> = {
    'cut off': '{"a"',
    'no JSON': 'a=1&b=2',
    'two values': '{}{}',
    'single quotes': "{'a':1}",
    NaN: '[NaN]',
    'a control character': '"\u0001"',
  };

  test.each(Object.entries(BODIES))('is refused: %s', async (_name, body) => {
    for (const path of ['/emit/someone/news', '/emit', '/presence']) {
      expectInvalid(await current().gateway.call('POST', path, body), '');
    }
    await current().expectUnharmed();
  });

  test('is refused when it does not match its header', async () => {
    const send = (headers: Record<string, string>, body = '{"a":1}') =>
      current().gateway.call('POST', '/emit/someone/news', body, headers);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'json',
      '',
    ]) {
      expectInvalid(await send({ 'content-type': type }), '');
    }
    for (const type of ['application/json; charset=latin1', 'application/json; charset=utf-9']) {
      expectInvalid(await send({ 'content-type': type }), '');
    }
    expectInvalid(await send({ 'content-encoding': 'gzip' }), '');
    expectInvalid(await send({ 'content-encoding': 'sdch' }), '');
    await current().expectUnharmed();
  });

  test('is refused when it is not UTF-8, compressed or not', async () => {
    const { gateway } = current();
    const typed = { 'x-api-key': API_KEY, 'content-type': 'application/json' };
    for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xe2, 0x82]]) {
      const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
      const sent = await fetch(`${gateway.url}/emit/bystander/news`, { method: 'POST', headers: typed, body });
      const details = [{ path: '', message: 'the body is not valid UTF-8' }];
      expect([sent.status, await sent.json()]).toMatchObject([400, { details }]);
      expectInvalid(await postBytes('/emit/bystander/news', gzipSync(body)), '');
    }
    await current().expectUnharmed();
  });

  test('is refused beyond the limit, also when it is small on its way', async () => {
    const { gateway } = current();
    const tooLarge = failure(413, 'PAYLOAD_TOO_LARGE');
    const large = await gateway.call('POST', '/emit/someone/news', JSON.stringify('x'.repeat(10 * MEGABYTE)));
    expect([large.status, large.json]).toStrictEqual([413, tooLarge]);
    const bomb = await postBytes('/emit/someone/news', gzipSync(`"${'x'.repeat(100 * MEGABYTE)}"`));
    expect([bomb.status, bomb.json]).toStrictEqual([413, tooLarge]);
    await current().expectUnharmed();
  });

  test('is refused when it is nested too deeply to encode, in any encoding', async () => {
    const deep = nested(500_000);
    const item = `{"items":[{"userId":"bystander","event":"news","payload":${deep.slice(0, 900_000)}`;
    expectInvalid(await current().gateway.call('POST', '/emit/bystander/news', deep), '');
    expectInvalid(await current().gateway.call('POST', '/broadcast/news', `{"a":${deep}}`), '');
    expectInvalid(await current().gateway.call('POST', '/emit', item), '');
    expectInvalid(await postBytes('/emit/bystander/news', gzipSync(nested(50_000), { level: 9 })), '');
    await current().expectUnharmed();
  });
});

/** Sends bytes that are compressed JSON. */
async function postBytes(path: string, body: Buffer): Promise<TestResponse> {
  const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const response = await fetch(current().gateway.url + path, { method: 'POST', headers, body: new Uint8Array(body) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
}

describe('a body of the wrong form', () => {
  test.each([
    ['null', null, ''],
    ['a number', 7, ''],
    ['a string', 'items', ''],
    ['a list', [], ''],
    ['nothing', {}, 'items'],
    ['items that are no list', { items: { length: 1 } }, 'items'],
    ['no items', { items: [] }, 'items'],
    ['too many items', { items: Array(1001).fill({ userId: 'x', event: 'y' }) }, 'items'],
    ['a megabyte of items', { items: Array(500_000).fill(0) }, ''],
  ])('is refused as a batch: %s', async (_name, body, path) => {
    expectInvalid(await current().gateway.call('POST', '/emit', JSON.stringify(body)), path);
    await current().expectUnharmed();
  });

  test.each([
    ['a string', { userIds: 'bystander' }],
    ['no users', { userIds: [] }],
    ['too many', { userIds: Array(501).fill('x') }],
    ['a megabyte of wrong ids', { userIds: Array(500_000).fill(0) }],
  ])('is refused as a question for presence: %s', async (_name, body) => {
    const { json } = await current().gateway.call('POST', '/presence', body);
    expect(json).toMatchObject({
      message: 'VALIDATION_ERROR',
      details: [{ path: expect.stringMatching(/^(userIds)?$/) }],
    });
    await current().expectUnharmed();
  });

  test('reports at most 20 errors', async () => {
    const { gateway } = current();
    expectInvalid(await gateway.call('POST', '/presence', { userIds: ['ok', 7, ''] }), 'userIds.1', 'userIds.2');
    const all = await gateway.call('POST', '/presence', { userIds: Array(500).fill(7) });
    expect(all.json.details).toHaveLength(20);
    expectInvalid(await gateway.call('POST', '/users/someone/disconnect', { reason: 5 }), 'reason');
    expectInvalid(await gateway.call('POST', '/users/someone/disconnect', { reason: 'x'.repeat(257) }), 'reason');
  });

  test('stops no other item of a batch', async () => {
    const wrong = [null, 7, 'x', [], {}, { userId: 'bystander' }, { userId: 'bystander', event: 'disconnect' }];
    const items = [...wrong, { userId: 'bystander', event: 'news' }];
    const { json } = await current().gateway.call('POST', '/emit', { items });
    const results: { success: boolean; message: string }[] = json.data.items;
    expect(results.map(({ message }) => message)).toEqual([...wrong.map(() => 'VALIDATION_ERROR'), 'SUCCESS']);
  });
});

describe('names', () => {
  const REFUSED: Record<string, string> = {
    reserved: 'disconnect',
    'reserved by Node.js': 'newListener',
    'beginning with _': '_private',
    'the prototype': '__proto__',
    'too long': 'e'.repeat(129),
    'with a NUL': 'a%00b',
    'with a line break': 'a%0D%0Ab',
    'with an escape': '%1B[31m',
  };

  test.each(Object.entries(REFUSED))('are refused: %s', async (_name, event) => {
    const { gateway } = current();
    expectInvalid(await gateway.call('POST', `/emit/bystander/${event}`, {}), 'event');
    expectInvalid(await gateway.call('POST', `/broadcast/${event}`, {}), 'event');
    expectInvalid(await gateway.call('POST', `/lead-finder/${'s'.repeat(16)}/emit/${event}`, {}), 'event');
    const items = [{ userId: 'bystander', event: decodeURIComponent(event) }];
    expect((await gateway.call('POST', '/emit', { items })).json.data.items).toEqual([
      { ...failure(400, 'VALIDATION_ERROR'), details: [{ path: 'event', message: expect.any(String) }] },
    ]);
    await current().expectUnharmed();
  });

  test('are refused when they are no text', async () => {
    const items = [
      { userId: '\ud800', event: 'news' },
      { userId: 'bystander', event: 'a\udfffb' },
    ];
    const { json } = await current().gateway.call('POST', '/emit', JSON.stringify({ items }));
    expect(json.data.items).toMatchObject([
      { message: 'VALIDATION_ERROR', details: [{ path: 'userId' }] },
      { message: 'VALIDATION_ERROR', details: [{ path: 'event' }] },
    ]);
    expectInvalid(await current().gateway.call('POST', '/presence', '{"userIds":["\\ud800"]}'), 'userIds.0');
  });

  test('of users are refused when they are too long', async () => {
    const long = 'u'.repeat(129);
    expectInvalid(await current().gateway.call('POST', `/emit/${long}/news`, {}), 'userId');
    expectInvalid(await current().gateway.call('GET', `/users/${long}/presence`), 'userId');
    expectInvalid(await current().gateway.call('POST', `/broadcast/news?account=${long}`, {}), 'account');
  });

  test.each(['*', ':', 'user:bystander', 'a/b', 'bystander*', '#', '?', 'ü 🚀', '\u0000', '__proto__', 'constructor'])(
    'of users are opaque: %j',
    async (uid) => {
      const { gateway } = current();
      const client = await connect(gateway, { claims: { uid } });
      const user = encodeURIComponent(uid);
      const emitted = await gateway.call('POST', `/emit/${user}/news`, { for: uid });
      expect(emitted.json).toEqual({ success: true, message: 'SUCCESS', data: { sockets: 1 } });
      expect(await client.next('news')).toEqual([{ for: uid }]);
      const presence = await gateway.call('GET', `/users/${user}/presence`);
      expect(presence.json.data).toMatchObject({ userId: uid, online: true, connections: 1 });
      client.close();
      await current().expectUnharmed();
    },
  );

  test('of events may be anything else', async () => {
    const { gateway } = current();
    const client = await connect(gateway, { claims: { uid: 'reader' } });
    for (const event of ['error', 'événement 🚀', 'a/b', 'constructor', 'toString', 'ping', ' ']) {
      await gateway.call('POST', `/emit/reader/${encodeURIComponent(event)}`, { event });
      expect(await client.next(event)).toEqual([{ event }]);
    }
    client.close();
    await current().expectUnharmed();
  });
});

describe('a path', () => {
  test.each(['%', '/emit/%zz/news', '/emit/%E0%A4%A/news', '/emit/%ED%A0%80/news', '/users/%/presence'])(
    'that cannot be decoded is refused: %s',
    async (path) => {
      const { gateway } = current();
      const url = path.startsWith('/') ? path : `/emit/${path}/news`;
      const response = await gateway.call(path.startsWith('/users') ? 'GET' : 'POST', url);
      expectInvalid(response, '');
      await current().expectUnharmed();
    },
  );

  test.each([
    '/../../etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//etc/passwd',
    '/socket.io',
    '/__proto__',
    '/constructor',
    `/${'a'.repeat(8000)}`,
    '/\\..\\',
  ])('that does not exist is NOT_FOUND: %s', async (path) => {
    const answer = await speak(`GET ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${API_KEY}\r\nconnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain(JSON.stringify(failure(404, 'NOT_FOUND')));
    await current().expectUnharmed();
  });
});

describe('a method', () => {
  test.each([
    ['GET', '/emit/someone/news'],
    ['PUT', '/emit/someone/news'],
    ['DELETE', '/users/someone/disconnect'],
    ['POST', '/users/someone/presence'],
    ['POST', '/status'],
    ['PATCH', '/broadcast/news'],
    ['PROPFIND', '/emit'],
  ])('that a route does not have is METHOD_NOT_ALLOWED: %s %s', async (method, path) => {
    const response = await current().gateway.call(method, path);
    expect([response.status, response.json]).toStrictEqual([405, failure(405, 'METHOD_NOT_ALLOWED')]);
    const overridden = await current().gateway.call('GET', path.replace('presence', 'nothing'), undefined, {
      'x-http-method-override': 'POST',
    });
    expect([200, 404, 405]).toContain(overridden.status);
    await current().expectUnharmed();
  });
});

describe('a query', () => {
  test.each([
    ['namespace=/v1/shared&namespace=/v1/shared', 'namespace'],
    ['namespace[]=/v1/shared', 'namespace[]'],
    ['namespace=', 'namespace'],
    ['namespace=/v1/lead-finder', 'namespace'],
    ['namespace=__proto__', 'namespace'],
    ['durable=perhaps', 'durable'],
    ['durable=true&durable=true', 'durable'],
  ])('of the wrong form is refused: %s', async (query, path) => {
    expectInvalid(await current().gateway.call('POST', `/emit/bystander/news?${query}`, {}), path);
    await current().expectUnharmed();
  });

  test('with an account given twice reaches no client', async () => {
    expectInvalid(await current().gateway.call('POST', '/broadcast/news?account=a&account=b', {}), 'account');
    expectInvalid(await current().gateway.call('POST', '/broadcast/news?account=', {}), 'account');
  });

  test('that is not understood is refused', async () => {
    const query = `__proto__=1&constructor[prototype][isPolluted]=1&%=%&a${'&b=1'.repeat(2000)}`;
    const response = await current().gateway.call('POST', `/emit/unknown-user/news?${query}`, {});
    expect(response.json).toMatchObject(failure(400, 'VALIDATION_ERROR'));
    expect(response.json.details.map(({ path }: { path: string }) => path)).toEqual([
      '__proto__',
      'constructor[prototype][isPolluted]',
      '%',
      'a',
      'b',
    ]);
    expect({}).not.toHaveProperty('isPolluted');
    await current().expectUnharmed();
  });
});

const routes = publishedContracts
  .flatMap(({ contract }) => Object.values<Route>(contract.routes))
  .filter(({ caller = 'backend' }) => caller === 'backend');

describe.each(routes)('$method $path', ({ method, path, params, body }) => {
  const fill = (value: string): string => path.replace(/:\w+/g, value);

  test('is closed without a key', async () => {
    const response = await current().gateway.call(method, fill('x'), undefined, { 'x-api-key': '' });
    expect([response.status, response.json]).toStrictEqual([401, failure(401, 'INVALID_API_KEY')]);
  });

  test('refuses unreadable bodies', async () => {
    const { gateway } = current();
    if (params !== undefined) {
      const response = await gateway.call(method, fill('x'.repeat(2000)));
      expect([response.status, response.json.message]).toEqual([400, 'VALIDATION_ERROR']);
    }
    if (body === undefined) return;
    for (const text of ['{', nested(400_000), `{"a":${nested(400_000)}}`]) {
      const response = await gateway.call(method, fill('x'.repeat(20)), text);
      expect([response.status, response.json.message]).toEqual([400, 'VALIDATION_ERROR']);
    }
    await current().expectUnharmed();
  });
});

describe('a key', () => {
  const refused = failure(401, 'INVALID_API_KEY');

  test.each([
    ['another', { 'x-api-key': 'another' }],
    ['an empty', { 'x-api-key': '' }],
    ['one in a list', { 'x-api-key': `["${API_KEY}"]` }],
    ['one given twice', { 'x-api-key': `${API_KEY}, ${API_KEY}` }],
    ['one of the wrong case', { 'x-api-key': API_KEY.toUpperCase() }],
    ['another before a right bearer', { 'x-api-key': 'no', authorization: `Bearer ${API_KEY}` }],
    ['one of 8000 characters', { 'x-api-key': 'k'.repeat(8000) }],
  ])('that is wrong gives no access: %s', async (_name, headers) => {
    for (const [method, path] of [
      ['POST', '/emit/bystander/news'],
      ['POST', '/emit'],
      ['POST', '/broadcast/news'],
      ['POST', '/presence'],
      ['GET', '/users/bystander/presence'],
      ['POST', '/users/bystander/disconnect'],
      ['GET', '/metrics'],
    ] as const) {
      const response = await current().gateway.call(method, path, undefined, headers);
      expect([response.status, response.json]).toStrictEqual([401, refused]);
    }
    await current().expectUnharmed();
  });

  test('in two headers, in the query or in the body gives no access', async () => {
    const head = 'POST /emit/bystander/news HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n';
    const twice = await speak(`${head}x-api-key: ${API_KEY}\r\nx-api-key: ${API_KEY}\r\n\r\n`);
    expect(twice).toContain(JSON.stringify(refused));
    const { gateway } = current();
    for (const name of ['x-api-key', 'x-api-key[]', 'key', 'token']) {
      const path = `/emit/bystander/news?${name}=${API_KEY}`;
      const response = await gateway.call('POST', path, { [name]: API_KEY }, { 'x-api-key': '' });
      expect([response.status, response.json]).toStrictEqual([401, refused]);
    }
    await current().expectUnharmed();
  });
});

/** Writes raw bytes to the port. @returns all that is received until the close */
async function speak(text: string): Promise<string> {
  const tcp = connectTcp(current().gateway.port, '127.0.0.1');
  tcp.on('error', () => undefined);
  let heard = '';
  tcp.on('data', (chunk: Buffer) => {
    heard += chunk.toString();
  });
  tcp.write(text);
  // A gateway that leaves bytes unread resets the connection after its answer.
  await new Promise((resolve) => tcp.once('close', resolve));
  return heard;
}

describe('malformed HTTP', () => {
  const head = `POST /emit/unknown-user/news HTTP/1.1\r\nhost: x\r\nx-api-key: ${API_KEY}\r\ncontent-type: application/json\r\n`;
  const SPOKEN: Record<string, [text: string, status: string]> = {
    noise: ['\u0000\u0001\u0002 garbage\r\n\r\n', '400'],
    'no version': ['GET /status\r\n\r\n', '200'],
    'another version': ['GET /status HTTP/9.9\r\n\r\n', '400'],
    'HTTP/2 on the plain port': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400'],
    TLS: ['\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', '400'],
    'no host': ['GET /status HTTP/1.1\r\n\r\n', '400'],
    '20,000 headers': [`GET /status HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(20_000)}\r\n`, '431'],
    'a header of 100,000 bytes': [`GET /status HTTP/1.1\r\nhost: x\r\na: ${'b'.repeat(100_000)}\r\n\r\n`, '431'],
    'a space before the colon': ['GET /status HTTP/1.1\r\nhost: x\r\na : b\r\n\r\n', '400'],
    'two lengths': [`${head}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`, '400'],
    'a length and chunks': [`${head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, '400'],
    'a negative length': [`${head}content-length: -1\r\n\r\n`, '400'],
    'a chunk that is no number': [`${head}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`, '400'],
    'another address in the first line': [
      'GET http://elsewhere/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      '200',
    ],
  };

  test.each(Object.entries(SPOKEN))('affects no other connection: %s', async (_name, [text, status]) => {
    expect(await speak(text)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    await current().expectUnharmed();
  });

  test('affects no other connection when it is cut off', async () => {
    for (const text of ['GET /sta', head, `${head}content-length: 100\r\n\r\n{"a"`]) {
      const tcp = connectTcp(current().gateway.port, '127.0.0.1');
      await once(tcp, 'connect');
      tcp.write(text, () => tcp.resetAndDestroy());
      await once(tcp, 'close');
      await current().expectUnharmed();
    }
  });

  test('affects no other connection when it asks for another protocol', async () => {
    for (const text of [
      'CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere\r\n\r\n',
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n',
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n',
      'GET /elsewhere HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n',
    ]) {
      const answer = await speak(text);
      expect(answer).not.toContain('101');
      await current().expectUnharmed();
    }
  });
});

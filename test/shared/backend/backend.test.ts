import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { toChunks } from '#shared/backend/batch.js';
import { type BatchItem, createBackend, createSite } from '#shared/backend/index.js';
import type { Fetch } from '#shared/backend/request.js';
import { connectSite } from '../../integrations/push-sites/site-client.js';
import { createSiteEnvironment, news, type SiteEnvironment } from '../../integrations/push-sites/site-environment.js';
import { connect } from '../../support/client.js';
import { API_KEY, type TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';

let environment: SiteEnvironment;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  environment = await createSiteEnvironment();
  [a, b] = await Promise.all([
    environment.start({ BODY_LIMIT: '100000' }),
    environment.start({ BODY_LIMIT: '100000' }),
  ]);
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  await environment.close();
});

/** A server of this test. @returns its URL */
async function startServer(handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const newUser = (): string => new Types.ObjectId().toHexString();

/** What happens to the calls of a backend, one after the other. `lost`: done, and the answer is lost on the way. */
type Fault = 'lost' | 'unreachable' | 'hangs' | { status: number; body: unknown } | 'none';

/** A network with faults; the pauses of the client take no time. */
function openBackend(faults: readonly Fault[] = [], { apiKey = API_KEY, bytesMax = 90_000, node = () => a } = {}) {
  const calls: { path: string; body: string; key: string | undefined }[] = [];
  const pauses: number[] = [];
  let time = 0;
  const send: Fetch = async (target, init) => {
    const url = new URL(target);
    const fault = faults[calls.length] ?? 'none';
    const { 'idempotency-key': key } = init.headers;
    calls.push({ path: url.pathname + url.search, body: init.body ?? '', key });
    if (fault === 'unreachable')
      throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } });
    if (typeof fault === 'object') return { status: fault.status, text: async () => JSON.stringify(fault.body) };
    if (fault === 'hangs') {
      return new Promise((_resolve, reject) => init.signal.addEventListener('abort', () => reject(init.signal.reason)));
    }
    const response = await fetch(node().url + url.pathname + url.search, init);
    if (fault === 'lost') throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNRESET' } });
    return response;
  };
  const clock = {
    now: () => time,
    after: (delayMs: number, task: () => void) => {
      const isLimit = delayMs > 7500;
      if (!isLimit) pauses.push(delayMs);
      const timer = setTimeout(
        () => {
          time += delayMs;
          task();
        },
        isLimit && faults[calls.length - 1] !== 'hangs' && faults[calls.length] !== 'hangs' ? 100_000 : 1,
      );
      return () => clearTimeout(timer);
    },
  };
  const options = { url: 'http://gateway/', apiKey, bytesMax, fetch: send, clock, random: () => 0 };
  return { backend: createBackend(options), calls, pauses };
}

const refused = (code: string, errno: number, more: object = {}): Fault => ({
  status: errno,
  body: { success: false, errno, message: code, ...more },
});

/** How often each payload was stored for a user. */
async function storedFor(user: string): Promise<number> {
  return (await b.call('GET', `/users/${user}/deliveries?limit=100`)).json.data.messages.length;
}

describe('emit', () => {
  test('reaches the sockets of a user and says how many', async () => {
    const user = newUser();
    const client = await connect(a, { claims: { uid: user } });
    const { backend } = openBackend();
    expect(await backend.emit(user, 'note/ü', { n: 1 })).toEqual({ sockets: 1 });
    expect(await client.next('note/ü')).toEqual([{ n: 1 }]);
    client.close();
  });

  test.each<Fault>(['lost', 'unreachable', refused('UNAVAILABLE', 503)])(
    'is not sent again after %j',
    async (fault) => {
      const { backend, calls } = openBackend([fault]);
      await expect(backend.emit(newUser(), 'm', {})).rejects.toMatchObject({ retryable: true });
      expect(calls).toHaveLength(1);
    },
  );

  test('is sent again when the gateway says when', async () => {
    const { backend, calls, pauses } = openBackend([refused('RATE_LIMITED', 429, { retryAfterMs: 1200 })]);
    expect(await backend.emit(newUser(), 'm', {})).toEqual({ sockets: 0 });
    expect([calls.length, pauses]).toEqual([2, [1450]]);
  });

  test('is sent again when a proxy refuses it before the gateway, and not when the proxy may have sent it on', async () => {
    const limited = openBackend([{ status: 429, body: '<html>' }]);
    expect(await limited.backend.emit(newUser(), 'm', {})).toEqual({ sockets: 0 });
    expect(limited.calls).toHaveLength(2);
    const lost = openBackend([{ status: 524, body: '<html>' }]);
    await expect(lost.backend.emit(newUser(), 'm', {})).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(lost.calls).toHaveLength(1);
  });
});

describe('a durable emit', () => {
  test.each<[string, Fault[]]>([
    ['the connection is lost after it was stored', ['lost', 'lost']],
    ['the gateway is not reached', ['unreachable', 'unreachable', 'unreachable']],
    ['the gateway answers UNAVAILABLE', [refused('UNAVAILABLE', 503), refused('INTERNAL_ERROR', 500)]],
    ['a proxy answers 502', [{ status: 502, body: '<html>' }]],
    ['a proxy gives up waiting', [408, 522, 524].map((status) => ({ status, body: '<html>' }))],
    ['a proxy limits calls', [{ status: 429, body: '<html>' }]],
    ['there is no answer in time', ['hangs', 'lost']],
    ['there are too many calls', [refused('RATE_LIMITED', 429, { retryAfterMs: 10 })]],
  ])('is stored once when %s', async (_name, faults) => {
    const user = newUser();
    let calls = 0;
    // Each attempt may reach another node.
    const node = () => [a, b][calls++ % 2] as TestGateway;
    const { backend, calls: made } = openBackend(faults, { node });
    const { id, state } = await backend.emitDurable(user, 'm', { n: 1 }, { ttlSeconds: 60 });
    expect([id, state]).toEqual([expect.stringMatching(/^[0-9a-f]{24}$/), 'queued']);
    expect(made).toHaveLength(faults.length + 1);
    expect(new Set(made.map(({ key }) => key)).size).toBe(1);
    expect(await storedFor(user)).toBe(1);
    expect((await backend.status(id)).event).toBe('m');
  });

  test.each<[string, Fault]>([
    ['VALIDATION_ERROR', refused('VALIDATION_ERROR', 400)],
    ['INVALID_API_KEY', refused('INVALID_API_KEY', 401)],
    ['NOT_FOUND', refused('NOT_FOUND', 404)],
    ['CONFLICT', refused('CONFLICT', 409)],
    ['PAYLOAD_TOO_LARGE', refused('PAYLOAD_TOO_LARGE', 413)],
  ])('is not sent again after %s', async (code, fault) => {
    const { backend, calls } = openBackend([fault, 'none']);
    await expect(backend.emitDurable(newUser(), 'm')).rejects.toMatchObject({ code, retryable: false });
    expect(calls).toHaveLength(1);
  });

  test('with a key of its own is stored once by two calls, and another body is a conflict', async () => {
    const user = newUser();
    const { backend } = openBackend();
    const options = { idempotencyKey: `lead-${user}` };
    const [one, two] = [
      await backend.emitDurable(user, 'm', 1, options),
      await backend.emitDurable(user, 'm', 1, options),
    ];
    expect([one.id, await storedFor(user)]).toEqual([two.id, 1]);
    await expect(backend.emitDurable(user, 'm', 2, options)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('gives up after its time limit with the last error', async () => {
    const { backend, calls } = openBackend(Array.from({ length: 100 }, () => 'unreachable' as const));
    await expect(backend.emitDurable(newUser(), 'm')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: 'UNREACHABLE: ECONNREFUSED',
    });
    expect(calls.length).toBeGreaterThan(5);
    expect(calls.length).toBeLessThan(30);
  });

  test('names the field that is wrong', async () => {
    const { backend } = openBackend();
    await expect(backend.emitDurable(newUser(), '_hidden')).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      details: [{ path: 'event', message: 'must not start with _' }],
    });
    // @ts-expect-error no such namespace
    await expect(backend.emit(newUser(), 'm', {}, { namespace: '/v2' })).rejects.toMatchObject({
      details: [{ path: 'namespace' }],
    });
  });
});

describe('a batch', () => {
  const toItems = (user: string, count: number, size = 10): BatchItem[] =>
    Array.from({ length: count }, (_, n) => ({
      userId: user,
      event: 'm',
      payload: { n, fill: 'ü'.repeat(size) },
      durable: true,
    }));

  test('is split by number, in order', async () => {
    const user = newUser();
    const { backend, calls } = openBackend();
    const results = await backend.emitAll(toItems(user, 1200, 0).map(({ durable: _, ...item }) => item));
    expect(results.map(({ success }) => success)).toEqual(Array.from({ length: 1200 }, () => true));
    expect(calls.map(({ body }) => JSON.parse(body).items.length)).toEqual([1000, 200]);
  });

  test('is split by bytes, which the gateway accepts', async () => {
    const user = newUser();
    const { backend, calls } = openBackend();
    const results = await backend.emitAll(toItems(user, 90, 1000));
    expect(results.filter(({ success }) => success)).toHaveLength(90);
    expect(calls.length).toBeGreaterThan(1);
    for (const { body } of calls) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(90_000);
    expect(await storedFor(user)).toBe(90);
  });

  test('has a result for each item, also for one that no call can hold', async () => {
    const user = newUser();
    const { backend } = openBackend();
    const [first, large, , last] = await backend.emitAll([
      ...toItems(user, 1),
      { userId: user, event: 'm', payload: 'x'.repeat(150_000) },
      ...toItems(user, 1),
      { userId: user, event: '_bad' },
    ]);
    expect(first?.success).toBe(true);
    expect(large).toMatchObject({ success: false, error: { code: 'PAYLOAD_TOO_LARGE' } });
    expect(last).toMatchObject({ success: false, error: { code: 'VALIDATION_ERROR', details: [{ path: 'event' }] } });
    expect(await storedFor(user)).toBe(2);
  });

  test('stores each durable item once when answers are lost', async () => {
    const user = newUser();
    const { backend, calls } = openBackend(['lost', 'none', 'lost']);
    const results = await backend.emitAll(toItems(user, 60, 1000));
    expect([results.length, await storedFor(user)]).toEqual([60, 60]);
    expect(calls.length).toBeGreaterThan(3);
  });

  test('sends items again that failed for a passing reason, and no others', async () => {
    const user = newUser();
    const success = { success: true, message: 'SUCCESS', data: { sockets: 0 } };
    const failure = { success: false, errno: 503, message: 'UNAVAILABLE' };
    const answer = { success: true, message: 'SUCCESS', data: { items: [success, failure, failure] } };
    const { backend, calls } = openBackend([{ status: 200, body: answer }]);
    const items = toItems(user, 2);
    const results = await backend.emitAll([...items, { userId: user, event: 'fleeting' }]);
    expect(results.map(({ success: isDone }) => isDone)).toEqual([true, true, false]);
    expect(JSON.parse(calls[1]?.body ?? '').items).toEqual([JSON.parse(calls[0]?.body ?? '').items[1]]);
  });

  test('is nothing when it is empty', async () => {
    const { backend, calls } = openBackend();
    expect([await backend.emitAll([]), calls]).toEqual([[], []]);
  });

  test('never exceeds a limit that its items allow, and keeps them in order (random sizes)', () => {
    for (let seed = 1; seed < 200; seed += 1) {
      const items = Array.from({ length: seed % 17 }, (_, n) => 'ü'.repeat((seed * (n + 3) * 7919) % 50));
      const chunks = toChunks(items, { itemsMax: 5, bytesMax: 101 });
      expect(chunks.flatMap((chunk) => chunk.items)).toEqual(items);
      for (const { start, items: part } of chunks) {
        expect(items.slice(start, start + part.length)).toEqual(part);
        expect(part.length).toBeLessThanOrEqual(5);
        if (part.length > 1) expect(Buffer.byteLength(part.join()) + 1).toBeLessThanOrEqual(101);
      }
    }
  });
});

test('presence of any number of users is in the order asked', async () => {
  const here = newUser();
  const client = await connect(b, { claims: { uid: here } });
  const userIds = [...Array.from({ length: 600 }, newUser), here];
  const { backend, calls } = openBackend();
  await until(async () => (await backend.presence(here)).online);
  const users = await backend.presences(userIds);
  expect(users.map(({ userId }) => userId)).toEqual(userIds);
  expect(users.filter(({ online }) => online)).toMatchObject([{ userId: here, connections: 1 }]);
  expect(calls.filter(({ path }) => path === '/presence')).toHaveLength(2);
  client.close();
});

test('deliveries are walked page by page', async () => {
  const user = newUser();
  const { backend } = openBackend();
  for (let n = 0; n < 5; n += 1) await backend.emitDurable(user, `m${n}`);
  const names: string[] = [];
  for await (const { event } of backend.allDeliveries(user, { limit: 2 })) names.push(event);
  expect(names).toEqual(['m4', 'm3', 'm2', 'm1', 'm0']);
  expect((await backend.deliveries(user, { event: 'm3' })).messages).toHaveLength(1);
});

test('disconnect and revokeTokens end the connections of a user', async () => {
  const user = newUser();
  const { backend } = openBackend(['lost']);
  const first = await connect(b, { claims: { uid: user } });
  await backend.disconnect(user, { reason: 'signed out' });
  expect(await first.next('disconnected')).toEqual([{ reason: 'signed out' }]);
  // On the node that was called: the disconnect was made twice, and its message to the other node may still be under way.
  const second = await connect(a, { claims: { uid: user } });
  await backend.revokeTokens({ userId: user, keep_seconds: 60 });
  expect(await second.next('disconnected')).toEqual([{ reason: 'revoked' }]);
});

test('broadcast reaches everyone of an account', async () => {
  const account = newUser();
  const client = await connect(a, { claims: { uid: newUser(), account_id: account } });
  expect(await openBackend().backend.broadcast('maintenance', { at: 1 }, { account })).toEqual({ sockets: 1 });
  expect(await client.next('maintenance')).toEqual([{ at: 1 }]);
  client.close();
});

test('a wrong key is INVALID_API_KEY', async () => {
  const { backend } = openBackend([], { apiKey: 'wrong' });
  await expect(backend.presence('1')).rejects.toMatchObject({ code: 'INVALID_API_KEY', retryable: false });
});

test.each([301, 302, 303, 307, 308])(
  'a redirect with status %i is not followed, whatever the call is',
  async (status) => {
    const followed: unknown[] = [];
    const elsewhere = await startServer((request, response) => {
      followed.push(request.headers['x-api-key']);
      response.end('{"success":true,"data":{}}');
    });
    const proxy = await startServer(({ url = '' }, response) =>
      response.writeHead(status, { location: elsewhere + url }).end(),
    );
    const backend = createBackend({ url: proxy, apiKey: API_KEY });
    const site = createSite({ url: proxy, site: news.name, apiKey: news.key });
    const calls = [
      () => backend.emit('1', 'm'),
      () => backend.emitDurable('1', 'm'),
      () => backend.nodes(),
      () => site.send('1', 'm'),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'BAD_ANSWER',
        message: expect.stringContaining(`status ${status}: redirects are not followed`),
        retryable: false,
      });
    }
    expect(followed).toEqual([]);
  },
);

describe('a push site', () => {
  test('sends any arguments to rooms', async () => {
    environment.website.rooms.set('t-9', ['user_9', 'staff']);
    const client = await connectSite(b, 'news', { token: 't-9', deviceId: 'd' });
    const site = createSite({ url: a.url, site: news.name, apiKey: news.key });
    await site.send('user_9', 'update', { args: ['user', { id: 1 }] });
    await site.send(['staff'], 'none', { isResync: true });
    await client.has(2);
    expect(client.heard).toEqual([['update', 'user', { id: 1 }], ['none']]);
    client.close();
  });

  test('rejects with the code of what is wrong', async () => {
    const wrongKey = createSite({ url: a.url, site: news.name, apiKey: 'wrong' });
    await expect(wrongKey.send('user_9', 'm')).rejects.toMatchObject({ code: 'INVALID_API_KEY' });
    const site = createSite({ url: a.url, site: news.name, apiKey: news.key });
    await expect(site.send([], 'm')).rejects.toMatchObject({ code: 'VALIDATION_ERROR', details: [{ path: 'rooms' }] });
  });
});

test.each(['localhost:4000', 'gateway.example.com', '//gateway.example.com', 'ws://localhost:4000', 'https://', ''])(
  'a URL that no call could reach is refused at once: %s',
  (url) => {
    const refusal = 'url must begin with http:// or https://';
    expect(() => createBackend({ url })).toThrow(refusal);
    expect(() => createSite({ url, site: 'news', apiKey: 'key' })).toThrow(refusal);
  },
);

test('a key that is not set is one of a gateway without keys', () => {
  // As `process.env.GATEWAY_KEY` is, in a project that is as strict as this one.
  const unset: string | undefined = undefined;
  expect(() => createBackend({ url: a.url, apiKey: unset })).not.toThrow();
});

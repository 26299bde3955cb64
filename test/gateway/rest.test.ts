import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../support/client.js';
import { API_KEY, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ EMIT_API_KEYS: `old-key,${API_KEY}` });
});
afterAll(() => gateway.close());

const failure = (errno: number, message: string) => ({ success: false, errno, message });

test('GET /status answers unauthenticated callers, with the documented headers', async () => {
  const status = await gateway.call('GET', '/status', undefined, { 'x-api-key': '' });
  expect(status.json).toEqual({ success: true, message: 'General socket is running' });
  expect(status.headers.get('access-control-allow-origin')).toBe('*');
  expect(status.headers.get('x-content-type-options')).toBe('nosniff');
  expect(status.headers.get('cache-control')).toContain('no-store');
  expect(status.headers.get('x-powered-by')).toBeNull();
  expect((await gateway.call('GET', '/health/live', undefined, { 'x-api-key': '' })).status).toBe(200);
  expect((await gateway.call('GET', '/health/ready', undefined, { 'x-api-key': '' })).status).toBe(200);
});

test('an emit reaches every socket of the user on the namespace, and no other', async () => {
  const [first, second, other, elsewhere] = await Promise.all([
    connect(gateway, { claims: { uid: 'emit-1' } }),
    connect(gateway, { claims: { uid: 'emit-1' } }),
    connect(gateway, { claims: { uid: 'emit-2' } }),
    connect(gateway, { claims: { uid: 'emit-1' }, namespace: '/v1/conversation' }),
  ]);
  const payload = { title: 'New Lead', nested: [1, null, { deep: 'ü' }] };
  const answer = await gateway.call('POST', '/emit/emit-1/notification', payload);
  expect(answer.json).toEqual({ success: true, message: 'SUCCESS', data: { sockets: 2 } });
  expect(await first.next('notification')).toEqual([payload]);
  expect(await second.next('notification')).toEqual([payload]);
  await Promise.all([other.ask('join'), elsewhere.ask('join')]);
  expect([...other.received('notification'), ...elsewhere.received('notification')]).toEqual([]);

  const all = await gateway.call('POST', '/emit/emit-1/everywhere?namespace=*', '"text"');
  expect(all.json.data).toEqual({ sockets: 3 });
  expect(await elsewhere.next('everywhere')).toEqual(['text']);
  for (const client of [first, second, other, elsewhere]) client.close();
});

test.each([[null], [0], [false], ['text'], [[1, 2]], [{ a: { b: [] } }]])(
  'any JSON is a payload: %j',
  async (payload) => {
    const client = await connect(gateway, { claims: { uid: 'json' } });
    expect((await gateway.call('POST', '/emit/json/any', JSON.stringify(payload))).status).toBe(200);
    expect(await client.next('any')).toEqual([payload]);
    client.close();
  },
);

test('an offline user is not an error', async () => {
  const answer = await gateway.call('POST', '/emit/unknown-user/notification', {});
  expect(answer.json).toEqual({ success: true, message: 'SUCCESS', data: { sockets: 0 } });
});

test('a batch answers each item in order, and a bad one does not stop the rest', async () => {
  const client = await connect(gateway, { claims: { uid: 'batch' } });
  const items = [
    { userId: 'batch', event: 'one', payload: 1 },
    { userId: 'batch', event: 'connect', payload: 2 },
    { event: 'three' },
    { userId: 'batch', event: 'four', payload: 4 },
    { userId: 'batch', event: 'five' },
  ];
  const { status, json } = await gateway.call('POST', '/emit', { items });
  expect(status).toBe(200);
  const sent = { success: true, message: 'SUCCESS', data: { sockets: 1 } };
  expect(json.data.items).toEqual([
    sent,
    { ...failure(400, 'VALIDATION_ERROR'), details: [{ path: 'event', message: 'is reserved by Socket.IO' }] },
    { ...failure(400, 'VALIDATION_ERROR'), details: [{ path: 'userId', message: expect.any(String) }] },
    sent,
    sent,
  ]);
  expect(await client.next('one')).toEqual([1]);
  expect(await client.next('four')).toEqual([4]);
  expect(await client.next('five')).toEqual([{}]);
  client.close();
  for (const bad of [{ items: [] }, { items: Array.from({ length: 1001 }, () => ({})) }, {}, { items: 'x' }]) {
    expect((await gateway.call('POST', '/emit', bad)).json).toMatchObject(failure(400, 'VALIDATION_ERROR'));
  }
});

test('a broadcast reaches the namespace, or one account of it', async () => {
  const [a1, a2, b] = await Promise.all([
    connect(gateway, { claims: { uid: 'a1', account_id: 'acc-a' } }),
    connect(gateway, { claims: { uid: 'a2', account_id: 'acc-a' } }),
    connect(gateway, { claims: { uid: 'b', account_id: 'acc-b' } }),
  ]);
  expect((await gateway.call('POST', '/broadcast/hello', { to: 'all' })).json.data.sockets).toBe(3);
  expect((await gateway.call('POST', '/broadcast/account?account=acc-a', { to: 'a' })).json.data.sockets).toBe(2);
  for (const client of [a1, a2, b]) expect(await client.next('hello')).toEqual([{ to: 'all' }]);
  for (const client of [a1, a2]) expect(await client.next('account')).toEqual([{ to: 'a' }]);
  await b.ask('join');
  expect(b.received('account')).toEqual([]);
  for (const client of [a1, a2, b]) client.close();
});

test.each(['/broadcast/e?durable=true', '/broadcast/e?ttl=5', '/broadcast/e?push=true'])(
  '%s is refused as not available',
  async (path) => {
    const { status, json } = await gateway.call('POST', path, {});
    expect(status).toBe(400);
    expect(json).toMatchObject(failure(400, 'VALIDATION_ERROR'));
    expect(json.details[0].message).toContain('not available');
  },
);

test('disconnect ends every socket of the user with the reason', async () => {
  const clients = await Promise.all(
    ['/v1/shared', '/v1/conversation', '/v1/conversation/live'].map((namespace) =>
      connect(gateway, { namespace, claims: { uid: 'leaver' } }),
    ),
  );
  const bystander = await connect(gateway, { claims: { uid: 'stayer' } });
  const answer = await gateway.call('POST', '/users/leaver/disconnect', { reason: 'signed out' });
  expect(answer.json).toEqual({ success: true, message: 'SUCCESS' });
  for (const client of clients) {
    expect(await client.next('disconnected')).toEqual([{ reason: 'signed out' }]);
    expect(await client.closed).toBe('io server disconnect');
  }
  expect((await bystander.ask('join')).success).toBe(true);
  bystander.close();
  expect((await gateway.call('POST', '/users/leaver/disconnect')).status).toBe(200);
});

test('presence of one and of many', async () => {
  const before = Date.now();
  const clients = await Promise.all([1, 2].map(() => connect(gateway, { claims: { uid: 'present' } })));
  const { data } = (await gateway.call('GET', '/users/present/presence')).json;
  expect(data).toEqual({ userId: 'present', online: true, connections: 2, since: expect.any(String) });
  expect(Date.parse(data.since)).toBeGreaterThanOrEqual(before);
  const many = await gateway.call('POST', '/presence', { userIds: ['absent', 'present'] });
  expect(many.json.data.users).toEqual([{ userId: 'absent', online: false, connections: 0, since: null }, data]);
  const tooMany = { userIds: Array.from({ length: 501 }, (_, index) => `u${index}`) };
  expect((await gateway.call('POST', '/presence', tooMany)).status).toBe(400);
  for (const client of clients) client.close();
});

test('the lead finder sends progress to subscribers of a scraper', async () => {
  const scraper = 'scraper_0123456789';
  const leadFinder = { namespace: '/v1/lead-finder', claims: null };
  const [follower, stranger] = await Promise.all([connect(gateway, leadFinder), connect(gateway, leadFinder)]);
  expect(await follower.ask('join', { scraper_id: scraper })).toEqual({ success: true, message: 'SUCCESS' });
  expect((await gateway.call('POST', `/lead-finder/${scraper}/emit/progress`, { done: 3 })).json.data.sockets).toBe(1);
  expect(await follower.next('progress')).toEqual([{ done: 3 }]);
  expect(await follower.ask('leave', { scraper_id: scraper })).toEqual({ success: true, message: 'SUCCESS' });
  expect((await gateway.call('POST', `/lead-finder/${scraper}/emit/progress`, {})).json.data.sockets).toBe(0);
  await stranger.ask('leave', { scraper_id: scraper });
  expect(stranger.received('progress')).toEqual([]);

  for (let index = 0; index < 10; index += 1) {
    expect((await stranger.ask('join', { scraper_id: `${scraper}-${index}` })).success).toBe(true);
  }
  expect((await stranger.ask('join', { scraper_id: `${scraper}-0` })).success).toBe(true);
  const refused = await stranger.ask('join', { scraper_id: `${scraper}-11` });
  expect(refused).toMatchObject({ success: false, message: 'VALIDATION_ERROR', additional_info: { errno: 400 } });
  expect((await gateway.call('POST', '/lead-finder/short/emit/progress', {})).status).toBe(400);
  follower.close();
  stranger.close();
});

test('any of the keys is accepted, in either header; other keys are not', async () => {
  const none = { 'x-api-key': '' };
  expect((await gateway.call('POST', '/emit/u/e', {}, { 'x-api-key': 'old-key' })).status).toBe(200);
  const paths = [
    '/emit/u/e',
    '/broadcast/e',
    '/users/u/disconnect',
    '/presence',
    '/lead-finder/0123456789abcdef/emit/e',
  ];
  for (const path of paths) {
    expect((await gateway.call('POST', path, {}, none)).json).toEqual(failure(401, 'INVALID_API_KEY'));
    expect((await gateway.call('POST', path, {}, { 'x-api-key': 'wrong' })).json).toEqual(
      failure(401, 'INVALID_API_KEY'),
    );
  }
  expect((await gateway.call('GET', '/metrics', undefined, none)).json).toEqual(failure(401, 'INVALID_API_KEY'));
  const response = await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${API_KEY}` } });
  expect(response.status).toBe(200);
});

test('metrics count by names that the code knows, whatever clients send', async () => {
  const client = await connect(gateway, { claims: { uid: 'metrics' } });
  await client.ask('join');
  for (let index = 0; index < 5; index += 1) await client.ask(`made up ${index}`);
  for (let index = 0; index < 5; index += 1) await gateway.call('POST', `/emit/metrics/made_up_${index}`, {});
  const { text } = await gateway.call('GET', '/metrics');
  expect(text).not.toContain('made');
  expect(text).toMatch(/gateway_events_total\{namespace="\/v1\/shared",event="unknown",code="NOT_FOUND"\} 5/);
  expect(text).toMatch(/gateway_events_total\{namespace="\/v1\/shared",event="join",code="SUCCESS"\} \d/);
  expect(text).toMatch(/gateway_connections\{namespace="\/v1\/shared"\} \d/);
  const series = [
    'gateway_emits_total',
    'gateway_deliveries_total',
    'gateway_request_seconds_bucket',
    'gateway_event_seconds_bucket',
  ];
  for (const name of [...series, 'gateway_slow_clients_closed_total', 'nodejs_eventloop_lag_seconds'])
    expect(text).toContain(name);
  client.close();
});

test('an unknown route and malformed JSON are answered as JSON', async () => {
  expect((await gateway.call('GET', '/nowhere')).json).toEqual(failure(404, 'NOT_FOUND'));
  expect((await gateway.call('POST', '/emit/u/e', '{"a":')).json).toMatchObject(failure(400, 'VALIDATION_ERROR'));
});

test('without keys only this machine may call, and not through a proxy', async () => {
  const open = await startGateway({ EMIT_API_KEYS: '' });
  expect((await open.call('POST', '/emit/u/e', {})).status).toBe(200);
  const proxied = await open.call('POST', '/emit/u/e', {}, { 'x-forwarded-for': '10.0.0.1' });
  const details = [{ path: 'x-forwarded-for', message: expect.stringContaining('through a proxy') }];
  expect(proxied.json).toEqual({ ...failure(401, 'INVALID_API_KEY'), details });
  await open.close();
});

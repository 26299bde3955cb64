import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../../src/platform/logging/logger.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { openLine } from '../support/line.js';
import { refuseCommands } from '../support/refused-commands.js';
import { until } from '../support/until.js';

const lines: Record<string, unknown>[] = [];
const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
const logger = createLogger({ level: 'info', isPretty: false }, { write });
const SITE = {
  SITE_NAME: 'shop',
  AUTH_URL: 'http://127.0.0.1:1/',
  API_KEY: 'key-of-the-shop',
  USER_ROOM_PREFIX: 'u:',
};
const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    overrides: { logger },
    env: SITE,
    proxyOptions: 'directConnection=true',
  });
});
afterAll(() => environment.close());

const call = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
  environment.node(0).call(method, path, body, headers);

test.each([
  ['a hot route', 'POST', '/emit/ann/x', 200],
  ['a route', 'GET', '/users/ann/presence', 200],
  ['a file', 'GET', '/metrics', 200],
  ['an unknown path', 'GET', '/nothing', 404],
  ['a wrong method', 'DELETE', '/emit/ann/x', 405],
  ['a site without its key', 'POST', '/send?site=shop', 401],
  ['the readiness', 'GET', '/health/ready', 200],
])('%s answers with the id that was sent, and with a new one otherwise', async (_name, method, path, status) => {
  const own = await call(method, path, { 'x-request-id': 'order-4711/a' }, method === 'POST' ? 1 : undefined);
  expect([own.status, own.headers.get('x-request-id')]).toEqual([status, 'order-4711/a']);
  const made = await call(method, path, {}, method === 'POST' ? 1 : undefined);
  const again = await call(method, path, {}, method === 'POST' ? 1 : undefined);
  expect(made.headers.get('x-request-id')).toMatch(UUID);
  expect(made.headers.get('x-request-id')).not.toBe(again.headers.get('x-request-id'));
});

test.each([
  ['too long', 'x'.repeat(129)],
  ['with spaces', 'a b'],
  ['with quotes', '"a"'],
  ['with terminal codes', 'a\u009b31m'],
  ['empty', ''],
])('an id %s is replaced', async (_name, id) => {
  const { headers } = await call('GET', '/status', { 'x-request-id': id });
  expect(headers.get('x-request-id')).toMatch(UUID);
});

test('of two headers none is taken', async () => {
  const line = await openLine(environment.node(0));
  const answer = await line.ask(
    'GET /status HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n',
    /\r\n\r\n/,
  );
  expect(/x-request-id: (.+)\r/i.exec(answer)?.[1]).toMatch(UUID);
  line.socket.destroy();
});

test('pages of other origins may read it', async () => {
  const { headers } = await call('GET', '/status', { origin: 'https://shop.example' });
  expect(headers.get('access-control-expose-headers')?.toLowerCase()).toContain('x-request-id');
});

test('a failure has it when the caller sent one; the log lines about a call have it', async () => {
  const sent = await call('POST', '/emit/ann/x', { 'x-request-id': 'trace-1', 'x-api-key': 'wrong' }, 1);
  expect(sent.json).toMatchObject({ success: false, message: 'INVALID_API_KEY', requestId: 'trace-1' });
  const unsent = await call('GET', '/nothing');
  expect(unsent.json).not.toHaveProperty('requestId');
  expect(lines.filter(({ event }) => event === 'key_refused').map(({ requestId }) => requestId)).toContain('trace-1');
  for (const [event, method, path, body] of [
    ['kicked', 'POST', '/users/ann/disconnect', {}],
    ['tokens_revoked', 'POST', '/tokens/revoke', { userId: 'zoe' }],
    ['blocked', 'POST', '/users/zoe/block', { seconds: 60 }],
    ['unblocked', 'DELETE', '/users/zoe/block', undefined],
  ] as const) {
    await call(method, path, { 'x-request-id': `for-${event}` }, body);
    await until(() => lines.some((line) => line['event'] === event && line['requestId'] === `for-${event}`));
  }
});

test('a durable message has the id of its call in its delivery record', async () => {
  await call('POST', '/emit/ann/one?durable=true', { 'x-request-id': 'order-1' }, 1);
  const items = ['two', 'three'].map((event) => ({ userId: 'ann', event, payload: 1, durable: true }));
  await call('POST', '/emit', { 'x-request-id': 'order-2' }, { items });
  await call(
    'POST',
    '/send?site=shop',
    { 'x-request-id': 'order-3', 'x-api-key': SITE.API_KEY },
    { rooms: 'u:ann', event: 'four' },
  );
  const idsOf = async (query: string) =>
    (await call('GET', `/users/ann/deliveries${query}`)).json.data.messages.map(
      (message: { event: string; requestId: string }) => [message.event, message.requestId],
    );
  expect((await idsOf('')).sort()).toEqual([
    ['one', 'order-1'],
    ['three', 'order-2'],
    ['two', 'order-2'],
  ]);
  expect(await idsOf('?site=shop')).toEqual([['four', 'order-3']]);
});

test('a repeated call with another id is the same call', async () => {
  const headers = { 'idempotency-key': 'once' };
  const first = await call('POST', '/emit/bob/x?durable=true', { ...headers, 'x-request-id': 'first' }, 1);
  const second = await call('POST', '/emit/bob/x?durable=true', { ...headers, 'x-request-id': 'second' }, 1);
  expect(second.json.data.id).toBe(first.json.data.id);
  expect(second.headers.get('x-request-id')).toBe('second');
});

test('the answer of a call that the gateway failed has it', async () => {
  const path = '/emit/ann/x?durable=true';
  const restore = refuseCommands(environment.proxy(), ['insert'], { code: 50 });
  const failed = await call('POST', path, {}, 1);
  restore();
  expect(failed.status).toBe(503);
  expect(failed.json.requestId).toBe(failed.headers.get('x-request-id'));
  expect(lines.find(({ event }) => event === 'request_failed')).toMatchObject({ requestId: failed.json.requestId });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createOpenApi } from '../../src/documents/open-api.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ SITE_NAME: 'news', AUTH_URL: 'http://127.0.0.1:9/', API_KEY: 'key of news' });
});
afterAll(() => gateway.close());

/** The details of the refusal of a call. */
async function refusal(method: string, path: string, body: unknown = {}): Promise<unknown> {
  const { status, json } = await gateway.call(method, path, method === 'GET' ? undefined : body);
  expect([status, json.message]).toEqual([400, 'VALIDATION_ERROR']);
  return json.details;
}

const EMIT = '/emit/someone/news';
const suggests = (path: string, key: string) => [{ path, message: `is not known; did you mean "${key}"?` }];
const OPTIONS = 'namespace, durable, ttl, push, push_after';

describe('the query of a call', () => {
  test.each([
    ['durabel=true', 'durabel', 'durable'],
    ['Durable=true', 'Durable', 'durable'],
    ['durable%20=true', 'durable ', 'durable'],
    ['is_durable=1', 'is_durable', 'durable'],
    ['namespace[]=/v1/shared', 'namespace[]', 'namespace'],
    ['nameSpace=*', 'nameSpace', 'namespace'],
    ['durable=true&tl=5', 'tl', 'ttl'],
    ['push=true&pushAfter=5', 'pushAfter', 'push_after'],
    ['push=true&push-after=5', 'push-after', 'push_after'],
    ['durable[value]=true', 'durable[value]', 'durable'],
  ])('%s suggests the intended parameter', async (query, path, key) => {
    expect(await refusal('POST', `${EMIT}?${query}`)).toEqual(suggests(path, key));
  });

  test.each([
    ['zzz=1', 'zzz', OPTIONS],
    ['__proto__=1', '__proto__', OPTIONS],
    ['=1', '', OPTIONS],
    ['apiKey=secret', 'apiKey', OPTIONS],
  ])('%s, which resembles no parameter, gets the list of all', async (query, path, known) => {
    expect(await refusal('POST', `${EMIT}?${query}`)).toEqual([{ path, message: `is not known; known are ${known}` }]);
  });

  test.each([
    ['durable', 'durable', 'must be true, false, 1 or 0'],
    ['durable=', 'durable', 'must be true, false, 1 or 0'],
    ['durable=yes', 'durable', 'must be true, false, 1 or 0'],
    ['push', 'push', 'must be true, false, 1 or 0'],
    ['durable=true&durable=false', 'durable', 'must be given once'],
    ['durable=true&durable=true', 'durable', 'must be given once'],
    ['namespace=*&namespace=*', 'namespace', 'must be given once'],
    ['durable=true&ttl=5&ttl=5', 'ttl', 'must be given once'],
    ...['0', '-1', '31536001', '1e3', '5.5', '', 'x', '99999999999999999'].map((ttl) => [
      `durable=true&ttl=${ttl}`,
      'ttl',
      'must be a whole number between 1 and 31536000',
    ]),
    ['push=true&push_after=604800001', 'push_after', 'must be a whole number between 0 and 604800000'],
  ])('%s lists the accepted values', async (query = '', path, message) => {
    expect(await refusal('POST', `${EMIT}?${query}`)).toEqual([{ path, message }]);
  });

  test('gets all errors at once, up to 20', async () => {
    expect(await refusal('POST', `${EMIT}?durabel=true&ttl=0&b=1&b=1`)).toEqual([
      { path: 'ttl', message: expect.any(String) },
      ...suggests('durabel', 'durable'),
      { path: 'b', message: `is not known; known are ${OPTIONS}` },
    ]);
    const many = Array.from({ length: 2000 }, (_, n) => `k${n}`).join('&');
    expect(await refusal('POST', `${EMIT}?${many}`)).toHaveLength(20);
    const late = `${'durable=true&'.repeat(1)}${'&'.repeat(5000)}ttl=0`;
    expect(await refusal('POST', `${EMIT}?${late}`)).toMatchObject([{ path: 'ttl' }]);
    expect(await refusal('POST', `${EMIT}?${'durable=true&'.repeat(1001)}x=1`)).toMatchObject([{}, { path: 'x' }]);
  });

  test.each(['durable=true', 'durable=1&ttl=05', 'durable=false', 'durable=0', '', '&', 'push=1&push_after=0'])(
    'is accepted unchanged: %s',
    async (query) => {
      expect((await gateway.call('POST', `${EMIT}?${query}`, {})).status).toBe(200);
    },
  );

  test.each([
    ['POST', '/emit?durable=true', { items: [{ userId: 'u', event: 'e' }] }],
    ['GET', `/emit/${'a'.repeat(24)}?x=1`],
    ['POST', '/users/u/disconnect?reason=x'],
    ['GET', '/users/u/presence?x=1'],
    ['POST', '/presence?x=1', { userIds: ['u'] }],
    ['POST', `/lead-finder/${'s'.repeat(16)}/emit/e?durable=true`],
    ['GET', `/conversations/prospect/emit/message/${'a'.repeat(24)}?x=1`],
    ['GET', `/conversations/prospect/emit/conversation/${'a'.repeat(24)}/new?x=1`],
  ])('%s %s is refused on a route without parameters', async (method, path, body: unknown = {}) => {
    expect(await refusal(method, path, body)).toEqual([
      { path: expect.any(String), message: 'is not known; nothing is expected here' },
    ]);
  });

  test('of a broadcast, of deliveries and of a site is checked against the accepted parameters', async () => {
    expect(await refusal('POST', '/broadcast/e?acount=a')).toEqual(suggests('acount', 'account'));
    expect(await refusal('POST', '/broadcast/e?push_after=1')).toEqual([
      { path: 'push_after', message: 'push_after is not available here' },
    ]);
    expect(await refusal('POST', '/broadcast/e?zzz=1')).toEqual([
      { path: 'zzz', message: 'is not known; known are namespace, account' },
    ]);
    expect(await refusal('GET', '/users/u/deliveries?stat=acked')).toEqual(suggests('stat', 'state'));
    const message = { rooms: ['r'], event: 'e', args: [] };
    const site = '/send?site=news&apiKey=key%20of%20news';
    expect(await refusal('POST', `${site}&resnyc=true`, message)).toEqual(suggests('resnyc', 'resync'));
    const { status, text } = await gateway.call('POST', `${site}&resync=`, message);
    expect([status, text]).toEqual([200, 'OK']);
    const unnamed = await gateway.call('POST', '/send?sit=news', message);
    expect([unnamed.status, unnamed.text]).toEqual([400, "Missing query param 'site' or 'apiKey'."]);
  });
});

describe('the body of a call', () => {
  test('is checked when its schema is strict', async () => {
    expect(await refusal('POST', '/presence', { userIds: ['u'], userID: 'u' })).toEqual(suggests('userID', 'userIds'));
    expect(await refusal('POST', '/users/u/disconnect', { raison: 'x' })).toEqual(suggests('raison', 'reason'));
    expect(await refusal('POST', '/emit', { items: [{ userId: 'u', event: 'e' }], durable: true })).toEqual([
      { path: 'durable', message: 'is not known; known are items' },
    ]);
    const site = '/send?site=news&apiKey=key%20of%20news';
    expect(await refusal('POST', site, { rooms: 'r', event: 'e', arg: [1] })).toEqual(suggests('arg', 'args'));
  });

  test('has items that are checked one by one', async () => {
    const item = { userId: 'someone', event: 'news' };
    const items = [
      item,
      { ...item, durabel: true },
      { ...item, durable: 'yes' },
      { ...item, idempotency_key: 'k' },
      { ...item, durable: true, ttl: 0 },
      { ...item, durable: 1, ttl: '60', payload: { durabel: true, any: [{ thing: 1 }] } },
    ];
    const { json } = await gateway.call('POST', '/emit', { items });
    const refusals = json.data.items.map(({ details }: { details?: unknown }) => details);
    expect(refusals).toEqual([
      undefined,
      suggests('durabel', 'durable'),
      [{ path: 'durable', message: 'must be true, false, 1 or 0' }],
      suggests('idempotency_key', 'idempotencyKey'),
      [{ path: 'ttl', message: 'must be a whole number between 1 and 31536000' }],
      undefined,
    ]);
    expect(json.data.items[5].data.id).toEqual(expect.any(String));
  });

  test('is unchecked when it is the payload', async () => {
    for (const path of [EMIT, '/broadcast/e', `/lead-finder/${'s'.repeat(16)}/emit/e`]) {
      expect((await gateway.call('POST', path, { durabel: true, items: 1 })).status).toBe(200);
    }
  });
});

test('an invalid idempotency key is reported by its header', async () => {
  const { json } = await gateway.call('POST', `${EMIT}?durable=true`, {}, { 'idempotency-key': 'k'.repeat(129) });
  expect(json.details).toMatchObject([{ path: 'idempotency-key' }]);
});

test('the document marks strict bodies', () => {
  const { paths } = createOpenApi();
  const bodyOf = (path: string) => {
    const operation = (paths[path] as { post: { requestBody: { content: Record<string, { schema: object }> } } }).post;
    return operation.requestBody.content['application/json']?.schema;
  };
  for (const path of ['/presence', '/users/{userId}/disconnect', '/emit', '/send']) {
    expect(bodyOf(path), path).toMatchObject({ additionalProperties: false });
  }
  expect(bodyOf('/emit')).toMatchObject({ properties: { items: { items: { additionalProperties: false } } } });
  expect(bodyOf('/emit/{userId}/{event}')).not.toHaveProperty('additionalProperties');
});

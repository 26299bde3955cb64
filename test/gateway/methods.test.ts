import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishedContracts } from '#shared/contracts/index.js';
import { assemble } from '../auth/tokens.js';
import { logIn, OF_PAGE } from '../integrations/console/page.js';
import { API_KEY, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ SITE_NAME: 'news', AUTH_URL: 'http://127.0.0.1:1', API_KEY: 'a key of sixteen' });
});
afterAll(() => gateway.close());

const refusal = { success: false, errno: 405, message: 'METHOD_NOT_ALLOWED' };

/** Every path that the documents name, with a method that none of them names for it. */
const paths = async () => {
  const { json } = await gateway.call('GET', '/openapi.json');
  return Object.entries<object>(json.paths).map(([path, operations]) => {
    const named = Object.keys(operations).map((method) => method.toUpperCase());
    const allowed = [...named, 'OPTIONS', ...(named.includes('GET') ? ['HEAD'] : [])].sort();
    return { path: path.replace(/\{\w+\}/g, 'x'), allowed };
  });
};

describe('a method that a path does not have', () => {
  test('is answered by 405 with the allowed methods, on every documented path', async () => {
    const ofSession = { ...OF_PAGE, cookie: await logIn(gateway, API_KEY) };
    for (const { path, allowed } of await paths()) {
      for (const method of ['PUT', 'PATCH', 'DELETE', 'GET', 'POST', 'HEAD'].filter((one) => !allowed.includes(one))) {
        // Without a session the console does not tell which paths it has.
        const isConsole = path.startsWith('/console/');
        const { status, headers, json } = await gateway.call(method, path, undefined, isConsole ? ofSession : {});
        expect([method, path, status, headers.get('allow')]).toEqual([method, path, 405, allowed.join(', ')]);
        if (path.startsWith('/api/') || path.startsWith('/files/')) {
          expect(json ?? { code: refusal.message }).toMatchObject({ code: refusal.message });
        } else if (method !== 'HEAD') expect(json).toEqual(refusal);
      }
    }
  });

  test('is answered by 405 without a key, and by 404 on unknown paths', async () => {
    expect((await fetch(`${gateway.url}/emit/u/e`)).status).toBe(405);
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await gateway.call(method, '/nowhere')).status).toBe(404);
    }
  });

  test('OPTIONS answers with the methods, HEAD as GET without a body', async () => {
    const options = await gateway.call('OPTIONS', '/emit/u/e');
    expect([options.status, options.headers.get('allow'), options.text]).toEqual([204, 'OPTIONS, POST', '']);
    const head = await gateway.call('HEAD', '/status');
    expect([head.status, head.text]).toEqual([200, '']);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(0);
  });

  test('every contract is covered', async () => {
    const declared = publishedContracts.flatMap(({ contract }) =>
      Object.values(contract.routes).map((route) => route.path),
    );
    expect(declared.length).toBeGreaterThan(20);
    expect((await paths()).length).toBeGreaterThanOrEqual(new Set(declared).size);
  });
});

describe('pages of other origins', () => {
  const ORIGIN = { origin: 'https://shop.example' };

  test('may read the headers of answers that are ours', async () => {
    const headers = { ...ORIGIN, 'idempotency-key': 'from a page' };
    for (const replay of [null, 'true']) {
      const answer = await gateway.call('POST', '/emit/u/e?durable=true', {}, headers);
      expect(answer.headers.get('idempotent-replay')).toBe(replay);
      const exposed = answer.headers.get('access-control-expose-headers')?.split(',');
      expect(exposed).toEqual(
        expect.arrayContaining(['Idempotent-Replay', 'Retry-After', 'Allow', 'Content-Disposition']),
      );
    }
  });

  test('can read Retry-After', async () => {
    // Nothing answers there: no key set can be loaded, for a second.
    const waiting = await startGateway({ JWKS_URL: 'http://127.0.0.1:1/jwks' });
    const headers = { ...ORIGIN, authorization: `Bearer ${assemble({ alg: 'RS256' }, { uid: 'u' }, 'c2ln')}` };
    const answer = await waiting.call('GET', '/api/chats', undefined, headers);
    await waiting.close();
    expect([answer.status, answer.json.retryAfterMs, answer.headers.get('retry-after')]).toEqual([503, 1000, '1']);
  });

  test('get an answer to a preflight on every path', async () => {
    const asked = { ...ORIGIN, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key' };
    for (const path of ['/emit/u/e', '/nowhere', '/status']) {
      const { status, headers } = await gateway.call('OPTIONS', path, undefined, asked);
      expect([status, headers.get('access-control-allow-headers')]).toEqual([204, 'x-api-key']);
      expect(headers.get('access-control-allow-methods')).toContain('POST');
    }
  });
});

describe('an idempotency key', () => {
  const send = (body: string, key: string) =>
    gateway.call('POST', '/emit/u/e?durable=true', body, {
      'content-type': 'application/json',
      'idempotency-key': key,
    });

  test.each([
    ['keys', '{"a":1,"b":{"c":[{"x":1,"y":2}],"d":null}}', '{ "b": {"d":null,"c":[{"y":2,"x":1}]}, "a":1 }'],
    ['numbers', '{"a":1,"b":-0,"c":1e3}', '{"c":1000.0,"b":0,"a":1.0}'],
    ['texts', '{"a":"\\u00e9","b":"/"}', '{"b":"\\/","a":"é"}'],
    ['a key of the prototype', '{"__proto__":{"a":1,"b":2},"c":3}', '{"c":3,"__proto__":{"b":2,"a":1}}'],
  ])('matches equal JSON in any notation: %s', async (name, body, again) => {
    const first = await send(body, name);
    const second = await send(again, name);
    expect([second.status, second.headers.get('idempotent-replay')]).toEqual([200, 'true']);
    expect(second.json).toEqual(first.json);
  });

  test.each([
    ['the order of a list', '[1,2]', '[2,1]'],
    ['a type', '{"a":1}', '{"a":"1"}'],
    ['null and nothing', '{"a":null}', '{}'],
    ['a key of the prototype', '{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}'],
    ['nesting', '{"a":{"b":1}}', '{"a":1,"b":1}'],
  ])('conflicts with different JSON: %s', async (name, body, other) => {
    await send(body, `other ${name}`);
    expect((await send(other, `other ${name}`)).json).toMatchObject({ errno: 409, message: 'CONFLICT' });
  });
});

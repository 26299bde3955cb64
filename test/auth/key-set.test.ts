import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import jwt from 'jsonwebtoken';
import { type Logger, pino } from 'pino';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKeySet, type KeySet } from '../../src/auth/key-set.js';
import { createTokenVerifier, type TokenVerifier } from '../../src/auth/verifier.js';
import { createTestClock, type TestClock } from '../support/clock.js';
import {
  answerKeys,
  createJwksServer,
  createSigningKey,
  type JwksServer,
  type SigningKey,
  toSigningKey,
} from './jwks-server.js';
import { assemble, expectRefusal, SECRET, secondsAt, secrets, sign, userClaims, visitorClaims } from './tokens.js';

const MINUTE_MS = 60_000;
let first: SigningKey;
let second: SigningKey;
let server: JwksServer;
let clock: TestClock;
let warnings: string[];
let logger: Logger;
let keySet: KeySet;
let verifier: TokenVerifier;

beforeAll(async () => {
  [first, second] = await Promise.all([createSigningKey('RS256', 'first'), createSigningKey('ES256', 'second')]);
});

beforeEach(async () => {
  server = await createJwksServer(answerKeys(first));
  clock = createTestClock();
  warnings = [];
  logger = pino({}, { write: (line: string) => warnings.push(line) });
  keySet = createKeySet({ url: server.url, clock, logger });
  verifier = createTokenVerifier({ jwks: keySet, secrets, clock });
});

afterEach(async () => {
  keySet.close();
  await server.close();
});

const verify = async (key: SigningKey, claims: Record<string, unknown> = userClaims) =>
  verifier.verifyUser(await key.sign(claims));

describe('tokens of a key set', () => {
  test.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])(
    'accept %s',
    async (algorithm) => {
      const isRsa = !algorithm.startsWith('E');
      const key = await (isRsa ? toSigningKey(first.pair, algorithm, 'k') : createSigningKey(algorithm, 'k'));
      server.answer = answerKeys(key);
      expect(await verify(key, { ...userClaims, exp: secondsAt(clock, 60) })).toMatchObject({
        userId: '64abc123def',
        scopes: ['conversation', 'contacts'],
        expiresAt: secondsAt(clock, 60) * 1000,
      });
      expect(await verifier.verifyAnyone(await key.sign(visitorClaims))).toMatchObject({ visitorId: 'visitor-1' });
    },
  );

  test('are refused when signed with a shared secret, including the public key', async () => {
    const shared: SigningKey = {
      pair: first.pair,
      jwk: { kty: 'oct', k: Buffer.from(SECRET).toString('base64url'), kid: 'first', alg: 'HS256' },
      sign: async () => sign(userClaims),
    };
    const pem = jwt.sign(userClaims, createSecretKey(JSON.stringify(first.jwk), 'utf8'), { keyid: 'first' });
    await expectRefusal(() => verifier.verifyUser(pem));
    await expectRefusal(() => verify(shared));
    server.answer = answerKeys(shared);
    await expectRefusal(() => verify(shared));
  });

  test.each<[string, () => unknown]>([
    ['none', () => undefined],
    ['a list', () => [sign(userClaims)]],
    ['garbage', () => 'garbage'],
    ['alg none', () => assemble({ alg: 'none', kid: 'first' }, userClaims)],
    ['expired', () => first.sign({ ...userClaims, exp: secondsAt(clock, -1) })],
    ['not yet valid', () => first.sign({ ...userClaims, nbf: secondsAt(clock, 60) })],
    ['without an id', () => first.sign({})],
    ['a scope that is a number', () => first.sign({ uid: 'u', scope: 1 })],
    ['a visitor token', () => first.sign(visitorClaims)],
  ])('are refused: %s', async (_case, makeToken) => {
    const token = await makeToken();
    await expectRefusal(() => verifier.verifyUser(token));
  });

  test('are refused when another key signed under a known id', async () => {
    const impostor = await createSigningKey('RS256', 'first');
    expect(await expectRefusal(() => verify(impostor))).toBe('signature verification failed');
  });

  test('are refused when the matching key cannot be used', async () => {
    server.answer = (response) => response.end('{"keys":[{"kty":"RSA","kid":"first","alg":"RS256","n":"","e":""}]}');
    await expectRefusal(() => verify(first));
  });

  test('need no key id, and several keys may have the same one', async () => {
    const other = await createSigningKey('RS256');
    const [unnamed, same] = await Promise.all([
      toSigningKey(first.pair, 'RS256'),
      toSigningKey(other.pair, 'RS256', 'first'),
    ]);
    server.answer = answerKeys(unnamed, other, first, same, second);
    for (const key of [unnamed, other, first, same]) expect(await verify(key)).toMatchObject({ userId: '64abc123def' });
    const stranger = await createSigningKey('RS256');
    expect(await expectRefusal(() => verify(stranger))).toBe('signature verification failed');
    await expectRefusal(() => verify(other, { ...userClaims, exp: secondsAt(clock, -1) }));
  });

  test('are verified by the other keys when one of the set is not understood', async () => {
    const [known] = [first.jwk];
    const others = [{}, null, 'key', { kty: 1 }, { kty: 'AKP', kid: 'first' }, { kty: 'OKP', crv: 'Ed999', x: 'AA' }];
    server.answer = (response) => response.end(JSON.stringify({ keys: [...others, known] }));
    expect(await verify(first)).toMatchObject({ userId: '64abc123def' });
  });
});

describe('a key set', () => {
  test('is loaded on first use, once for concurrent callers', async () => {
    expect(server.requests).toEqual([]);
    const token = await first.sign(userClaims);
    await Promise.all(Array.from({ length: 20 }, () => verifier.verifyUser(token)));
    expect(server.requests).toEqual(['/jwks']);
  });

  test('loads a new key when a token names it, and drops a removed one', async () => {
    await verify(first);
    server.answer = answerKeys(second);
    clock.advance(30_000);
    expect(await verify(second)).toMatchObject({ userId: '64abc123def' });
    await expectRefusal(() => verify(first));
    expect(server.requests).toHaveLength(2);
  });

  test.each([['no id', undefined] as const, ['the same id', 'first'] as const])(
    'loads a new key that has %s when no key verifies a token',
    async (_case, kid) => {
      const [old, next] = await Promise.all([toSigningKey(first.pair, 'RS256', kid), createSigningKey('RS256', kid)]);
      server.answer = answerKeys(old);
      await verify(old);
      server.answer = answerKeys(next);
      clock.advance(30_000);
      expect(await verify(next)).toMatchObject({ userId: '64abc123def' });
      expect(server.requests).toHaveLength(2);
    },
  );

  test('is not asked again because of a token that is refused for its claims', async () => {
    await verify(first);
    clock.advance(30_000);
    await expectRefusal(() => verify(first, { ...userClaims, exp: secondsAt(clock, -60) }));
    expect(server.requests).toHaveLength(1);
  });

  test('is reloaded for unknown keys at most once in 30 seconds', async () => {
    await verify(first);
    await expectRefusal(() => verify(second));
    clock.advance(29_999);
    await expectRefusal(() => verify(second));
    expect(server.requests).toHaveLength(1);
    clock.advance(1);
    await Promise.all(Array.from({ length: 10 }, () => expectRefusal(() => verify(second))));
    await expectRefusal(() => verify(second));
    expect(server.requests).toHaveLength(2);
  });

  test('is refreshed every ten minutes in the background', async () => {
    await verify(first);
    server.answer = answerKeys(second);
    const refreshed = server.nextRequest();
    clock.advance(10 * MINUTE_MS);
    await refreshed;
    expect(await verify(second)).toMatchObject({ userId: '64abc123def' });
    expect(server.requests).toHaveLength(2);
  });

  test('keeps the old keys when its server is down, and logs it', async () => {
    await verify(first);
    await server.close();
    clock.advance(10 * MINUTE_MS);
    await expectRefusal(() => verify(second), 'UNAVAILABLE');
    expect(await verify(first)).toMatchObject({ userId: '64abc123def' });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('tokens: the JWKS could not be loaded');
  });

  test('fails with UNAVAILABLE until it is loaded, and retries after a second', async () => {
    server.answer = (response) => response.writeHead(503).end();
    await expectRefusal(() => verify(first), 'UNAVAILABLE');
    server.answer = answerKeys(first);
    await expectRefusal(() => verify(first), 'UNAVAILABLE');
    expect(server.requests).toHaveLength(1);
    clock.advance(1_000);
    expect(await verify(first)).toMatchObject({ userId: '64abc123def' });
  });

  test.each<[string, JwksServer['answer']]>([
    ['no JSON', (response) => response.end('<html>')],
    ['no body', (response) => response.end()],
    ['another JSON', (response) => response.end('{"keys":"none"}')],
    ['keys without a type', (response) => response.end('{"keys":[{}]}')],
    ['null', (response) => response.end('null')],
    ['a 404 with keys', (response) => answerKeys(first)(Object.assign(response, { statusCode: 404 }))],
    ['a body that breaks off', (response) => response.write('{"keys":[', () => response.destroy())],
  ])('keeps the old keys on the response %s', async (_case, answer) => {
    await verify(first);
    server.answer = answer;
    clock.advance(10 * MINUTE_MS);
    await expectRefusal(() => verify(second), 'UNAVAILABLE');
    expect(await verify(first)).toMatchObject({ userId: '64abc123def' });
    expect(server.requests).toHaveLength(2);
    expect(warnings).toHaveLength(1);
  });

  test('loads a new key a second after that failed', async () => {
    await verify(first);
    server.answer = (response) => response.writeHead(503).end();
    clock.advance(30_000);
    await expectRefusal(() => verify(second), 'UNAVAILABLE');
    server.answer = answerKeys(first, second);
    clock.advance(1_000);
    expect(await verify(second)).toMatchObject({ userId: '64abc123def' });
    expect(server.requests).toHaveLength(3);
  });

  test('aborts an endless response', async () => {
    server.answer = (response) => {
      const pour = (): void => {
        while (response.write('x'.repeat(64 * 1024)));
      };
      response.on('drain', pour);
      pour();
    };
    const request = server.nextRequest().then((response) => once(response, 'close'));
    await expectRefusal(() => verify(first), 'UNAVAILABLE');
    await request;
    expect(warnings[0]).toContain('larger than 262144 bytes');
  });

  test.each<[string, JwksServer['answer']]>([
    ['does not answer', () => undefined],
    ['begins an answer and stops', (response) => response.write('{"keys":[')],
  ])('times out after five seconds when the server %s', async (_case, answer) => {
    server.answer = answer;
    const request = server.nextRequest();
    const refusal = expectRefusal(() => verify(first), 'UNAVAILABLE');
    const closed = once(await request, 'close');
    clock.advance(5_000);
    await Promise.all([refusal, closed]);
    expect(warnings[0]).toContain('timed out');
  });

  test('does not follow redirects', async () => {
    server.answer = (response, request) =>
      request.url === '/jwks' ? response.writeHead(302, { location: '/elsewhere' }).end() : answerKeys(first)(response);
    await expectRefusal(() => verify(first), 'UNAVAILABLE');
    expect(server.requests).toEqual(['/jwks']);
  });

  test('closes at once, without a log line, permanently', async () => {
    server.answer = () => undefined;
    const request = server.nextRequest();
    const refusal = expectRefusal(() => verify(first), 'UNAVAILABLE');
    const closed = once(await request, 'close');
    keySet.close();
    await Promise.all([refusal, closed]);
    clock.advance(20 * MINUTE_MS);
    await expectRefusal(() => verify(first), 'UNAVAILABLE');
    expect(server.requests).toHaveLength(1);
    expect(warnings).toEqual([]);
  });
});

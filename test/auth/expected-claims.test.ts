import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeySet, type KeySet } from '../../src/auth/key-set.js';
import { createTokenVerifier, type ExpectedClaims, type TokenVerifier } from '../../src/auth/verifier.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { createTestClock } from '../support/clock.js';
import { answerKeys, createJwksServer, createSigningKey, type JwksServer, type SigningKey } from './jwks-server.js';
import { expectRefusal, secondsAt, secrets, sign, visitorClaims } from './tokens.js';

const clock = createTestClock();
let key: SigningKey;
let server: JwksServer;
let jwks: KeySet;

beforeAll(async () => {
  key = await createSigningKey('ES256', 'k');
  server = await createJwksServer(answerKeys(key));
  jwks = createKeySet({ url: server.url, clock, logger: createLogger({ level: 'silent', isPretty: false }) });
});
afterAll(async () => {
  jwks.close();
  await server.close();
});

describe.each(['a shared secret', 'a key set'])('with %s', (kind) => {
  const isSecret = kind === 'a shared secret';
  const issue = async (claims: Record<string, unknown>): Promise<string> =>
    isSecret ? sign(claims) : key.sign(claims);
  const make = (expected: Partial<ExpectedClaims>): TokenVerifier =>
    createTokenVerifier({
      ...(isSecret ? { secrets } : { jwks }),
      clock,
      expected: { issuers: [], audiences: [], clockToleranceMs: 0, ...expected },
    });
  const verify = async (expected: Partial<ExpectedClaims>, claims: Record<string, unknown>) =>
    make(expected).verifyUser(await issue({ uid: 'u', ...claims }));

  const tolerant = { clockToleranceMs: 5000 };
  test.each([
    ['nbf', 5],
    ['nbf', -60],
    ['exp', -4],
    ['exp', 1],
  ])('accepts %s %d s from now with a tolerance of 5 s', async (claim, seconds) => {
    expect(await verify(tolerant, { [claim]: secondsAt(clock, seconds) })).toMatchObject({ userId: 'u' });
  });

  test.each([
    ['nbf', 7],
    ['exp', -6],
  ])('refuses %s %d s from now with a tolerance of 5 s', async (claim, seconds) => {
    await expectRefusal(() => verify(tolerant, { [claim]: secondsAt(clock, seconds) }));
  });

  test('checks exp and nbf to the second without a tolerance', async () => {
    await expectRefusal(() => verify({}, { nbf: secondsAt(clock, 2) }));
    await expectRefusal(() => verify({}, { exp: secondsAt(clock, -1) }));
  });

  const issuers = ['https://id.example/', 'https://old.example'];
  const audiences = ['gateway', 'platform'];

  test.each([
    [{ issuers }, { iss: 'https://id.example/' }],
    [{ issuers }, { iss: 'https://old.example', aud: 'anything' }],
    [{ audiences }, { aud: 'platform' }],
    [{ audiences }, { aud: ['another', 'gateway'] }],
    [
      { issuers, audiences },
      { iss: 'https://old.example', aud: ['gateway'] },
    ],
    [{}, { iss: 'anybody', aud: 'anything' }],
    [{}, {}],
  ])('requiring %j, accepts %j', async (expected, claims) => {
    expect(await verify(expected, claims)).toMatchObject({ userId: 'u' });
    const visitor = await issue({ ...visitorClaims, ...claims });
    expect(await make(expected).verifyAnyone(visitor)).toMatchObject({ kind: 'visitor' });
  });

  test.each<[Partial<ExpectedClaims>, Record<string, unknown>]>([
    [{ issuers }, {}],
    [{ issuers }, { iss: 'https://id.example' }],
    [{ issuers }, { iss: 'https://evil.example/' }],
    [{ issuers: ['https://id.example'] }, { iss: ['https://id.example'] }],
    [{ audiences }, {}],
    [{ audiences }, { aud: 'gate' }],
    [{ audiences }, { aud: [] }],
    [{ audiences }, { aud: 'gateway platform' }],
    [{ audiences }, { aud: { gateway: true } }],
    [
      { issuers, audiences },
      { iss: 'https://old.example', aud: 'another' },
    ],
  ])('requiring %j, refuses %j', async (expected, claims) => {
    const reason = await expectRefusal(() => verify(expected, claims));
    expect(reason).toMatch(/issuer|audience|iss|aud/);
    await expectRefusal(async () => make(expected).verifyAnyone(await issue({ ...visitorClaims, ...claims })));
  });

  test.each([
    [
      { uid: 42, account_id: 7, workspace_id: 0 },
      { userId: '42', accountId: '7', workspaceId: '0' },
    ],
    [{ uid: null, userId: 9007199254740991 }, { userId: '9007199254740991' }],
    [{ uid: undefined, sub: -1 }, { userId: '-1' }],
    [
      { uid: 42.0, account_id: '' },
      { userId: '42', accountId: '' },
    ],
  ])('accepts numbers as text: %j', async (claims, principal) => {
    expect(await verify({}, claims)).toMatchObject(principal);
  });

  test('accepts numeric visitor ids as text', async () => {
    const token = await issue({ ...visitorClaims, visitor_id: 1, account_id: 2, conversation_ids: [3, 'c4'] });
    const visitor = { visitorId: '1', accountId: '2', conversationIds: ['3', 'c4'] };
    expect(await make({}).verifyAnyone(token)).toMatchObject(visitor);
  });

  test.each([
    [{ uid: 1.5 }, 'not an exact integer'],
    [{ uid: 2 ** 53 }, 'not an exact integer'],
    [{ account_id: 1e300 }, 'account_id: a number that is not an exact integer'],
    [{ workspace_id: true }, 'workspace_id: '],
    [{ uid: [1] }, 'expected string'],
  ])('refuses an invalid id with the reason: %j', async (claims, reason) => {
    expect(await expectRefusal(() => verify({}, claims))).toContain(reason);
  });
});

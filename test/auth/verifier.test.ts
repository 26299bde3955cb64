import { createHmac, createSecretKey, generateKeyPairSync } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { describe, expect, test } from 'vitest';
import { createTokenSecrets } from '../../src/auth/token-secrets.js';
import { createTokenVerifier } from '../../src/auth/verifier.js';
import { createTestClock } from '../support/clock.js';
import { assemble, expectRefusal, SECRET, secondsAt, secrets, sign, userClaims, visitorClaims } from './tokens.js';

const clock = createTestClock();
const verifier = createTokenVerifier({ secrets, clock });
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const publicPem = publicKey.export({ type: 'spki', format: 'pem' });

/** Signed with the right secret, whatever the header and payload say. */
function signRaw(header: object, payload: unknown): string {
  const unsigned = assemble(header, payload).slice(0, -1);
  return `${unsigned}.${createHmac('sha256', SECRET).update(unsigned).digest('base64url')}`;
}

describe('a user token', () => {
  test('yields the user', () => {
    expect(verifier.verifyUser(sign({ ...userClaims, exp: secondsAt(clock, 60) }))).toEqual({
      kind: 'user',
      userId: '64abc123def',
      accountId: 'acme',
      workspaceId: 'main',
      scopes: ['conversation', 'contacts'],
      assignment: { teams: ['sales'] },
      tokenId: '',
      secretId: 1,
      issuedAt: 0,
      expiresAt: secondsAt(clock, 60) * 1000,
    });
  });

  test('needs only an id', () => {
    expect(verifier.verifyUser(sign({ uid: 'u' }))).toEqual({
      kind: 'user',
      userId: 'u',
      accountId: '',
      workspaceId: '',
      scopes: [],
      assignment: undefined,
      tokenId: '',
      secretId: 1,
      issuedAt: 0,
      expiresAt: Number.POSITIVE_INFINITY,
    });
  });

  test.each([253_402_300_800, 8.64e12 + 1, 1e300])('does not expire when exp is %d, after the year 9999', (exp) => {
    expect(verifier.verifyUser(sign({ uid: 'u', exp }))).toMatchObject({ expiresAt: Number.POSITIVE_INFINITY });
  });

  test('shares its list of scopes with others of the same scope, unless that is long', () => {
    const scopesOf = (scope: string) => verifier.verifyUser(sign({ uid: 'u', scope }));
    const lists = (scope: string) => [scopesOf(scope), scopesOf(scope)].map((user) => 'scopes' in user && user.scopes);
    const [first, second] = lists('conversation shared');
    expect(second).toBe(first);
    // What is kept for others must not grow with the tokens that a client sends.
    const long = Array.from({ length: 1000 }, (_, n) => `scope-${n}`);
    const [one, other] = lists(long.join(' '));
    expect(other).not.toBe(one);
    expect(one).toEqual(long);
    expect(other).toEqual(long);
  });

  test('carries its id and time of issue', () => {
    const token = jwt.sign({ uid: 'u', jti: 'token-1', iat: 1_700_000_000 }, SECRET);
    expect(verifier.verifyUser(token)).toMatchObject({ tokenId: 'token-1', issuedAt: 1_700_000_000_000 });
    expect(verifier.verifyUser(sign({ uid: 'u', jti: 1 }))).toMatchObject({ tokenId: '1', issuedAt: 0 });
    expect(verifier.verifyUser(sign({ uid: 'u', jti: {} }))).toMatchObject({ tokenId: '', issuedAt: 0 });
  });

  test.each([
    ['uid first', { uid: 'a', userId: 'b', sub: 'c' }, 'a'],
    ['then userId', { userId: 'b', sub: 'c' }, 'b'],
    ['then sub', { sub: 'c' }, 'c'],
    ['uid beside a sub that is no id of ours', { uid: 'a', sub: 'x'.repeat(500) }, 'a'],
    ['userId after a null', { uid: null, userId: 'b' }, 'b'],
    ['the longest id', { uid: 'x'.repeat(128) }, 'x'.repeat(128)],
  ])('takes the user id from %s', (_case, claims, userId) => {
    expect(verifier.verifyUser(sign(claims))).toMatchObject({ userId });
  });

  test.each([
    ['tabs and line ends', 'a\tb\nc', ['a', 'b', 'c']],
    ['blanks around', '  a  b ', ['a', 'b']],
    ['an empty string', '', []],
    ['null', null, []],
  ])('splits a scope with %s', (_case, scope, scopes) => {
    expect(verifier.verifyUser(sign({ uid: 'u', scope }))).toMatchObject({ scopes });
  });

  test('is valid from nbf until exp', async () => {
    const local = createTestClock();
    const { verifyUser } = createTokenVerifier({ secrets, clock: local });
    const token = sign({ uid: 'u', nbf: secondsAt(local, 10), exp: secondsAt(local, 20) });
    expect(await expectRefusal(() => verifyUser(token))).toBe('jwt not active');
    local.advance(10_000);
    expect(verifyUser(token)).toMatchObject({ userId: 'u' });
    local.advance(9_000);
    expect(verifyUser(token)).toMatchObject({ userId: 'u' });
    local.advance(1_000);
    expect(await expectRefusal(() => verifyUser(token))).toBe('jwt expired');
  });
});

describe('is refused as a user token', () => {
  test.each<[string, unknown]>([
    ['none', undefined],
    ['null', null],
    ['a number', 1],
    ['an object', { token: sign(userClaims) }],
    ['a list', [sign(userClaims)]],
    ['an empty string', ''],
    ['garbage', 'garbage'],
    ['garbage in three parts', 'a.b.c'],
    ['more parts', `${sign(userClaims)}.x`],
    ['a longer one than any of ours', sign({ ...userClaims, assignment: 'x'.repeat(130_000) })],
    ['one with a changed payload', sign(userClaims).replace(/\.[^.]+\./, `.${btoa('{"uid":"other"}')}.`)],
    ['one without its signature', sign(userClaims).replace(/[^.]+$/, '')],
    ['another secret', sign(userClaims, 'another secret')],
    ['HS384 with the right secret', sign(userClaims, SECRET, 'HS384')],
    ['HS512 with the right secret', sign(userClaims, SECRET, 'HS512')],
    ['alg none', assemble({ alg: 'none', typ: 'JWT' }, userClaims)],
    ['alg None', assemble({ alg: 'None', typ: 'JWT' }, userClaims)],
    ['alg none with a signature', signRaw({ alg: 'none', typ: 'JWT' }, userClaims)],
    ['no alg', signRaw({ typ: 'JWT' }, userClaims)],
    ['RS256', jwt.sign(userClaims, privateKey, { algorithm: 'RS256' })],
    ['HS256 signed with a public key', jwt.sign(userClaims, createSecretKey(publicPem.toString(), 'utf8'))],
    ['an unknown critical header', signRaw({ alg: 'HS256', typ: 'JWT', crit: ['x'], x: 1 }, userClaims)],
    ['a payload that is text', signRaw({ alg: 'HS256' }, 'text')],
    ['a payload that is null', signRaw({ alg: 'HS256' }, null)],
    ['a payload that is a list', signRaw({ alg: 'HS256' }, [userClaims])],
    ['expired', sign({ ...userClaims, exp: secondsAt(clock, -1) })],
    ['expired now', sign({ ...userClaims, exp: secondsAt(clock) })],
    ['an exp that is text', signRaw({ alg: 'HS256' }, { ...userClaims, exp: '9999999999' })],
    ['not yet valid', sign({ ...userClaims, nbf: secondsAt(clock, 60) })],
    ['without an id', sign({ account_id: 'acme' })],
    ['an empty id', sign({ uid: '' })],
    ['an empty id before a good one', sign({ uid: '', sub: 'u' })],
    ['an id that is too long', sign({ uid: 'x'.repeat(129) })],
    ['an id that is no whole number', sign({ uid: 7.5 })],
    ['an id that is an object', sign({ uid: { $ne: null } })],
    ['an id from a prototype', signRaw({ alg: 'HS256' }, JSON.parse('{"__proto__":{"uid":"u"}}'))],
    ['an account that is a truth value', sign({ uid: 'u', account_id: true })],
    ['an account that is too long', sign({ uid: 'u', account_id: 'x'.repeat(129) })],
    ['a workspace that is an object', sign({ uid: 'u', workspace_id: {} })],
    ['a scope that is a number', sign({ uid: 'u', scope: 1 })],
    ['a scope that is a list', sign({ uid: 'u', scope: ['conversation'] })],
    ['a visitor token', sign(visitorClaims)],
    ['a visitor token with an id', sign({ ...visitorClaims, uid: 'u' })],
  ])('%s', async (_case, token) => {
    const reason = await expectRefusal(() => verifier.verifyUser(token));
    expect(reason).not.toBe('');
  });

  test('without quoting the token or its claims in the reason', async () => {
    const secretive = `${Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')}.${btoa('private-text')}.x`;
    expect(await expectRefusal(() => verifier.verifyUser(secretive))).toBe('malformed (SyntaxError)');
    const wrong = await expectRefusal(() => verifier.verifyUser(sign({ uid: 'u', scope: ['private-scope'] })));
    expect(wrong).toMatch(/^scope: /);
    expect(wrong).not.toContain('private');
  });
});

describe('a visitor token', () => {
  test('yields the conversations it gives access to', () => {
    expect(verifier.verifyAnyone(sign({ ...visitorClaims, exp: secondsAt(clock, 60) }))).toEqual({
      kind: 'visitor',
      visitorId: 'visitor-1',
      accountId: 'acme',
      conversationIds: ['c1', 'c2'],
      tokenId: '',
      secretId: 1,
      issuedAt: 0,
      expiresAt: secondsAt(clock, 60) * 1000,
    });
  });

  test('names up to 500 conversations with the longest ids', () => {
    const conversation_ids = Array.from({ length: 500 }, (_, index) => String(index).padStart(128, 'c'));
    expect(verifier.verifyAnyone(sign({ ...visitorClaims, conversation_ids }))).toMatchObject({
      conversationIds: conversation_ids,
    });
  });

  test.each<[string, unknown]>([
    ['none', undefined],
    ['one without a type', sign({ ...visitorClaims, type: undefined })],
    ['another secret', sign(visitorClaims, 'another secret')],
    ['alg none', assemble({ alg: 'none' }, visitorClaims)],
    ['expired', sign({ ...visitorClaims, exp: secondsAt(clock, -1) })],
    ['without a visitor', sign({ ...visitorClaims, visitor_id: undefined })],
    ['an empty visitor', sign({ ...visitorClaims, visitor_id: '' })],
    ['without an account', sign({ ...visitorClaims, account_id: undefined })],
    ['without conversations', sign({ ...visitorClaims, conversation_ids: undefined })],
    ['conversations as text', sign({ ...visitorClaims, conversation_ids: 'c1' })],
    ['a conversation that is an object', sign({ ...visitorClaims, conversation_ids: [{}] })],
    ['an empty conversation id', sign({ ...visitorClaims, conversation_ids: [''] })],
    ['501 conversations', sign({ ...visitorClaims, conversation_ids: Array.from({ length: 501 }, String) })],
  ])('refuses %s', async (_case, token) => {
    await expectRefusal(() => verifier.verifyAnyone(token));
  });
});

test('a verifier cannot be created from nothing, and verifies nothing with an empty secret', () => {
  expect(() => createTokenVerifier({ clock })).toThrow('needs a secret or a key set');
  const empty = [''];
  const { verifyUser } = createTokenVerifier({ secrets: createTokenSecrets(() => empty), clock });
  expect(() => verifyUser(sign(userClaims))).toThrow('needs a secret or a key set');
});

test('any of several secrets is accepted, each token keeps the id of its own, and a removed secret is refused', async () => {
  let list = [SECRET];
  const several = createTokenSecrets(() => list);
  const { verifyUser, verifyAnyone } = createTokenVerifier({ secrets: several, clock });
  const token = (secret: string, claims: object = { uid: 'u' }): string => sign(claims, secret);
  expect(await expectRefusal(() => verifyUser(token('another')))).toBe('invalid signature');
  list = ['another', SECRET];
  const [old, young] = [await verifyUser(token(SECRET)), await verifyAnyone(token('another'))];
  expect([old, young].map(({ secretId }) => several.isAccepted(secretId))).toEqual([true, true]);
  expect(old.secretId).not.toBe(young.secretId);
  expect(await expectRefusal(() => verifyUser(token('a third')))).toBe('invalid signature');
  // The reason is that of the secret that signed the token.
  const expired = token(SECRET, { uid: 'u', exp: secondsAt(clock, -10) });
  expect(await expectRefusal(() => verifyUser(expired))).toBe('jwt expired');
  list = ['another'];
  expect(await expectRefusal(() => verifyUser(token(SECRET)))).toBe('invalid signature');
  expect([old, young].map(({ secretId }) => several.isAccepted(secretId))).toEqual([false, true]);
  list = [SECRET];
  expect(several.isAccepted((await verifyUser(token(SECRET))).secretId)).toBe(true);
  expect(several.isAccepted(old.secretId)).toBe(true);
});

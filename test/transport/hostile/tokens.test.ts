import { createHmac } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PublishedNamespace, publishedNamespaces } from '#shared/contracts/index.js';
import { answerKeys, createJwksServer, createSigningKey } from '../../auth/jwks-server.js';
import { assemble } from '../../auth/tokens.js';
import { connect, refusal, type TestClient } from '../../support/client.js';
import { SECRET, signToken, startGateway, type TestGateway } from '../../support/gateway.js';
import { useTarget } from './target.js';

const current = useTarget();

const claims = { uid: 'attacker', account_id: 'account-1', scope: 'conversation' };
const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

/** Signs any payload with the right secret. */
function signRaw(header: object, payload: unknown): string {
  const unsigned = assemble(header, payload).slice(0, -1);
  return `${unsigned}.${createHmac('sha256', SECRET).update(unsigned).digest('base64url')}`;
}

/** Invalid tokens. */
const TOKENS: Record<string, unknown> = {
  empty: '',
  garbage: 'garbage',
  'three dots': '...',
  'a number': 7,
  'an object': { token: 'x' },
  'a list': [signToken(claims)],
  'another secret': jwt.sign(claims, 'another secret'),
  'alg none': assemble({ alg: 'none', typ: 'JWT' }, claims),
  'alg None': assemble({ alg: 'None' }, claims),
  'another hash': jwt.sign(claims, SECRET, { algorithm: 'HS512' }),
  'no signature': signToken(claims).replace(/[^.]*$/, ''),
  'another payload': signToken(claims).replace(/\.[^.]*\./, `.${btoa('{"uid":"bystander"}').replace(/=+$/, '')}.`),
  'a critical extension': signRaw({ alg: 'HS256', crit: ['exp'] }, claims),
  expired: signToken({ ...claims, exp: inSeconds(-60) }),
  'expired at the beginning of time': signToken({ ...claims, exp: 0 }),
  'not yet valid': signToken({ ...claims, nbf: inSeconds(600) }),
  'an expiry that is text': signRaw({ alg: 'HS256' }, { ...claims, exp: String(inSeconds(600)) }),
  'no uid': signToken({ ...claims, uid: undefined }),
  'an empty uid': signToken({ ...claims, uid: '' }),
  'a uid that is no whole number': signToken({ ...claims, uid: 7.5 }),
  'a uid that is a query': signToken({ ...claims, uid: { $ne: null } }),
  'a uid of 129 characters': signToken({ ...claims, uid: 'u'.repeat(129) }),
  'a uid of half a character': signRaw({ alg: 'HS256' }, { ...claims, uid: '\ud800' }),
  'an account of half a character': signRaw({ alg: 'HS256' }, { ...claims, account_id: '\ud800' }),
  'a scope that is a number': signToken({ ...claims, scope: 7 }),
  'a scope that is a list': signToken({ ...claims, scope: ['conversation'] }),
  'claims that are a list': signRaw({ alg: 'HS256' }, [claims]),
  'claims that are null': signRaw({ alg: 'HS256' }, null),
  'a visitor\u2019s': signToken({ ...claims, type: 'visitor' }),
  '30,000 characters': `${'a'.repeat(30_000)}.b.c`,
};

const REFUSED = { errno: 401, message: 'INVALID_TOKEN' };
const INVALID_TOKEN = { success: false, message: 'INVALID_TOKEN', additional_info: { errno: 401 } };

const authenticated = Object.entries<PublishedNamespace>(publishedNamespaces)
  .filter(([, { scopes = [] }]) => scopes.length > 0)
  .map(([name]) => name);

describe.each(authenticated)('the handshake of %s', (namespace) => {
  test.each(Object.entries(TOKENS))('refuses a token that is %s', async (_name, token) => {
    const error = await refusal(current().gateway, { namespace, claims: null, auth: { token } });
    expect([error.message, error.data]).toStrictEqual(['INVALID_TOKEN', REFUSED]);
    await current().expectUnharmed();
  });

  test('refuses a missing token, and one in an unsupported place', async () => {
    const token = signToken(claims);
    for (const options of [
      {},
      { auth: {} },
      { auth: { accessToken: token } },
      { auth: { Token: token } },
      { query: { 'x-token': token } },
      { extraHeaders: { cookie: `token=${token}` } },
      { extraHeaders: { authorization: token } },
      { extraHeaders: { authorization: `Basic ${token}` } },
      // Only the first one that is present is used.
      { auth: { token: 'garbage' }, query: { token } },
      { auth: { session_id: 'unknown-session', token } },
      { query: { token: '' }, extraHeaders: { 'x-token': token } },
    ]) {
      const error = await refusal(current().gateway, { namespace, claims: null, ...options });
      expect([error.message, error.data]).toStrictEqual(['INVALID_TOKEN', REFUSED]);
    }
    await current().expectUnharmed();
  });

  test('refuses an unknown session', async () => {
    const ids = [
      '',
      'unknown-session',
      7,
      { $ne: null },
      ['unknown-session'],
      '\u0000',
      '\ud800',
      '__proto__',
      'x'.repeat(30_000),
    ];
    for (const session_id of ids) {
      const error = await refusal(current().gateway, { namespace, claims: null, auth: { session_id } });
      expect([error.message, error.data]).toStrictEqual(['INVALID_TOKEN', REFUSED]);
    }
    await current().expectUnharmed();
  });

  test.each(['', 'contacts', 'conversations', 'CONVERSATION', 'conversation,contacts', undefined])(
    'refuses the scope %j',
    async (scope) => {
      const error = await refusal(current().gateway, { namespace, claims: { ...claims, scope } });
      const data = { errno: 403, message: 'NOT_ENOUGH_SCOPE' };
      expect([error.message, error.data]).toStrictEqual(['NOT_ENOUGH_SCOPE', data]);
    },
  );
});

describe('the handshake of the chats', () => {
  const { empty, ...present } = TOKENS;

  test.each(Object.entries(present))('refuses a token that is %s', async (_name, token) => {
    const error = await refusal(current().gateway, { namespace: '/', claims: null, auth: { token } });
    expect([error.message, error.data]).toStrictEqual(['Authentication failed', REFUSED]);
    await current().expectUnharmed();
  });

  test('refuses a missing token', async () => {
    const token = signToken(claims);
    for (const options of [
      {},
      { auth: { token: empty } },
      { auth: { Token: token } },
      { query: { 'x-token': token } },
    ]) {
      const error = await refusal(current().gateway, { namespace: '/', claims: null, ...options });
      expect([error.message, error.data]).toStrictEqual(['Authentication token required', REFUSED]);
    }
  });

  test('refuses unknown and locked users', async () => {
    const words = 'Invalid token or user access denied';
    const { User } = current().models;
    const later = new Date(Date.now() + 60_000);
    const locked = [{ isActive: false }, { status: 'blocked' }, { status: 'deactivated' }, { blockedUntil: later }];
    const ids = (await User.create(locked)).map(({ _id }) => String(_id));
    for (const uid of ['attacker', '__proto__', 'b'.repeat(24), ...ids]) {
      const error = await refusal(current().gateway, { namespace: '/', claims: { uid } });
      expect([error.message, error.data]).toStrictEqual([words, REFUSED]);
    }
    const earlier = new Date(Date.now() - 60_000);
    const { _id } = await User.create({ status: 'blocked', blockedUntil: earlier });
    (await connect(current().gateway, { namespace: '/', claims: { uid: String(_id) } })).close();
  });
});

describe('the device of a handshake', () => {
  test('has a text id, or none', async () => {
    for (const deviceId of [7, {}, ['phone'], true, 'd'.repeat(129), '\ud800']) {
      const error = await refusal(current().gateway, { claims: null, auth: { token: signToken(claims), deviceId } });
      const data = { errno: 400, message: 'VALIDATION_ERROR' };
      expect([error.message, error.data]).toStrictEqual(['VALIDATION_ERROR', data]);
    }
    for (const deviceId of [null, '', '\u0000', '__proto__', 'ü 🚀', '$set']) {
      const auth = { token: signToken(claims), deviceId };
      (await connect(current().gateway, { claims: null, auth })).close();
    }
    await current().expectUnharmed();
  });
});

describe.each(authenticated)('an event of %s', (namespace) => {
  let client: TestClient;
  beforeAll(async () => {
    client = await connect(current().gateway, { namespace, claims });
  });
  afterAll(() => client.close());

  test.each(Object.entries(TOKENS))('refuses a token in its data that is %s', async (_name, token) => {
    expect(await client.ask('join', { token })).toStrictEqual(INVALID_TOKEN);
    await current().expectUnharmed();
  });

  test('refuses the token of another user or account, and takes the same user\u2019s', async () => {
    expect(await client.ask('join', { token: signToken({ ...claims, uid: 'bystander' }) })).toStrictEqual(
      INVALID_TOKEN,
    );
    expect(await client.ask('join', { token: signToken({ ...claims, account_id: 'x' }) })).toStrictEqual(INVALID_TOKEN);
    expect(await client.ask('join', { session_id: 'unknown-session', token: signToken(claims) })).toStrictEqual(
      INVALID_TOKEN,
    );
    expect(await client.ask('join', { token: signToken(claims) })).toStrictEqual({ success: true, message: 'SUCCESS' });
  });

  test('does not renew with an invalid token', async () => {
    const wrong = { ...TOKENS, 'another user\u2019s': signToken({ ...claims, uid: 'bystander' }) };
    for (const token of Object.values(wrong)) {
      const answer = await client.ask('refresh_token', { token });
      const isText = typeof token === 'string' && token !== '' && token.length <= 16_384;
      expect(answer.message).toBe(isText ? 'INVALID_TOKEN' : 'VALIDATION_ERROR');
    }
    expect(await client.ask('join', {})).toStrictEqual({ success: true, message: 'SUCCESS' });
  });

  test('is refused after a renewal that gave up its scope', async () => {
    const other = await connect(current().gateway, { namespace, claims });
    expect((await other.ask('refresh_token', { token: signToken({ ...claims, scope: '' }) })).success).toBe(true);
    const failure = { success: false, message: 'NOT_ENOUGH_SCOPE', additional_info: { errno: 403 } };
    expect(await other.ask('join', {})).toStrictEqual(failure);
    other.close();
  });
});

describe('a gateway with public keys only', () => {
  let gateway: TestGateway;
  let forged: Record<string, string>;
  let genuine: string;
  const undo: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const key = await createSigningKey('RS256', 'the-key');
    const other = await createSigningKey('RS256', 'the-key');
    const server = await createJwksServer(answerKeys(key));
    undo.push(() => server.close());
    gateway = await startGateway({ JWKS_URL: server.url, JWT_SECRET: '' });
    undo.push(() => gateway.close());
    const all = { ...claims, exp: inSeconds(600) };
    const header = { alg: 'HS256', kid: 'the-key' } as const;
    genuine = await key.sign(all);
    forged = {
      'signed with the public key as a secret': jwt.sign(all, JSON.stringify(key.jwk), { header }),
      'signed with the modulus as a secret': jwt.sign(all, String(key.jwk.n), { header }),
      'signed with the secret of others': signToken(all),
      'alg none': assemble({ alg: 'none', kid: 'the-key' }, all),
      'of another issuer': await other.sign(all),
      'of an unknown key': await (await createSigningKey('RS256', 'unknown-key')).sign(all),
      'that brings its own key': assemble({ alg: 'RS256', jwk: other.jwk }, all, genuine.split('.')[2]),
      'that names a file for its key': assemble({ alg: 'RS256', kid: '../../etc/passwd' }, all, 'c2ln'),
      expired: await key.sign({ ...all, exp: inSeconds(-60) }),
      'without uid': await key.sign({ exp: all.exp }),
    };
  });
  afterAll(async () => {
    for (const step of undo.reverse()) await step();
  });

  test('refuses forged tokens, and accepts the genuine one', async () => {
    for (const token of Object.values(forged)) {
      const error = await refusal(gateway, { claims: null, auth: { token } });
      expect([error.message, error.data]).toStrictEqual(['INVALID_TOKEN', REFUSED]);
    }
    (await connect(gateway, { claims: null, auth: { token: genuine } })).close();
    await current().expectUnharmed();
  });
});

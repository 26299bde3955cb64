import { Mongoose } from 'mongoose';
import { beforeEach, describe, expect, test } from 'vitest';
import { defineApiSession } from '#shared/models/api-session.js';
import { type ApiSessionModel, createApiSessions } from '../../src/auth/api-session.js';
import { anonymous } from '../../src/auth/principal.js';
import { createUserAuth, type UserAuth } from '../../src/auth/user.js';
import { createTokenVerifier } from '../../src/auth/verifier.js';
import { createTestClock, type TestClock } from '../support/clock.js';
import { expectRefusal, secondsAt, secrets, sign, userClaims, visitorClaims } from './tokens.js';

type Sessions = Map<string, { access_token?: string | null; expires_at?: Date | null }>;

/** The one query that is asked of the model, over a map. */
const modelOf = (sessions: Sessions, asked: string[]): ApiSessionModel => ({
  findById(id) {
    asked.push(id);
    return { lean: async () => sessions.get(id) ?? null };
  },
});

let clock: TestClock;
let sessions: Sessions;
let asked: string[];
let userAuth: UserAuth;

beforeEach(() => {
  clock = createTestClock();
  sessions = new Map([['session-1', { access_token: sign(userClaims) }]]);
  asked = [];
  userAuth = makeUserAuth(modelOf(sessions, asked));
});

const makeUserAuth = (model: ApiSessionModel): UserAuth =>
  createUserAuth({
    verifier: createTokenVerifier({ secrets, clock }),
    apiSessions: createApiSessions({ model, clock }),
    clock,
  });

const atHandshake = (auth: Record<string, unknown>) => userAuth.atHandshake({ auth, query: {}, headers: {} });

describe('at the handshake', () => {
  test('takes the caller from a token in any source', async () => {
    const token = sign(userClaims);
    const user = { kind: 'user', userId: '64abc123def', accountId: 'acme' };
    expect(await atHandshake({ token })).toMatchObject(user);
    expect(await userAuth.atHandshake({ auth: {}, query: { token }, headers: {} })).toMatchObject(user);
    expect(await userAuth.atHandshake({ auth: {}, query: {}, headers: { 'x-token': token } })).toMatchObject(user);
    expect(asked).toEqual([]);
  });

  test('takes the caller from the access token of a session', async () => {
    expect(await atHandshake({ session_id: 'session-1' })).toMatchObject({ userId: '64abc123def' });
  });

  test('refuses an expired session', async () => {
    sessions.set('session-2', { access_token: sign(userClaims), expires_at: new Date(clock.now() + 1) });
    expect(await atHandshake({ session_id: 'session-2' })).toMatchObject({ userId: '64abc123def' });
    clock.advance(1);
    await expectRefusal(() => atHandshake({ session_id: 'session-2' }));
  });

  test.each<[string, Record<string, unknown>]>([
    ['no credential', {}],
    ['a visitor token', { token: sign(visitorClaims) }],
    ['an unknown session', { session_id: 'unknown-session' }],
    ['an unknown session beside a good token', { session_id: 'unknown-session', token: sign(userClaims) }],
    ['an empty session', { session_id: '' }],
    ['a session that is a query', { session_id: { $ne: null } }],
  ])('refuses %s', async (_case, auth) => {
    await expectRefusal(() => atHandshake(auth));
  });

  test.each([
    ['no token', {}],
    ['a null token', { access_token: null }],
    ['a time that cannot be read', { access_token: sign(userClaims), expires_at: 'soon' as never }],
    ['a token that is an object', { access_token: { $ne: null } as never }],
    ['a forged token', { access_token: sign(userClaims, 'another secret') }],
    ['an expired token', { access_token: sign({ ...userClaims, exp: 1 }) }],
  ])('refuses a session with %s', async (_case, session) => {
    sessions.set('session-2', session);
    await expectRefusal(() => atHandshake({ session_id: 'session-2' }));
  });

  test('does not query the database for an impossible session id', async () => {
    await expectRefusal(() => atHandshake({ session_id: 'x'.repeat(129) }));
    await expectRefusal(() => atHandshake({ session_id: '' }));
    expect(asked).toEqual([]);
  });

  test('answers sessions with UNAVAILABLE while the database is away, and still accepts tokens', async () => {
    const unconnected = new Mongoose({ bufferCommands: false }).createConnection();
    userAuth = makeUserAuth(defineApiSession(unconnected));
    await expectRefusal(() => atHandshake({ session_id: 'session-1' }), 'UNAVAILABLE');
    expect(await atHandshake({ token: sign(userClaims) })).toMatchObject({ userId: '64abc123def' });
  });
});

describe('for an event', () => {
  test('accepts no credential, and one of the same user', async () => {
    const principal = await atHandshake({ token: sign(userClaims) });
    await userAuth.forEvent(principal, {});
    await userAuth.forEvent(principal, { token: null });
    await userAuth.forEvent(principal, { token: sign({ sub: userClaims.uid, account_id: 'acme', scope: 'other' }) });
    await userAuth.forEvent(principal, { session_id: 'session-1' });
  });

  test.each<[string, Record<string, unknown>]>([
    ['another user', { token: sign({ ...userClaims, uid: 'other' }) }],
    ['the same user of another account', { token: sign({ ...userClaims, account_id: 'other' }) }],
    ['a forged token', { token: sign(userClaims, 'another secret') }],
    ['an expired token', { token: sign({ ...userClaims, exp: 1 }) }],
    ['a visitor', { token: sign(visitorClaims) }],
    ['an empty token', { token: '' }],
    ['a number', { token: 1 }],
    ['an unknown session', { session_id: 'unknown-session' }],
    ['a session of another user', { session_id: 'session-other' }],
    ['a session of another user beside a good token', { session_id: 'session-other', token: sign(userClaims) }],
  ])('refuses %s', async (_case, credentials) => {
    sessions.set('session-other', { access_token: sign({ ...userClaims, uid: 'other' }) });
    const principal = await atHandshake({ token: sign(userClaims) });
    await expectRefusal(() => userAuth.forEvent(principal, credentials));
  });

  test('refuses a connection with an expired token, with any credential in the event', async () => {
    const principal = await atHandshake({ token: sign({ ...userClaims, exp: secondsAt(clock, 60) }) });
    await userAuth.forEvent(principal, {});
    clock.advance(60_000);
    await expectRefusal(() => userAuth.forEvent(principal, {}));
    await expectRefusal(() => userAuth.forEvent(principal, { token: sign(userClaims) }));
  });
});

describe('renewed', () => {
  test('takes the claims of the newer token of the same user', async () => {
    const principal = await atHandshake({ token: sign({ ...userClaims, exp: secondsAt(clock, 60) }) });
    const token = sign({ ...userClaims, scope: 'less', exp: secondsAt(clock, 3600) });
    expect(await userAuth.renewed(principal, token)).toMatchObject({
      userId: '64abc123def',
      scopes: ['less'],
      expiresAt: secondsAt(clock, 3600) * 1000,
    });
  });

  test.each<[string, unknown]>([
    ['none', undefined],
    ['garbage', 'garbage'],
    ['another user', sign({ ...userClaims, uid: 'other' })],
    ['another account', sign({ uid: userClaims.uid })],
    ['a visitor', sign(visitorClaims)],
  ])('refuses a token of %s', async (_case, token) => {
    const principal = await atHandshake({ token: sign(userClaims) });
    await expectRefusal(() => userAuth.renewed(principal, token));
  });

  test('is refused after expiry, and for callers that are not users', async () => {
    const principal = await atHandshake({ token: sign({ ...userClaims, exp: secondsAt(clock, 60) }) });
    clock.advance(60_000);
    await expectRefusal(() => userAuth.renewed(principal, sign(userClaims)));
    await expectRefusal(() => userAuth.renewed(anonymous, sign(userClaims)));
  });
});

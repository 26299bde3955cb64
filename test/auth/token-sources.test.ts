import { describe, expect, test } from 'vitest';
import { type Handshake, selectEventCredential, selectHandshakeCredential } from '../../src/auth/token-sources.js';
import { expectRefusal } from './tokens.js';

const handshake = (parts: Partial<Handshake>): Handshake => ({ auth: {}, query: {}, headers: {}, ...parts });

/** Every source at once, in the order in which they count. */
const everything = (): { parts: Handshake; remove: (() => void)[] } => {
  const auth: Record<string, unknown> = { session_id: 'auth-session', token: 'auth-token' };
  const query: Record<string, unknown> = { token: 'query-token' };
  const headers: Record<string, string> = { 'x-token': 'header-token', authorization: 'Bearer bearer-token' };
  const remove = [
    () => delete auth['session_id'],
    () => delete auth['token'],
    () => delete query['token'],
    () => delete headers['x-token'],
    () => delete headers['authorization'],
  ];
  return { parts: { auth, query, headers }, remove };
};

describe('the credential of a handshake', () => {
  test('is taken from the first present source', () => {
    const { parts, remove } = everything();
    const found = [selectHandshakeCredential(parts)];
    for (const removeNext of remove) {
      removeNext();
      found.push(selectHandshakeCredential(parts));
    }
    expect(found).toEqual([
      { sessionId: 'auth-session' },
      { token: 'auth-token' },
      { token: 'query-token' },
      { token: 'header-token' },
      { token: 'bearer-token' },
      undefined,
    ]);
  });

  test.each([
    ['Bearer abc', { token: 'abc' }],
    ['bearer   abc ', { token: 'abc' }],
    ['Bearer', undefined],
    ['Bearer a b', undefined],
    ['Basic abc', undefined],
    ['abc', undefined],
  ])('in the header "authorization: %s"', (authorization, credential) => {
    expect(selectHandshakeCredential(handshake({ headers: { authorization } }))).toEqual(credential);
  });

  test('skips null', () => {
    const parts = handshake({ auth: { session_id: null, token: null }, query: { token: 'query-token' } });
    expect(selectHandshakeCredential(parts)).toEqual({ token: 'query-token' });
  });

  test.each<[string, Partial<Handshake>]>([
    ['a session that is a number', { auth: { session_id: 1, token: 'good' } }],
    ['a session that is a query', { auth: { session_id: { $ne: null } }, query: { token: 'good' } }],
    ['a token that is a list', { auth: { token: ['good'] }, query: { token: 'good' } }],
    ['a token that is false', { auth: { token: false } }],
    ['a query token given twice', { query: { token: ['good', 'good'] }, headers: { 'x-token': 'good' } }],
    ['a query token with a name in brackets', { query: { token: { a: 'good' } } }],
    ['a header given as a list', { headers: { 'x-token': ['good'] } }],
  ])('is refused instead of skipped: %s', async (_case, parts) => {
    await expectRefusal(() => selectHandshakeCredential(handshake(parts)));
  });
});

describe('the credential of an event', () => {
  test.each([
    [{ session_id: 's', token: 't' }, { sessionId: 's' }],
    [{ token: 't' }, { token: 't' }],
    [{ token: '' }, { token: '' }],
    [{ session_id: null, token: undefined }, undefined],
    [{}, undefined],
  ])('in %j', (data, credential) => {
    expect(selectEventCredential(data)).toEqual(credential);
  });

  test.each([{ token: 1 }, { token: {} }, { session_id: [], token: 'good' }])('is refused in %j', async (data) => {
    await expectRefusal(() => selectEventCredential(data));
  });
});

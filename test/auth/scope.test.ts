import { expect, test } from 'vitest';
import { anonymous, type UserPrincipal, type VisitorPrincipal } from '../../src/auth/principal.js';
import { ensureScope } from '../../src/auth/scope.js';
import { expectRefusal } from './tokens.js';

const expiresAt = Number.POSITIVE_INFINITY;
const user = (...scopes: string[]): UserPrincipal => ({
  kind: 'user',
  userId: 'u',
  accountId: '',
  workspaceId: '',
  scopes,
  assignment: undefined,
  tokenId: '',
  secretId: 1,
  issuedAt: 0,
  expiresAt,
});
const visitor: VisitorPrincipal = {
  kind: 'visitor',
  visitorId: 'v',
  accountId: 'a',
  conversationIds: ['c'],
  tokenId: '',
  secretId: 1,
  issuedAt: 0,
  expiresAt,
};

test.each([
  ['the one that is asked for', user('conversation'), ['conversation']],
  ['any one of them', user('x', 'b'), ['a', 'b']],
  ['none where none is asked for', user(), []],
  ['an anonymous client where no scope is required', anonymous, []],
])('accepts %s', (_case, principal, allowed) => {
  expect(() => ensureScope(principal, allowed)).not.toThrow();
});

test.each([
  ['no scope', user(), ['conversation']],
  ['another scope', user('conversations'), ['conversation']],
  ['another case', user('Conversation'), ['conversation']],
  ['two in one', user('a b'), ['a', 'b']],
  ['a visitor', visitor, ['conversation']],
  ['an anonymous client', anonymous, ['conversation']],
])('refuses %s', async (_case, principal, allowed) => {
  await expectRefusal(() => ensureScope(principal, allowed), 'NOT_ENOUGH_SCOPE');
});

import { z } from 'zod';
import { defineContract, type EventLimit } from './contract.js';
import { accountId, isoTime, userId } from './primitives.js';

/** The cookie of a session. */
export const CONSOLE_COOKIE = 'console_session';

const MINUTE_MS = 60_000;

/** Attempts to log in. Who tries is not known, so they count for the address, and for the node. */
export const logInLimits = {
  address: { points: 10, windowMs: MINUTE_MS },
  node: { points: 100, windowMs: MINUTE_MS },
} as const satisfies Readonly<Record<string, EventLimit>>;

/** What a session of the console may do: read only, or act too. */
const consoleAccess = z.enum(['read', 'act']);

/** The caller has a session. */
const opened = z.object({
  access: consoleAccess,
  name: z
    .string()
    .describe(
      'The name of the key in `CONSOLE_KEYS`, `sha256:` and the start of the digest of an API key, or `loopback`.',
    ),
  isOpen: z.boolean().describe('Whether this machine needs no key: development without keys, from a loopback address.'),
  expiresAt: isoTime.nullable().describe('When the session ends; `null`: there is none, because no key is needed.'),
  hasPayloads: z.boolean().describe('`CONSOLE_PAYLOADS`.'),
  isDevelopment: z.boolean(),
  version: z.string().describe('Version of the gateway.'),
  node: z.string().describe('Name of the node that answered.'),
  nodeId: z.string(),
});

/** The caller has none; nothing else is disclosed. */
const closed = z.object({ access: z.null(), isDevelopment: z.boolean() });

const session = z.union([opened, closed]);

/**
 * The session of the console. Its page calls all other routes below `/console/api`, such as `/console/api/nodes` for
 * `/nodes`, with a cookie in place of an API key.
 */
export const consoleApi = defineContract({
  name: 'console',
  routes: {
    session: {
      summary: 'The session of the caller in the console; `access` is `null` without one.',
      caller: 'anyone',
      method: 'get',
      path: '/console/api/session',
      answer: session,
    },
    logIn: {
      summary: `Exchanges a key for a session of 8 hours, in a cookie. At most ${logInLimits.address.points} attempts of each address, and ${logInLimits.node.points} of each node, in a minute. Needs the header \`x-console: 1\` and a page of the same origin, as every call of the console that is not GET.`,
      caller: 'anyone',
      method: 'post',
      path: '/console/api/session',
      body: z.object({ key: z.string().min(1).max(1024).describe('A key of `CONSOLE_KEYS`, or an API key.') }),
      answer: opened,
    },
    logOut: {
      summary: 'Removes the cookie of the session.',
      caller: 'anyone',
      method: 'delete',
      path: '/console/api/session',
    },
    token: {
      summary: 'Signs a token for a user, valid for an hour, to try the gateway. Not in production.',
      caller: 'console',
      method: 'post',
      path: '/console/api/token',
      body: z.object({
        uid: userId,
        scope: z.string().max(1024).default('conversation').describe('Scopes, separated by spaces.'),
        account_id: accountId.optional(),
      }),
      answer: z.object({ token: z.string() }),
    },
  },
});

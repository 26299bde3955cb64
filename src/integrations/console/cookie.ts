import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { CONSOLE_COOKIE } from '#shared/contracts/console.js';
import type { Access, SessionKey } from './keys.js';

/** How long a session lasts. */
export const SESSION_MS = 8 * 3_600_000;

const VERSION = 'v1';

/** What a valid cookie says. */
export interface Session {
  /** Name of its key, in the log. */
  readonly name: string;
  readonly access: Access;
  /** Unix time in milliseconds; `null`: no key is needed, so it does not end. */
  readonly expiresAt: number | null;
}

/** `<version>.<key id>.<access>.<expiry>.<HMAC>`: every node can check it, and no node stores it. */
export function toCookie({ id, access, signer }: SessionKey, expiresAt: number): string {
  const text = [VERSION, id, access, expiresAt].join('.');
  return `${text}.${sign(text, signer).toString('base64url')}`;
}

const sign = (text: string, signer: Buffer): Buffer => createHmac('sha256', signer).update(text).digest();

/** The first valid session among the cookies of a request. @param now Unix time in milliseconds */
export function readSession(
  { cookie = '' }: IncomingHttpHeaders,
  keys: readonly SessionKey[],
  now: number,
): Session | undefined {
  for (const part of cookie.split(';')) {
    const [name, ...value] = part.trim().split('=');
    const session = name === CONSOLE_COOKIE ? verify(value.join('='), keys, now) : undefined;
    if (session !== undefined) return session;
  }
  return undefined;
}

const FORM = /^(?<text>v1\.(?<id>[0-9a-f]{16})\.(?<access>read|act)\.(?<expiry>\d{13}))\.(?<signature>[\w-]{43})$/;

function verify(value: string, keys: readonly SessionKey[], now: number): Session | undefined {
  const { text = '', id, access, expiry, signature = '' } = FORM.exec(value)?.groups ?? {};
  // A key whose access was changed opens a new session.
  const key = keys.find((one) => one.id === id && one.access === access);
  if (key === undefined) return undefined;
  const expected = sign(text, key.signer);
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const expiresAt = Number(expiry);
  return expiresAt > now ? { name: key.name, access: key.access, expiresAt } : undefined;
}

import { type Handshake, selectHandshakeCredential } from './token-sources.js';

/** The claims that may name a user, in the order in which they are looked for. */
const CLAIMS = ['uid', 'userId', 'sub'] as const;

/**
 * The user that an unverified token names, for those who look for the reason of a refusal. It proves nothing.
 * @returns `undefined` for a handshake without a token, or a token that names none
 */
export function claimedUserOf(handshake: Handshake): string | undefined {
  try {
    const credential = selectHandshakeCredential(handshake);
    if (credential === undefined || !('token' in credential)) return undefined;
    const [, payload = ''] = credential.token.split('.', 2);
    const claims = Object(JSON.parse(Buffer.from(payload, 'base64url').toString())) as Record<string, unknown>;
    const claimed = CLAIMS.map((name) => claims[name]).find((value) => value != null);
    return typeof claimed === 'string' || typeof claimed === 'number' ? String(claimed) : undefined;
  } catch {
    return undefined;
  }
}

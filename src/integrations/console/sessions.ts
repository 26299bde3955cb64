import { type ApiKeyRequest, createApiKeyGuard } from '../../auth/api-key.js';
import { digestOf, findByDigest } from '../../auth/key-digest.js';
import type { Context } from '../../framework/context.js';
import { readSession, SESSION_MS, type Session, toCookie } from './cookie.js';
import { type SessionKey, toSessionKeys } from './keys.js';

/** The session of callers on this machine, while no key is needed. */
const OF_THIS_MACHINE: Session = { name: 'loopback', access: 'act', expiresAt: null };

/** Opens and checks sessions. */
export interface Sessions {
  /** The session of a request; `undefined`: none, or one that is not valid any more. */
  of(request: ApiKeyRequest): Session | undefined;
  /** The key that a text is; `undefined`: none. */
  keyOf(text: string): SessionKey | undefined;
  open(key: SessionKey): { readonly session: Session; readonly cookie: string };
}

/**
 * Sessions by the keys in force. Outside of production, and without any key, callers on this machine have a session without a
 * cookie, under the same conditions as for REST.
 */
export function createSessions({ config, secrets, clock }: Pick<Context, 'config' | 'secrets' | 'clock'>): Sessions {
  const keys = secrets.derive(toSessionKeys);
  const ensureLocal = createApiKeyGuard({ keys: [], mode: 'loopback' });

  const isOnThisMachine = (request: ApiKeyRequest): boolean => {
    if (config.isProduction || keys().length > 0) return false;
    try {
      ensureLocal(request);
      return true;
    } catch {
      return false;
    }
  };

  return {
    of: (request) =>
      readSession(request.headers, keys(), clock.now()) ?? (isOnThisMachine(request) ? OF_THIS_MACHINE : undefined),
    keyOf: (text) => findByDigest(keys(), digestOf(text)),
    open(key) {
      const expiresAt = clock.now() + SESSION_MS;
      return { session: { name: key.name, access: key.access, expiresAt }, cookie: toCookie(key, expiresAt) };
    },
  };
}

import type { Clock } from '../platform/time/clock.js';
import type { ApiSessions } from './api-session.js';
import { invalidToken } from './invalid-token.js';
import type { Principal, UserPrincipal } from './principal.js';
import {
  type Credential,
  type EventCredentials,
  type Handshake,
  selectEventCredential,
  selectHandshakeCredential,
} from './token-sources.js';
import type { AnyonePrincipal, TokenVerifier } from './verifier.js';

interface UserAuthOptions {
  verifier: TokenVerifier;
  apiSessions: ApiSessions;
  clock: Clock;
  /** Clock tolerance after `exp`, as in the verifier. */
  clockToleranceMs?: number;
  /** @throws GatewayError for a principal that is refused despite a valid token. Absent: none is refused. */
  ensureAllowed?: (principal: Principal) => void;
}

/**
 * Authenticates users. Every method rejects with `INVALID_TOKEN`, or with `UNAVAILABLE` when the database or the key
 * set cannot be reached.
 */
export interface UserAuth {
  /** Authenticates a user by the handshake. @param address takes turns with others where many wait */
  atHandshake(handshake: Handshake, address?: string): Promise<UserPrincipal>;
  /** Authenticates a user or visitor by the handshake. */
  anyoneAtHandshake(handshake: Handshake, address?: string): Promise<AnyonePrincipal>;
  /**
   * Checks that the token has not expired or been revoked.
   * @throws GatewayError `INVALID_TOKEN`, `FORBIDDEN` for a blocked user
   */
  ensureCurrent(principal: Principal): void;
  /**
   * Checks that `principal` has not expired, and that a credential in the event's payload, if present, is the same
   * user's. The credential has no other effect: the connection's principal remains the caller.
   */
  forEvent(principal: UserPrincipal, credentials: EventCredentials): Promise<void>;
  /** The new principal after `refresh_token`, from a newer token of the same user. */
  renewed(principal: Principal, token: unknown): Promise<UserPrincipal>;
}

/** A session of the API stands for its access token: both are verified in the same way. */
export function createUserAuth(options: UserAuthOptions): UserAuth {
  const { verifier, apiSessions, clock, clockToleranceMs = 0, ensureAllowed = () => undefined } = options;
  const allowed = <P extends Principal>(principal: P): P => {
    ensureAllowed(principal);
    return principal;
  };
  const tokenOf = async (credential: Credential | undefined, caller?: string): Promise<string> => {
    if (credential === undefined) throw invalidToken('no credential');
    if ('token' in credential) return credential.token;
    const token = await apiSessions.findToken(credential.sessionId, caller);
    if (token === undefined) throw invalidToken('unknown or expired session');
    return token;
  };
  const identify = async (credential: Credential | undefined, caller?: string): Promise<UserPrincipal> =>
    allowed(await verifier.verifyUser(await tokenOf(credential, caller)));
  const ensureCurrent = (principal: Principal): void => {
    if (principal.expiresAt + clockToleranceMs <= clock.now())
      throw invalidToken('the token of the connection has expired');
    ensureAllowed(principal);
  };

  return {
    atHandshake: async (handshake, address) => identify(selectHandshakeCredential(handshake), address),
    anyoneAtHandshake: async (handshake, address) =>
      allowed(await verifier.verifyAnyone(await tokenOf(selectHandshakeCredential(handshake), address))),
    ensureCurrent,
    async forEvent(principal, credentials) {
      ensureCurrent(principal);
      const credential = selectEventCredential(credentials);
      if (credential !== undefined) ensureSameUser(principal, await identify(credential, `user:${principal.userId}`));
    },
    async renewed(principal, token) {
      ensureCurrent(principal);
      const renewed = allowed(await verifier.verifyUser(token));
      ensureSameUser(principal, renewed);
      return renewed;
    },
  };
}

function ensureSameUser(principal: Principal, other: UserPrincipal): void {
  const isSame =
    principal.kind === 'user' && principal.userId === other.userId && principal.accountId === other.accountId;
  if (!isSame) throw invalidToken('a credential of another user');
}

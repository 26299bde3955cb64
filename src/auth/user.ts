import type { Clock } from '../platform/clock.js';
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

export interface UserAuthOptions {
  verifier: TokenVerifier;
  apiSessions: ApiSessions;
  clock: Clock;
  /** How long after its `exp` a token is taken; as the verifier does. */
  clockToleranceMs?: number;
  /** @throws GatewayError for a principal that is refused although its token is valid; absent: none is */
  ensureAllowed?: (principal: Principal) => void;
}

/**
 * Says which user is calling. Every method rejects with `INVALID_TOKEN`, or with `UNAVAILABLE` when the database or the
 * key set that is needed for the answer cannot be reached.
 */
export interface UserAuth {
  /** The user whose credential the handshake carries. */
  atHandshake(handshake: Handshake): Promise<UserPrincipal>;
  /** The user or visitor whose credential the handshake carries. */
  anyoneAtHandshake(handshake: Handshake): Promise<AnyonePrincipal>;
  /** Holds until the token of the principal has expired or was revoked. @throws GatewayError `INVALID_TOKEN`, `FORBIDDEN` for a blocked user */
  ensureCurrent(principal: Principal): void;
  /**
   * Holds when `principal` has not expired and the credential in the event's data, if there is one, is the same user's.
   * The credential changes nothing else: the connection's principal stays who is calling.
   */
  forEvent(principal: UserPrincipal, credentials: EventCredentials): Promise<void>;
  /** The principal to go on with after `refresh_token`: what another token of the same user says. */
  renewed(principal: Principal, token: unknown): Promise<UserPrincipal>;
}

export function createUserAuth(options: UserAuthOptions): UserAuth {
  const { verifier, apiSessions, clock, clockToleranceMs = 0, ensureAllowed = () => undefined } = options;
  const allowed = <P extends Principal>(principal: P): P => {
    ensureAllowed(principal);
    return principal;
  };
  const tokenOf = async (credential: Credential | undefined): Promise<string> => {
    if (credential === undefined) throw invalidToken('no credential');
    if ('token' in credential) return credential.token;
    const token = await apiSessions.findToken(credential.sessionId);
    if (token === undefined) throw invalidToken('unknown or expired session');
    return token;
  };
  const identify = async (credential: Credential | undefined): Promise<UserPrincipal> =>
    allowed(await verifier.verifyUser(await tokenOf(credential)));
  const ensureCurrent = (principal: Principal): void => {
    if (principal.expiresAt + clockToleranceMs <= clock.now())
      throw invalidToken('the token of the connection has expired');
    ensureAllowed(principal);
  };

  return {
    atHandshake: async (handshake) => identify(selectHandshakeCredential(handshake)),
    anyoneAtHandshake: async (handshake) =>
      allowed(await verifier.verifyAnyone(await tokenOf(selectHandshakeCredential(handshake)))),
    ensureCurrent,
    async forEvent(principal, credentials) {
      ensureCurrent(principal);
      const credential = selectEventCredential(credentials);
      if (credential !== undefined) ensureSameUser(principal, await identify(credential));
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

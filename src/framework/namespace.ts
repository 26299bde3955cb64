import type { Principal } from '../auth/principal.js';
import type { Handshake } from '../auth/token-sources.js';
import type { GatewayError } from '../errors.js';

/** A namespace and its authentication. Declared by one integration; others may mount events on it. */
export interface Namespace {
  readonly name: string;
  /** A user needs one of these scopes to connect, and again for each event. Empty: none is needed. */
  readonly scopes: readonly string[];
  /**
   * @param address by which limits count a client that has not authenticated
   * @throws GatewayError, sent to the client as `connect_error`
   */
  authenticate(handshake: Handshake, address: string): Principal | Promise<Principal>;
  /**
   * Rooms that a socket joins on connect, besides its user's own room.
   * @throws GatewayError to refuse the connection
   */
  roomsOf?(principal: Principal, handshake: Handshake): readonly string[] | Promise<readonly string[]>;
  /**
   * Format of a refusal; absent: the code. A client of Socket.IO 2 gets the `data` of the error, or else its message.
   */
  readonly toRefusal?: (error: GatewayError, isOldClient: boolean) => Error;
  /** Closes refused connections, unless they are in another namespace. */
  readonly closesRefused?: boolean;
}

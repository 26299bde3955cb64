import type { ManagerOptions } from 'socket.io-client';
import type { ClientClock } from './clock.js';
import type { GatewayClientError } from './error.js';
import type { ClientStorage } from './storage.js';
import type { ApplicationEvents, NamespaceName, QueryOption, TokenOption } from './types.js';

/** Returns a token that is valid now; asked at each connect and before the token expires. */
export type TokenSource = () => Promise<string>;

/** Options of every client. */
export interface ClientOptions<A extends ApplicationEvents> {
  /** Of the gateway, without the namespace: `https://gateway.example.com`. */
  readonly url: string;
  /** Names this device of the user, up to 128 characters; absent: made once and kept in `storage`. */
  readonly deviceId?: string;
  /** Absent: `localStorage`, or the memory of this process where there is none. */
  readonly storage?: ClientStorage;
  /** What backends emit: `eventsOf<{ notification: [Notification] }>()`. */
  readonly events?: A;
  /** Durable messages were dropped by a limit: load everything again. */
  readonly onResync?: () => unknown;
  /** Something went wrong that no call reports: a handler has thrown, a token was not renewed. */
  readonly onProblem?: (problem: GatewayClientError) => void;
  /** Time limit of each call and of each attempt to connect, in milliseconds; 20 seconds by default. */
  readonly timeoutMs?: number;
  /** More options of Socket.IO's manager, such as `path`. */
  readonly manager?: Partial<ManagerOptions>;
  readonly clock?: ClientClock;
  /** A number from 0 to 1. */
  readonly random?: () => number;
}

/** Options of {@link connect}. */
export type ConnectOptions<N extends NamespaceName, A extends ApplicationEvents> = ClientOptions<A> &
  TokenOption<N, TokenSource> &
  QueryOption<N> & { readonly namespace: N };

/** Options of {@link connectSite}. */
export interface ConnectSiteOptions<A extends ApplicationEvents> extends ClientOptions<A> {
  /** The name of the push site. */
  readonly site: string;
  /** The user's token of the website; absent: the public channel. */
  readonly token?: TokenSource;
  /** Passed on to the website as `X-META`. */
  readonly meta?: string;
}

import type { ManagerOptions } from 'socket.io-client';
import { type ClientClock, systemClock } from './clock.js';
import { Connection, type ConnectionState } from './connection.js';
import { GatewayClientError, toClientError, toError } from './error.js';
import { Inbox, type MessageCounters } from './inbox.js';
import { TokenRenewal } from './renewal.js';
import { type ClientStorage, defaultStorage, deviceIdIn, HandledIds } from './storage.js';
import type {
  AnyNamespace,
  ApplicationEvents,
  EmitAnswer,
  EmitArgs,
  EmitName,
  EventArgs,
  EventName,
  NamespaceName,
  QueryOption,
  TokenOption,
} from './types.js';

const TIMEOUT_MS = 20_000;

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

/** What a page shows. A new object at each change. */
export interface ClientStatus {
  readonly state: ConnectionState;
  /** Why the client is not online. */
  readonly reason: GatewayClientError | undefined;
  readonly messages: MessageCounters;
}

/** A namespace of a gateway. */
export interface GatewayClient<N extends AnyNamespace, A extends ApplicationEvents> {
  readonly status: ClientStatus;
  readonly deviceId: string;
  /** Calls back after each change of the status. @returns ends it */
  subscribe(listener: () => void): () => void;
  /**
   * Sends an event and waits for its answer; without a connection, for the connection first.
   * @returns the `data` of the answer @throws GatewayClientError
   */
  emit<E extends EmitName<N>>(event: E, ...args: EmitArgs<N, E>): Promise<EmitAnswer<N, E>>;
  /**
   * Handles an event, whether it comes live or waited for the device. A durable message is acknowledged when the promises of
   * all handlers of its event have resolved, and comes again when one rejects. @returns ends it
   */
  on<E extends EventName<N, A>>(event: E, handler: (...args: EventArgs<N, A, E>) => unknown): () => void;
  /** Handles the events of backends and websites that have no handler of their own. @returns ends it */
  onOther(handler: (event: string, ...args: unknown[]) => unknown): () => void;
  /** Tries at once, also after a refusal. */
  reconnect(): void;
  /** Ends the connection for good. */
  close(): void;
}

/** Declares the events that backends emit, for the compiler alone. */
export const eventsOf = <A extends ApplicationEvents>(): A => ({}) as A;

/** Connects to a namespace. Handlers that are registered in the same turn miss nothing. */
export const connect = <const N extends NamespaceName, A extends ApplicationEvents = ApplicationEvents>(
  options: ConnectOptions<N, A>,
): GatewayClient<N, A> => new Client<N, A>(options, options);

/** Connects to a push site. */
export const connectSite = <A extends ApplicationEvents = ApplicationEvents>(
  options: ConnectSiteOptions<A>,
): GatewayClient<'/{site}', A> =>
  new Client<'/{site}', A>(options, {
    namespace: `/${options.site}`,
    ...(options.token !== undefined && { token: options.token }),
    ...(options.meta !== undefined && { auth: { meta: options.meta } }),
  });

/** Where a client connects, and as whom. */
interface Identity {
  readonly namespace: string;
  readonly token?: TokenSource;
  readonly query?: unknown;
  readonly auth?: Readonly<Record<string, unknown>>;
}

type Handler = (...args: never[]) => unknown;
type Acknowledge = () => void;

/** Events that are about the connection and not for the application alone. */
const BATCH = '_batch';
const RESYNC = '_resync';

class Client<N extends AnyNamespace, A extends ApplicationEvents> implements GatewayClient<N, A> {
  readonly deviceId: string;
  readonly #options: ClientOptions<A>;
  readonly #clock: ClientClock;
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  readonly #renewal: TokenRenewal | undefined;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #others = new Set<(event: string, ...args: unknown[]) => unknown>();
  readonly #listeners = new Set<() => void>();
  #status: ClientStatus;

  constructor(options: ClientOptions<A>, { namespace, token, query, auth = {} }: Identity) {
    const { storage = defaultStorage(), clock = systemClock, random = Math.random } = options;
    this.#options = options;
    this.#clock = clock;
    this.deviceId = options.deviceId ?? deviceIdIn(storage);
    const report = (problem: GatewayClientError): void => options.onProblem?.(problem);
    this.#inbox = new Inbox({
      ...{ clock, random, report },
      handled: new HandledIds(storage, `${options.url}${namespace} ${this.deviceId}`),
      dispatch: (event, args) => this.#dispatch(event, args),
      changed: () => this.#changed(),
    });
    this.#renewal =
      token &&
      new TokenRenewal({
        ...{ clock, random, token, report },
        renew: (next) => this.#send('refresh_token', [{ token: next }], this.#timeoutMs),
      });
    this.#connection = new Connection({
      ...{ url: options.url, namespace, clock, random, manager: options.manager, timeoutMs: this.#timeoutMs },
      query: (query ?? {}) as Record<string, string>,
      credentials: async () => ({
        ...auth,
        ...(this.#renewal !== undefined && { token: await this.#renewal.first() }),
        deviceId: this.deviceId,
        deliveryIds: true,
      }),
      received: (event, args) => this.#received(event, args),
      lost: () => this.#lost(),
      changed: () => this.#changed(),
    });
    this.#status = this.#toStatus();
    this.#connection.open();
  }

  get status(): ClientStatus {
    return this.#status;
  }

  subscribe(listener: () => void): () => void {
    return added(this.#listeners, listener);
  }

  async emit<E extends EmitName<N>>(event: E, ...args: EmitArgs<N, E>): Promise<EmitAnswer<N, E>> {
    const deadline = this.#clock.now() + this.#timeoutMs;
    await this.#online();
    const answer = await this.#send(event, args, Math.max(0, deadline - this.#clock.now()));
    return answer as EmitAnswer<N, E>;
  }

  on<E extends EventName<N, A>>(event: E, handler: (...args: EventArgs<N, A, E>) => unknown): () => void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers);
    const end = added(handlers, handler as Handler);
    this.#inbox.claim();
    return end;
  }

  onOther(handler: (event: string, ...args: unknown[]) => unknown): () => void {
    const end = added(this.#others, handler);
    this.#inbox.claim();
    return end;
  }

  reconnect(): void {
    this.#connection.open();
  }

  close(): void {
    this.#connection.close();
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? TIMEOUT_MS;
  }

  /** Resolves when there is a connection. @throws GatewayClientError `OFFLINE` after the time limit */
  #online(): Promise<void> {
    return new Promise((resolve, reject) => {
      let end = (): void => undefined;
      const look = (): void => {
        const { state, reason } = this.#status;
        const isOpen = this.#connection.socket.connected;
        if (!isOpen && state !== 'refused' && reason?.code !== 'CLOSED') return;
        end();
        if (isOpen) resolve();
        else reject(reason);
      };
      const cancel = this.#clock.after(this.#timeoutMs, () => {
        end();
        reject(
          new GatewayClientError('OFFLINE', 'no connection within the time limit', { cause: this.#status.reason }),
        );
      });
      const unsubscribe = this.subscribe(look);
      end = () => {
        cancel();
        unsubscribe();
      };
      look();
    });
  }

  /** @returns the `data` of the answer */
  #send(event: string, args: readonly unknown[], timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(timeoutMs, () =>
        reject(new GatewayClientError('TIMEOUT', `${event} was not answered within the time limit`)),
      );
      const settle = (lost: Error | null, answer: unknown): void => {
        cancel();
        if (lost !== null) return void reject(new GatewayClientError('CONNECTION_LOST', lost.message));
        if ((answer as { success?: unknown } | null)?.success !== true) return void reject(toClientError(answer));
        resolve((answer as { data?: unknown }).data);
      };
      // The limit of Socket.IO makes it tell when the connection is lost, and drop what it has not sent.
      this.#connection.socket.timeout(timeoutMs + 1).emit(event, ...args, settle);
    });
  }

  #received(event: string, args: unknown[]): void {
    const last = args.at(-1);
    if (typeof last === 'function') {
      const acknowledge = this.#toAcknowledge(last as Acknowledge);
      if (event === BATCH) this.#inbox.takeBatch(args[0] as [string, ...unknown[]][], args[1], acknowledge);
      else this.#inbox.take([event, ...args.slice(0, -1)], acknowledge);
      return;
    }
    if (event === RESYNC) this.#guard(async () => this.#options.onResync?.());
    if (event === 'auth_expiring') this.#renewal?.begin();
    this.#guard(async () => this.#dispatch(event, args));
  }

  /** An acknowledgement of another connection would be taken for one of the present connection. */
  #toAcknowledge(acknowledge: Acknowledge): Acknowledge {
    const { round } = this.#connection;
    return () => {
      if (round === this.#connection.round) acknowledge();
    };
  }

  #dispatch(event: string, args: readonly unknown[]): Promise<unknown> | undefined {
    const handlers = [...(this.#handlers.get(event) ?? [])];
    if (handlers.length > 0) return Promise.all(handlers.map(async (handler) => handler(...(args as never[]))));
    if (this.#others.size === 0 || event.startsWith('_')) return undefined;
    return Promise.all([...this.#others].map(async (handler) => handler(event, ...args)));
  }

  #guard(work: () => Promise<unknown>): void {
    work().catch((thrown: unknown) => this.#options.onProblem?.(toError('HANDLER_FAILED', thrown)));
  }

  #lost(): void {
    this.#renewal?.stop();
    this.#inbox.clear();
  }

  #toStatus(): ClientStatus {
    const { state, reason } = this.#connection;
    return { state, reason, messages: this.#inbox.counters };
  }

  #changed(): void {
    // The parts report their first changes while the client is still being made.
    if (this.#status === undefined) return;
    this.#status = this.#toStatus();
    for (const listener of [...this.#listeners]) listener();
  }
}

function added<T>(to: Set<T>, item: T): () => void {
  to.add(item);
  return () => void to.delete(item);
}

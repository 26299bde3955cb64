import { Calls } from './calls.js';
import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { type GatewayClientError, toError } from './error.js';
import type { ClientStatus, GatewayClient } from './gateway-client.js';
import { added, type Handler, Handlers, type OtherHandler } from './handlers.js';
import { Inbox } from './inbox.js';
import type { ClientOptions, TokenSource } from './options.js';
import { TokenRenewal } from './renewal.js';
import { defaultStorage, deviceIdIn, HandledIds } from './storage.js';
import type { AnyNamespace, ApplicationEvents, EmitAnswer, EmitArgs, EmitName, EventArgs, EventName } from './types.js';

const TIMEOUT_MS = 20_000;

/** Where a client connects, and as whom. */
interface Identity {
  readonly namespace: string;
  readonly token?: TokenSource;
  readonly query?: unknown;
  readonly auth?: Readonly<Record<string, unknown>>;
}

type Acknowledge = () => void;

/** Events that are about the connection and not for the application alone. */
const BATCH = '_batch';
const RESYNC = '_resync';

/** Joins the parts of a client: its connection, calls, handlers, durable messages and token. */
export class NamespaceClient<N extends AnyNamespace, A extends ApplicationEvents> implements GatewayClient<N, A> {
  readonly deviceId: string;
  readonly #options: ClientOptions<A>;
  readonly #connection: Connection;
  readonly #calls: Calls;
  readonly #inbox: Inbox;
  readonly #renewal: TokenRenewal | undefined;
  readonly #handlers = new Handlers();
  readonly #listeners = new Set<() => void>();
  #status: ClientStatus;

  constructor(options: ClientOptions<A>, { namespace, token, query, auth = {} }: Identity) {
    const { storage = defaultStorage, clock = systemClock, random = Math.random, timeoutMs = TIMEOUT_MS } = options;
    this.#options = options;
    this.deviceId = options.deviceId ?? deviceIdIn(storage);
    const report = (problem: GatewayClientError): void => options.onProblem?.(problem);
    const changed = (): void => this.#changed();
    this.#inbox = new Inbox({
      clock,
      random,
      report,
      changed,
      handled: new HandledIds(storage, `${options.url}${namespace} ${this.deviceId}`),
      dispatch: (event, args) => this.#handlers.dispatch(event, args),
    });
    this.#calls = new Calls({
      clock,
      timeoutMs,
      socket: () => this.#connection.socket,
      readiness: () => this.#connection.readiness,
      subscribe: (listener) => this.subscribe(listener),
    });
    this.#renewal =
      token &&
      new TokenRenewal({
        clock,
        random,
        token,
        report,
        renew: (next) => this.#calls.send('refresh_token', [{ token: next }]),
      });
    this.#connection = new Connection({
      url: options.url,
      namespace,
      clock,
      random,
      manager: options.manager,
      timeoutMs,
      changed,
      query: (query ?? {}) as Record<string, string>,
      credentials: async () => ({
        ...auth,
        ...(this.#renewal !== undefined && { token: await this.#renewal.first() }),
        deviceId: this.deviceId,
        deliveryIds: true,
      }),
      received: (event, args) => this.#received(event, args),
      lost: () => this.#lost(),
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
    return (await this.#calls.make(event, args)) as EmitAnswer<N, E>;
  }

  on<E extends EventName<N, A>>(event: E, handler: (...args: EventArgs<N, A, E>) => unknown): () => void {
    const end = this.#handlers.on(event, handler as Handler);
    this.#inbox.claim();
    return end;
  }

  onOther(handler: OtherHandler): () => void {
    const end = this.#handlers.onOther(handler);
    this.#inbox.claim();
    return end;
  }

  reconnect(): void {
    this.#connection.open();
  }

  close(): void {
    this.#connection.close();
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
    this.#guard(async () => this.#handlers.dispatch(event, args));
  }

  /** An acknowledgement of another connection would be taken for one of the present connection. */
  #toAcknowledge(acknowledge: Acknowledge): Acknowledge {
    const { round } = this.#connection;
    return () => {
      if (round === this.#connection.round) acknowledge();
    };
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

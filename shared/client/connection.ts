import type { ManagerOptions, Socket } from 'socket.io-client';
import type { Readiness } from './calls.js';
import { backoffMs, type ClientClock, inTime } from './clock.js';
import { GatewayClientError, toError, toRefusal } from './error.js';
import { type Lease, leaseSocket } from './managers.js';

/** What a page can show of a connection. */
export type ConnectionState =
  /** An attempt is under way. */
  | 'connecting'
  /** Events come and go. */
  | 'online'
  /** Not connected; the next attempt comes by itself, unless the client was closed. */
  | 'offline'
  /** The node stops; the client connects to another one soon. */
  | 'draining'
  /** The gateway refuses the client for a reason that does not pass. Nothing more is tried. */
  | 'refused';

/** A longer wait than this is a refusal: the application decides. */
const WAIT_MAX_MS = 3_600_000;
/** Token times are whole seconds: a token of the second in which the user's tokens were revoked is refused. */
const TOKEN_PAUSE_MS = 1000;
/** The back-off restarts after a connection that lasted this long. */
const STABLE_MS = 10_000;

interface Dependencies {
  readonly url: string;
  readonly namespace: string;
  readonly query: Readonly<Record<string, string>>;
  readonly manager: Partial<ManagerOptions> | undefined;
  /** The `auth` of the next attempt, with a fresh token. */
  credentials(): Promise<Record<string, unknown>>;
  readonly timeoutMs: number;
  readonly clock: ClientClock;
  readonly random: () => number;
  /** An event has come. Its last argument is the acknowledgement, if the gateway waits for one. */
  received(event: string, args: unknown[]): void;
  /** The connection is gone, and with it every acknowledgement. */
  lost(): void;
  changed(): void;
}

/** Keeps one namespace connected: decides when to try again, and when not to. */
export class Connection {
  readonly #dependencies: Dependencies;
  readonly #lease: Lease;
  #state: ConnectionState = 'offline';
  #reason: GatewayClientError | undefined;
  /** Rises with each attempt; what belongs to an earlier one is ignored. */
  #round = 0;
  #failures = 0;
  /** Refused tokens in a row. */
  #tokenRefusals = 0;
  #onlineSince = 0;
  #cancelWait: (() => void) | undefined;
  #drain: { readonly endsAt: number; readonly spreadMs: number } | undefined;
  /** What the gateway said before it closed the connection. */
  #farewell: { readonly event: string; readonly reason: string | null } | undefined;
  /** An attempt or a connection exists. */
  #isTrying = false;
  #isClosed = false;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
    const { url, namespace, query, manager } = dependencies;
    this.#lease = leaseSocket({ url, namespace, query, options: manager });
    const { socket } = this.#lease;
    socket.on('connect', () => this.#connected());
    socket.on('connect_error', (error: Error) => this.#failed(error));
    socket.on('disconnect', (reason) => this.#disconnected(reason));
    socket.onAny((event: string, ...args: unknown[]) => this.#received(event, args));
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why the client is not online; `undefined` while it is. */
  get reason(): GatewayClientError | undefined {
    return this.#reason;
  }

  /** Whether events can be sent now, and whether that can change by itself. */
  get readiness(): Readiness {
    const isFinal = this.#isClosed || this.#state === 'refused';
    return {
      isOpen: this.socket.connected,
      refusal: isFinal ? this.#reason : undefined,
      reason: this.#reason,
    };
  }

  get socket(): Socket {
    return this.#lease.socket;
  }

  /** Identifies the present connection. */
  get round(): number {
    return this.#round;
  }

  /** Tries at once. Does nothing while a connection or an attempt exists. */
  open(): void {
    if (this.#isClosed || this.#isTrying) return;
    this.#isTrying = true;
    this.#cancelWait?.();
    this.#round += 1;
    this.#drain = undefined;
    this.#farewell = undefined;
    this.#change('connecting', this.#reason);
    void this.#attempt(this.#round);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#letGo();
    this.#lease.release();
    this.#change('offline', new GatewayClientError('CLOSED', 'the client was closed'));
    this.#dependencies.lost();
  }

  async #attempt(round: number): Promise<void> {
    const { credentials, timeoutMs, clock } = this.#dependencies;
    const late = (): Error => new GatewayClientError('TOKEN_UNAVAILABLE', `token() took more than ${timeoutMs} ms`);
    try {
      const auth = await inTime(clock, timeoutMs, { work: credentials(), late });
      if (round !== this.#round) return;
      this.socket.auth = auth;
    } catch (thrown) {
      if (round !== this.#round) return;
      const error = toError('TOKEN_UNAVAILABLE', thrown);
      return error.retryable ? this.#wait(error) : this.#refuse(error);
    }
    this.socket.connect();
    this.#cancelWait = clock.after(timeoutMs, () => {
      if (!this.socket.connected) this.#wait(new GatewayClientError('UNREACHABLE', 'the gateway does not answer'));
    });
  }

  #connected(): void {
    this.#cancelWait?.();
    this.#tokenRefusals = 0;
    this.#onlineSince = this.#dependencies.clock.now();
    this.#change('online', undefined);
  }

  /** The gateway was not reached, or refuses the client. */
  #failed(error: Error): void {
    if (!this.#isTrying) return;
    // Socket.IO lets go of a socket that was refused, and of no other.
    if (this.socket.active) return void this.#wait(toError('UNREACHABLE', error));
    const refusal = toRefusal(error);
    if (refusal.code === 'INVALID_TOKEN') return void this.#refuseToken(refusal);
    const waitMs = refusal.retryAfterMs ?? (refusal.retryable ? 0 : undefined);
    if (waitMs === undefined || waitMs > WAIT_MAX_MS) this.#refuse(refusal);
    else this.#wait(refusal, waitMs);
  }

  /** The token may have run out on the way, or was revoked: the next one is tried, and no further one. */
  #refuseToken(refusal: GatewayClientError): void {
    this.#tokenRefusals += 1;
    if (this.#tokenRefusals === 1) this.#wait(refusal, TOKEN_PAUSE_MS);
    else this.#refuse(refusal);
  }

  #received(event: string, args: unknown[]): void {
    if (event === 'server_draining') {
      const { retry_after_ms: spreadMs } = args[0] as { retry_after_ms: number };
      this.#drain = { endsAt: this.#dependencies.clock.now() + spreadMs, spreadMs };
      this.#change('draining', undefined);
    } else if (event === 'disconnected' || event === 'auth_expired') {
      this.#farewell = { event, reason: (args[0] as { reason?: string | null }).reason ?? null };
    }
    this.#dependencies.received(event, args);
  }

  #disconnected(reason: string): void {
    if (!this.#isTrying) return;
    const { clock, random } = this.#dependencies;
    if (this.#onlineSince > 0 && clock.now() - this.#onlineSince >= STABLE_MS) this.#failures = 0;
    const lost = new GatewayClientError('CONNECTION_LOST', reason);
    const farewell = this.#farewell;
    if (farewell?.event === 'disconnected') return void this.#dismissed(farewell.reason);
    if (this.#drain === undefined) return void this.#wait(lost);
    const { endsAt, spreadMs } = this.#drain;
    // Nodes let their clients go in waves; coming back at one moment would undo that.
    this.#wait(lost, Math.max(0, endsAt - clock.now()) + random() * spreadMs, 'draining');
  }

  /** The gateway has ended the connection on purpose. */
  #dismissed(reason: string | null): void {
    // The next attempt is told when the block ends, or that it does not.
    if (reason === 'blocked') return void this.#wait(new GatewayClientError('FORBIDDEN', 'the user is blocked'));
    if (reason === 'revoked') this.#refuseToken(new GatewayClientError('INVALID_TOKEN', 'the token was revoked'));
    else this.#refuse(new GatewayClientError(reason === 'QUOTA_EXCEEDED' ? reason : 'DISCONNECTED', reason ?? ''));
  }

  /** Tries again after `atLeastMs` and a pause that grows with each failure. */
  #wait(error: GatewayClientError, atLeastMs = 0, state: ConnectionState = 'offline'): void {
    const { clock, random } = this.#dependencies;
    const delayMs = atLeastMs + backoffMs(this.#failures, random);
    this.#failures += 1;
    this.#letGo();
    this.#change(state, error);
    this.#dependencies.lost();
    this.#cancelWait = clock.after(delayMs, () => this.open());
  }

  #refuse(error: GatewayClientError): void {
    this.#letGo();
    this.#change('refused', error);
    this.#dependencies.lost();
  }

  /** Without this the socket would enter by itself, with its old token, when another namespace connects. */
  #letGo(): void {
    this.#round += 1;
    this.#cancelWait?.();
    this.#onlineSince = 0;
    // The events that this causes are none of the network.
    this.#isTrying = false;
    this.socket.disconnect();
  }

  #change(state: ConnectionState, reason: GatewayClientError | undefined): void {
    this.#state = state;
    this.#reason = reason;
    this.#dependencies.changed();
  }
}

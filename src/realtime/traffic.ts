import type { TrafficRecord } from '#shared/contracts/traffic.js';
import { userOf } from '../auth/principal.js';
import type { Clock } from '../platform/clock.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';

/** What a watcher wants to know. */
export interface TrafficFilter {
  readonly userId?: string | undefined;
  readonly namespace?: string | undefined;
  readonly hasPayloads: boolean;
}

/** An event of a client that was answered. */
interface Received {
  readonly event: string;
  /** `undefined`: refused before they were read. */
  readonly args: readonly unknown[] | undefined;
  readonly code: string;
}

/** An event of a backend or a website that was accepted. */
interface Emitted {
  readonly event: string;
  readonly args: readonly unknown[];
  readonly namespace: string;
  readonly userId?: string;
  readonly isDurable: boolean;
}

/** An event, before anything of it is measured. */
interface Observed {
  readonly from: TrafficRecord['from'];
  readonly namespace: string;
  readonly event: string;
  readonly userId: string | null;
  readonly sockets: number;
  readonly args: readonly unknown[] | undefined;
  readonly code?: string;
  readonly isDurable?: boolean;
}

/**
 * What goes in and out of this node, for its watchers. While there is none, sockets have no listener, and callers check
 * {@link isWatched} before they call.
 */
export class Traffic implements SocketListener {
  readonly #watchers = new Set<Watcher>();
  readonly #sockets: () => Iterable<GatewaySocket>;
  readonly #clock: Clock;
  /** Socket.IO calls it with the socket as `this`, for direct events and for broadcasts. */
  readonly #outgoing: (this: GatewaySocket, event: string, ...args: unknown[]) => void;

  /** @param sockets all connected sockets */
  constructor(clock: Clock, sockets: () => Iterable<GatewaySocket>) {
    this.#clock = clock;
    this.#sockets = sockets;
    const observe = (observed: Observed): void => this.#observe(observed);
    this.#outgoing = function (event, ...args) {
      const { principal } = this.data;
      observe({ from: 'gateway', namespace: this.nsp.name, event, userId: userOf(principal), sockets: 1, args });
    };
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** @param end called when the node stops @returns ends it */
  watch(filter: TrafficFilter, take: (record: TrafficRecord) => void, end: () => void): () => void {
    const watcher = new Watcher(filter, { take, end, clock: this.#clock });
    if (!this.isWatched) for (const socket of this.#sockets()) socket.onAnyOutgoing(this.#outgoing);
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      if (!this.isWatched) for (const socket of this.#sockets()) socket.offAnyOutgoing(this.#outgoing);
    };
  }

  /** Ends all watchers: their streams would hold up the stop of the node. */
  close(): void {
    for (const watcher of [...this.#watchers]) watcher.end();
  }

  connected(socket: GatewaySocket): void {
    if (this.isWatched) socket.onAnyOutgoing(this.#outgoing);
  }

  disconnected(): void {}

  received({ nsp, data }: GatewaySocket, received: Received): void {
    this.#observe({ from: 'client', namespace: nsp.name, userId: userOf(data.principal), sockets: 1, ...received });
  }

  emitted({ event, args, namespace, userId, isDurable }: Emitted): void {
    this.#observe({ from: 'backend', namespace, event, userId: userId ?? null, sockets: 0, args, isDurable });
  }

  #observe(observed: Observed): void {
    for (const watcher of this.#watchers) watcher.observe(observed);
  }
}

interface WatcherDependencies {
  readonly take: (record: TrafficRecord) => void;
  readonly end: () => void;
  readonly clock: Clock;
}

/** Takes what its filter lets through. The receivers of a broadcast are one record. */
class Watcher {
  readonly end: () => void;
  readonly #filter: TrafficFilter;
  readonly #take: (record: TrafficRecord) => void;
  readonly #clock: Clock;
  /** An outgoing event whose receivers are still being counted. */
  #open: { observed: Observed; sockets: number; userId: string | null } | undefined;

  constructor(filter: TrafficFilter, { take, end, clock }: WatcherDependencies) {
    this.#filter = filter;
    this.#take = take;
    this.end = end;
    this.#clock = clock;
  }

  observe(observed: Observed): void {
    const { userId, namespace } = this.#filter;
    if (userId !== undefined && observed.userId !== userId) return;
    if (namespace !== undefined && observed.namespace !== namespace && observed.namespace !== '*') return;
    if (this.#open !== undefined && isSameBroadcast(this.#open.observed, observed)) {
      this.#open.sockets += 1;
      if (this.#open.userId !== observed.userId) this.#open.userId = null;
      return;
    }
    this.#flush();
    this.#open = { observed, sockets: observed.sockets, userId: observed.userId };
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#open === undefined) return;
    const { observed, sockets, userId } = this.#open;
    this.#open = undefined;
    const { args, ...rest } = observed;
    const payload = this.#filter.hasPayloads && args !== undefined && { payload: args.map(toShowable) };
    const bytes = args === undefined ? null : bytesOf(args);
    this.#take({ at: new Date(this.#clock.now()).toISOString(), ...rest, sockets, userId, bytes, ...payload });
  }
}

/** A broadcast passes the same payload to one socket after the other. */
const isSameBroadcast = (one: Observed, other: Observed): boolean =>
  one.from === 'gateway' &&
  other.from === 'gateway' &&
  one.event === other.event &&
  one.namespace === other.namespace &&
  one.args?.length === other.args?.length &&
  one.args?.every((arg, index) => arg === other.args?.[index]) === true;

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

const toShowable = (value: unknown): unknown => (isBytes(value) ? `${value.length} bytes` : value);

const bytesOf = (args: readonly unknown[]): number =>
  args.reduce<number>(
    (sum, arg) => sum + (isBytes(arg) ? arg.length : Buffer.byteLength(JSON.stringify(arg) ?? '')),
    0,
  );

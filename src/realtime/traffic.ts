import type { LiveKind, LiveRecord } from '#shared/contracts/traffic.js';
import { userOf } from '../auth/principal.js';
import type { Clock } from '../platform/clock.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';

/** What a watcher wants to know. Travels as JSON. */
export interface TrafficFilter {
  /** Verified or claimed. */
  readonly userId?: string | undefined;
  readonly namespace?: string | undefined;
  readonly event?: string | undefined;
  readonly code?: string | undefined;
  /** Absent: all. */
  readonly kinds?: readonly LiveKind[] | undefined;
  readonly hasPayloads: boolean;
}

/** What happened on this node. */
export interface NodeRecord extends Omit<LiveRecord, 'node'> {
  readonly payload?: readonly unknown[];
}

/** Receives what its filter lets through. */
export interface Watcher {
  /** Records in each second; further ones are only counted. Absent: any number. */
  readonly perSecondMax?: number;
  take(record: NodeRecord): void;
  /** A record was left out because there are too many. */
  miss?(): void;
  /** The node stops, or the keys of readers have changed. */
  end(): void;
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
  readonly id?: string;
}

/** A connect that was refused. */
interface Refused {
  /** `null`: before the client named one. */
  readonly namespace: string | null;
  readonly code: string;
  /** Of an unknown namespace it is not known. */
  readonly address?: string;
  readonly claimedUserId?: string | undefined;
  readonly detail?: string | undefined;
}

/** A client that did not read. */
interface Slow {
  readonly namespace: string | null;
  readonly userId: string | null;
  /** What was dropped. */
  readonly bytes: number;
}

/** An answer of FCM. */
interface Pushed {
  readonly id: string;
  readonly userIds: readonly string[];
  readonly event: string | undefined;
  readonly result: string;
  readonly tokens: number;
}

/** Something, before anything of it is measured. */
interface Observed extends Partial<Omit<NodeRecord, 'at' | 'kind' | 'payload'>> {
  readonly kind: LiveKind;
  readonly args?: readonly unknown[] | undefined;
}

/** Characters of a text that a client or a backend chose. */
const TEXT_MAX = 128;

/**
 * What happens on this node, for its watchers. While there is none, sockets have no listener, and callers check
 * {@link isWatched} before they call.
 */
export class Traffic implements SocketListener {
  readonly #watching = new Set<Watching>();
  readonly #clock: Clock;
  /** All connected sockets. */
  #sockets: () => Iterable<GatewaySocket>;
  /** Watchers of events that go out. */
  #listening = 0;
  /** Socket.IO calls it with the socket as `this`, for direct events and for broadcasts. */
  readonly #outgoing: (this: GatewaySocket, event: string, ...args: unknown[]) => void;

  /** @param sockets all connected sockets */
  constructor(clock: Clock, sockets: () => Iterable<GatewaySocket> = () => []) {
    this.#clock = clock;
    this.#sockets = sockets;
    const observe = (observed: Observed): void => this.#observe(observed);
    this.#outgoing = function (event, ...args) {
      const { principal } = this.data;
      observe({ kind: 'sent', namespace: this.nsp.name, event, userId: userOf(principal), sockets: 1, args });
    };
  }

  get isWatched(): boolean {
    return this.#watching.size > 0;
  }

  get watchers(): number {
    return this.#watching.size;
  }

  /** The sockets are known later than what else is watched. */
  attach(sockets: () => Iterable<GatewaySocket>): void {
    this.#sockets = sockets;
  }

  /** @returns ends it */
  watch(filter: TrafficFilter, watcher: Watcher): () => void {
    const watching = new Watching(filter, watcher, this.#clock);
    this.#watching.add(watching);
    const isListening = filter.kinds?.includes('sent') ?? true;
    if (isListening) this.#listen(1);
    return () => {
      if (this.#watching.delete(watching) && isListening) this.#listen(-1);
    };
  }

  /** Ends all watchers: their streams would hold up the stop of the node. */
  close(): void {
    for (const { watcher } of [...this.#watching]) watcher.end();
  }

  connected(socket: GatewaySocket): void {
    if (!this.isWatched) return;
    if (this.#listening > 0) socket.onAnyOutgoing(this.#outgoing);
    this.#observe({ kind: 'connect', ...describe(socket) });
  }

  disconnected(socket: GatewaySocket, reason: string): void {
    if (this.isWatched) this.#observe({ kind: 'disconnect', ...describe(socket), code: reason });
  }

  received({ nsp, data }: GatewaySocket, received: Received): void {
    this.#observe({ kind: 'event', namespace: nsp.name, userId: userOf(data.principal), sockets: 1, ...received });
  }

  emitted({ event, args, namespace, userId, isDurable, id }: Emitted): void {
    const message = id !== undefined && { messageId: id };
    this.#observe({ kind: 'emit', namespace, event, userId: userId ?? null, args, isDurable, ...message });
  }

  refused(refused: Refused): void {
    this.#observe({ kind: 'refusal', ...refused });
  }

  slow(slow: Slow): void {
    this.#observe({ kind: 'slow', sockets: 1, ...slow });
  }

  /** @param caller the key that the limit counts by */
  limited(limit: string, caller: string): void {
    const [, kind, name] = /^(user|visitor|address):(.*)$/s.exec(caller) ?? [];
    const who = kind === 'address' ? { address: name } : { userId: name ?? null };
    this.#observe({ kind: 'limit', code: 'RATE_LIMITED', detail: limit, ...who });
  }

  pushed({ id, userIds, event, result, tokens }: Pushed): void {
    const [userId = null, ...others] = userIds;
    const who = others.length > 0 ? null : userId;
    this.#observe({ kind: 'push', event: event ?? null, userId: who, code: result, sockets: tokens, messageId: id });
  }

  #observe(observed: Observed): void {
    for (const watching of this.#watching) watching.observe(observed);
  }

  #listen(by: 1 | -1): void {
    const before = this.#listening;
    this.#listening += by;
    if (before === 0) for (const socket of this.#sockets()) socket.onAnyOutgoing(this.#outgoing);
    else if (this.#listening === 0) for (const socket of this.#sockets()) socket.offAnyOutgoing(this.#outgoing);
  }
}

/** A watcher with its filter. The receivers of a broadcast are one record. */
class Watching {
  readonly watcher: Watcher;
  readonly #filter: TrafficFilter;
  readonly #clock: Clock;
  /** An outgoing event whose receivers are still being counted. */
  #open: { observed: Observed; sockets: number; userId: string | null } | undefined;
  /** The second that is counted, and its records. */
  #second = 0;
  #count = 0;

  constructor(filter: TrafficFilter, watcher: Watcher, clock: Clock) {
    this.#filter = filter;
    this.watcher = watcher;
    this.#clock = clock;
  }

  observe(observed: Observed): void {
    if (!this.#isWanted(observed)) return;
    if (observed.kind !== 'sent') {
      this.#flush();
      this.#tell(observed, observed.sockets ?? 0, observed.userId ?? null);
      return;
    }
    if (this.#open !== undefined && isSameBroadcast(this.#open.observed, observed)) {
      this.#open.sockets += 1;
      if (this.#open.userId !== observed.userId) this.#open.userId = null;
      return;
    }
    this.#flush();
    this.#open = { observed, sockets: 1, userId: observed.userId ?? null };
    queueMicrotask(() => this.#flush());
  }

  #isWanted({ kind, userId, claimedUserId, namespace, event, code }: Observed): boolean {
    const filter = this.#filter;
    if (filter.kinds !== undefined && !filter.kinds.includes(kind)) return false;
    if (filter.userId !== undefined && userId !== filter.userId && claimedUserId !== filter.userId) return false;
    if (filter.namespace !== undefined && namespace !== filter.namespace && namespace !== '*') return false;
    if (filter.event !== undefined && event !== filter.event) return false;
    return filter.code === undefined || code === filter.code;
  }

  #flush(): void {
    if (this.#open === undefined) return;
    const { observed, sockets, userId } = this.#open;
    this.#open = undefined;
    this.#tell(observed, sockets, userId);
  }

  /** Beyond the limit a record costs a counter. */
  #tell({ kind, args, ...observed }: Observed, sockets: number, userId: string | null): void {
    const now = this.#clock.now();
    if (this.#isFull(now)) {
      this.watcher.miss?.();
      return;
    }
    const payload = this.#filter.hasPayloads && args !== undefined && { payload: args.map(toShowable) };
    this.watcher.take({
      at: new Date(now).toISOString(),
      kind,
      ...toCut(observed),
      ...{ namespace: cut(observed.namespace), event: cut(observed.event), userId: cut(userId) },
      ...{ code: cut(observed.code), sockets },
      bytes: observed.bytes ?? (args === undefined ? null : bytesOf(args)),
      ...payload,
    });
  }

  #isFull(now: number): boolean {
    const { perSecondMax } = this.watcher;
    if (perSecondMax === undefined) return false;
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count > perSecondMax;
  }
}

/** Who and where a socket is. */
const describe = ({ nsp, data: { principal, address, deviceId } }: GatewaySocket) => ({
  ...{ namespace: nsp.name, userId: userOf(principal), sockets: 1, address },
  ...(deviceId !== '' && { deviceId }),
});

/** A broadcast passes the same payload to one socket after the other. */
const isSameBroadcast = (one: Observed, other: Observed): boolean =>
  one.event === other.event &&
  one.namespace === other.namespace &&
  one.args?.length === other.args?.length &&
  one.args?.every((arg, index) => arg === other.args?.[index]) === true;

const cut = (text: string | null | undefined): string | null => text?.slice(0, TEXT_MAX) ?? null;

/** The optional fields that are there. */
const toCut = ({ address, claimedUserId, deviceId, isDurable, messageId, detail }: Partial<Observed>) => ({
  ...(address !== undefined && { address }),
  ...(claimedUserId !== undefined && { claimedUserId: claimedUserId.slice(0, TEXT_MAX) }),
  ...(deviceId !== undefined && { deviceId }),
  ...(isDurable !== undefined && { isDurable }),
  ...(messageId !== undefined && { messageId }),
  ...(detail !== undefined && { detail: detail.slice(0, TEXT_MAX) }),
});

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

const toShowable = (value: unknown): unknown => (isBytes(value) ? `${value.length} bytes` : value);

const bytesOf = (args: readonly unknown[]): number =>
  args.reduce<number>(
    (sum, arg) => sum + (isBytes(arg) ? arg.length : Buffer.byteLength(JSON.stringify(arg) ?? '')),
    0,
  );

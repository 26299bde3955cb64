import { userOf } from '../auth/principal.js';
import type { Clock } from '../platform/time/clock.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';
import type { EmittedEvent } from './emitted.js';
import type { Observation } from './traffic-record.js';
import { FilteredWatcher, type TrafficFilter, type Watcher } from './traffic-watcher.js';

/** An event of a client that was answered. */
interface Received {
  readonly event: string;
  /** `undefined`: refused before they were read. */
  readonly args: readonly unknown[] | undefined;
  readonly code: string;
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

/**
 * What happens on this node, for its watchers. While there is none, sockets have no listener, and callers check
 * {@link isWatched} before they call.
 */
export class Traffic implements SocketListener {
  readonly #watching = new Set<FilteredWatcher>();
  readonly #clock: Clock;
  #sockets: () => Iterable<GatewaySocket> = () => [];
  /** Watchers of events that go out. */
  #listening = 0;
  /** Socket.IO calls it with the socket as `this`, for direct events and for broadcasts. */
  readonly #outgoing: (this: GatewaySocket, event: string, ...args: unknown[]) => void;

  constructor(clock: Clock) {
    this.#clock = clock;
    const observe = (observed: Observation): void => this.#observe(observed);
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

  /** The sockets are known later than what else is watched. @param sockets all connected ones */
  attach(sockets: () => Iterable<GatewaySocket>): void {
    this.#sockets = sockets;
  }

  /** @returns ends it */
  watch(filter: TrafficFilter, watcher: Watcher): () => void {
    const watching = new FilteredWatcher(filter, watcher, this.#clock);
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

  emitted({ event, args, namespace, userId, isDurable, id }: EmittedEvent): void {
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

  #observe(observed: Observation): void {
    for (const watching of this.#watching) watching.observe(observed);
  }

  #listen(by: 1 | -1): void {
    const before = this.#listening;
    this.#listening += by;
    if (before === 0) for (const socket of this.#sockets()) socket.onAnyOutgoing(this.#outgoing);
    else if (this.#listening === 0) for (const socket of this.#sockets()) socket.offAnyOutgoing(this.#outgoing);
  }
}

/** Who and where a socket is. */
const describe = ({ nsp, data: { principal, address, deviceId } }: GatewaySocket) => ({
  namespace: nsp.name,
  userId: userOf(principal),
  sockets: 1,
  address,
  ...(deviceId !== '' && { deviceId }),
});

import type { LiveKind } from '#shared/contracts/traffic.js';
import type { Clock } from '../platform/time/clock.js';
import { type NodeRecord, type Observation, toNodeRecord } from './traffic-record.js';

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

/** Receives what its filter lets through. */
export interface Watcher {
  /** Records in each second; further ones are only counted. */
  readonly perSecondMax: number;
  take(record: NodeRecord): void;
  /** A record was left out because there are too many. */
  miss(): void;
  /** The node stops, or the keys of readers have changed. */
  end(): void;
}

/** A watcher with its filter. The receivers of a broadcast are one record. */
export class FilteredWatcher {
  readonly watcher: Watcher;
  readonly #filter: TrafficFilter;
  readonly #clock: Clock;
  /** An outgoing event whose receivers are still being counted. */
  #open: { observed: Observation; sockets: number; userId: string | null } | undefined;
  /** The second that is counted, and its records. */
  #second = 0;
  #count = 0;

  constructor(filter: TrafficFilter, watcher: Watcher, clock: Clock) {
    this.#filter = filter;
    this.watcher = watcher;
    this.#clock = clock;
  }

  observe(observed: Observation): void {
    if (!this.#isWanted(observed)) return;
    if (observed.kind !== 'sent') {
      this.#flush();
      this.#pass(observed, observed.sockets ?? 0, observed.userId ?? null);
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

  #isWanted({ kind, userId, claimedUserId, namespace, event, code }: Observation): boolean {
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
    this.#pass(observed, sockets, userId);
  }

  /** Beyond the limit a record costs a counter. */
  #pass(observed: Observation, sockets: number, userId: string | null): void {
    const at = this.#clock.now();
    if (this.#isFull(at)) {
      this.watcher.miss();
      return;
    }
    this.watcher.take(toNodeRecord(observed, { at, sockets, userId, hasPayload: this.#filter.hasPayloads }));
  }

  #isFull(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count > this.watcher.perSecondMax;
  }
}

/** A broadcast passes the same payload to one socket after the other. */
const isSameBroadcast = (one: Observation, other: Observation): boolean =>
  one.event === other.event &&
  one.namespace === other.namespace &&
  one.args?.length === other.args?.length &&
  one.args?.every((arg, index) => arg === other.args?.[index]) === true;

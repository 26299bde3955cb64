import type { SiteAnswerReport } from '../../auth/site.js';
import type { Clock } from '../../platform/time/clock.js';
import type { UserUpdate } from './updates.js';

/** Calls whose time is remembered for each site. */
const CALLS_MAX = 100;
/** Updates about users that are remembered for each site. */
export const UPDATES_MAX = 20;

/** An update about a user. */
interface ShownUpdate {
  /** Clocks of nodes differ, so no time is sent. */
  readonly ageMs: number;
  readonly userId: string;
  readonly kind: 'connected' | 'disconnected';
}

/** What this node has seen of a website since it started. */
export interface SiteActivity {
  readonly ok: number;
  readonly failed: number;
  /** The last call; absent: there was none. */
  readonly last?: { readonly ageMs: number; readonly status: number | null };
  /** Times of the last calls in milliseconds. */
  readonly callsMs: readonly number[];
  /** Newest first. */
  readonly updates: readonly ShownUpdate[];
}

interface Seen {
  readonly ok: number;
  readonly failed: number;
  readonly last?: { readonly atMs: number; readonly status: number | null };
  readonly callsMs: readonly number[];
  readonly updates: readonly (Omit<ShownUpdate, 'ageMs'> & { readonly atMs: number })[];
}

const NOTHING: Seen = { ok: 0, failed: 0, callsMs: [], updates: [] };

/** Remembers the last calls to each website, and the last updates for it. Sites are those of the settings. */
export class SiteActivities {
  readonly #bySite = new Map<string, Seen>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call of `authUrl` has ended. */
  called({ site, status, isOk, durationMs }: SiteAnswerReport): void {
    const before = this.#seenOf(site);
    this.#bySite.set(site, {
      ...before,
      ok: before.ok + (isOk ? 1 : 0),
      failed: before.failed + (isOk ? 0 : 1),
      last: { atMs: this.#clock.now(), status: status ?? null },
      callsMs: [...before.callsMs.slice(1 - CALLS_MAX), durationMs],
    });
  }

  /** A user has connected or disconnected, and the website is to be notified. */
  updated(site: string, { userId, field }: Pick<UserUpdate, 'userId' | 'field'>): void {
    const before = this.#seenOf(site);
    const kind = field === 'last_connected' ? 'connected' : 'disconnected';
    const updates = [{ atMs: this.#clock.now(), userId, kind } as const, ...before.updates.slice(0, UPDATES_MAX - 1)];
    this.#bySite.set(site, { ...before, updates });
  }

  of(site: string): SiteActivity {
    const { last, updates, ...counts } = this.#seenOf(site);
    const now = this.#clock.now();
    return {
      ...counts,
      ...(last !== undefined && { last: { ageMs: now - last.atMs, status: last.status } }),
      updates: updates.map(({ atMs, ...update }) => ({ ...update, ageMs: now - atMs })),
    };
  }

  #seenOf(site: string): Seen {
    return this.#bySite.get(site) ?? NOTHING;
  }
}

import type { SiteAnswerReport } from '../../auth/site.js';
import type { Clock } from '../../platform/clock.js';
import type { UserUpdate } from './updates.js';

/** Calls whose time is remembered for each site. */
const CALLS_MAX = 100;
/** Updates about users that are remembered for each site. */
const UPDATES_MAX = 20;

/** An update about a user, as people see it. */
interface ShownUpdate {
  /** ISO 8601. */
  readonly at: string;
  readonly userId: string;
  readonly kind: 'connected' | 'disconnected';
}

/** What this node has seen of a website since it started. */
export interface SiteActivity {
  readonly ok: number;
  readonly failed: number;
  /** The last call; absent: there was none. */
  readonly last?: { readonly at: string; readonly status: number | null };
  /** Times of the last calls in milliseconds. */
  readonly callsMs: readonly number[];
  /** Oldest first. */
  readonly updates: readonly ShownUpdate[];
}

const NONE: SiteActivity = { ok: 0, failed: 0, callsMs: [], updates: [] };

/** Remembers the last calls to each website, and the last updates for it. Sites are those of the settings. */
export class SiteActivities {
  readonly #bySite = new Map<string, SiteActivity>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call of `authUrl` has ended. */
  called({ site, status, isOk, durationMs }: SiteAnswerReport): void {
    const before = this.of(site);
    this.#bySite.set(site, {
      ...before,
      ok: before.ok + (isOk ? 1 : 0),
      failed: before.failed + (isOk ? 0 : 1),
      last: { at: new Date(this.#clock.now()).toISOString(), status: status ?? null },
      callsMs: [...before.callsMs.slice(1 - CALLS_MAX), durationMs],
    });
  }

  /** A user has connected or disconnected, and the website is to be told. */
  updated(site: string, { userId, field, at }: Pick<UserUpdate, 'userId' | 'field' | 'at'>): void {
    const before = this.of(site);
    const kind = field === 'last_connected' ? 'connected' : 'disconnected';
    const update: ShownUpdate = { at: new Date(at).toISOString(), userId, kind };
    this.#bySite.set(site, { ...before, updates: [...before.updates.slice(1 - UPDATES_MAX), update] });
  }

  of(site: string): SiteActivity {
    return this.#bySite.get(site) ?? NONE;
  }
}

/** The newest updates of all nodes, newest first. */
export const newestUpdates = (activities: readonly SiteActivity[]): ShownUpdate[] =>
  activities
    .flatMap(({ updates }) => updates)
    .sort((one, other) => Date.parse(other.at) - Date.parse(one.at))
    .slice(0, UPDATES_MAX);

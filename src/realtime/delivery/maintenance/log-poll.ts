import type { Clock } from '../../../platform/time/clock.js';
import { CLOCK_SKEW_MS } from '../devices/devices.js';
import type { EntryPlace } from '../outbox/notifications.js';
import { type Log, STORING_MAX_MS } from '../storage/log.js';

/** An entry becomes visible at most this long after its `createdAt`, by the clock of any node. */
const LATE_MS = STORING_MAX_MS + CLOCK_SKEW_MS;
/** Most become visible within this time. */
const PROMPT_MS = 1000;
/** Entries are counted for each of these periods. */
const PERIOD_MS = 1000;

/** Where an entry is in the log of its recipient. */
export type PolledPlace = Pick<EntryPlace, 'position' | 'createdAt'>;

interface Dependencies {
  readonly log: Pick<Log, 'readSince' | 'countCreated'>;
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * Finds the entries that were stored since the last poll, by any node. An entry may become visible much later than its
 * `createdAt`, so a poll looks that far back; but what it has read already it only counts, because no entry is deleted so
 * early. Reading everything again would be several reads for each entry.
 */
export class LogPoll {
  readonly #log: Dependencies['log'];
  readonly #clock: Dependencies['clock'];
  /** By start of the period: how many entries were read. */
  #counts: ReadonlyMap<number, number> = new Map();
  /** Unix time in milliseconds. */
  #polledAt: number;

  constructor({ log, clock }: Dependencies) {
    this.#log = log;
    this.#clock = clock;
    this.#polledAt = clock.now();
  }

  /** Everything that was visible at a Unix time, a moment ago, was found by the poll of another node. */
  skipTo(time: number): void {
    this.#polledAt = Math.max(this.#polledAt, time);
    this.#counts = new Map();
  }

  /** @returns the place of the highest new entry of each recipient, and perhaps some that are not new */
  async run(): Promise<ReadonlyMap<string, PolledPlace>> {
    const now = this.#clock.now();
    const [first, prompt] = [periodOf(this.#polledAt - LATE_MS), periodOf(this.#polledAt - PROMPT_MS)];
    const known = [...this.#counts].filter(([start]) => start >= first && start < prompt);
    const count = known.reduce((sum, [, entries]) => sum + entries, 0);
    // Without entries a read costs no more than a count.
    const isKnown = count > 0 && (await this.#log.countCreated(first, prompt)) === count;
    const counts = new Map(isKnown ? known : []);
    const lasts = new Map<string, PolledPlace>();
    for (const { recipient, position, createdAt } of await this.#log.readSince(isKnown ? prompt : first)) {
      if (position > (lasts.get(recipient)?.position ?? 0)) lasts.set(recipient, { position, createdAt });
      const start = periodOf(createdAt);
      counts.set(start, (counts.get(start) ?? 0) + 1);
    }
    this.#counts = counts;
    this.#polledAt = now;
    return lasts;
  }
}

/** The start of a period. */
const periodOf = (time: number): number => Math.floor(time / PERIOD_MS) * PERIOD_MS;

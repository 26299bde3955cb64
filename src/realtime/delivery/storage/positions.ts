import type { Clock } from '../../../platform/time/clock.js';

/** Recipients that a node remembers. Beyond that the least recently used one is forgotten. */
const RECIPIENTS_MAX = 20_000;
/**
 * How long a known last position is used without reading it again. Entries are purged no earlier than `PURGE_MIN_AGE_MS`
 * after they were stored, so within this time the entry at the next position, if there is one, still makes an insert fail.
 */
const TRUSTED_MS = 120_000;
/** A client that connects at least this long after a response was written counts as later than the response. */
const ANSWERED_MS = 50;

/** Positions from one to another, both included. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

interface Known {
  last: number;
  /** Unix time in milliseconds at which nothing was stored above `last`. */
  provedAt: number;
  /** The callers of all of these had their response by `answeredAt`, a time of this process. */
  answered: PositionRange | undefined;
  answeredAt: number;
}

/**
 * What this node knows of the last positions of the logs. It is a guess: the unique index of the log decides when a message
 * is stored.
 */
export class Positions {
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An entry exists at `position`, and nothing was stored above it at the Unix time `provedAt`. */
  learn(recipient: string, position: number, provedAt: number): void {
    const known = this.#touch(recipient);
    if (position < known.last) return;
    known.last = position;
    known.provedAt = Math.max(known.provedAt, Math.min(provedAt, this.#clock.now()));
  }

  /** The last position, to store the next message after; `undefined`: it has to be read. */
  trusted(recipient: string): number | undefined {
    const known = this.#known.get(recipient);
    const ageMs = this.#clock.now() - (known?.provedAt ?? 0);
    // It is below 0 when the date of the machine was set back: the age is not known.
    return ageMs < 0 || ageMs > TRUSTED_MS ? undefined : known?.last;
  }

  /** The highest position that is known to be stored. */
  stored(recipient: string): number {
    return this.#known.get(recipient)?.last ?? 0;
  }

  /** What is known of the last position may be wrong. */
  forget(recipient: string): void {
    const known = this.#known.get(recipient);
    if (known !== undefined) Object.assign(known, { last: 0, provedAt: 0 });
  }

  /** The response to the caller of a message was written. */
  markAnswered(recipient: string, position: number): void {
    const known = this.#touch(recipient);
    known.answered = extended(known.answered, position);
    known.answeredAt = performance.now();
  }

  /**
   * Positions whose callers are known to have had their responses before now; `undefined`: none. Other nodes respond without
   * announcing it, in any order, so a position that this node did not store itself is in no such range.
   */
  answered(recipient: string): PositionRange | undefined {
    const known = this.#known.get(recipient);
    return known === undefined || performance.now() - known.answeredAt < ANSWERED_MS ? undefined : known.answered;
  }

  #touch(recipient: string): Known {
    const known = this.#known.get(recipient) ?? { last: 0, provedAt: 0, answered: undefined, answeredAt: 0 };
    this.#known.delete(recipient);
    this.#known.set(recipient, known);
    if (this.#known.size > RECIPIENTS_MAX) this.#known.delete(this.#known.keys().next().value as string);
    return known;
  }
}

/** A range with a position that adjoins it; otherwise the higher one of the two. */
function extended(range: PositionRange | undefined, position: number): PositionRange {
  if (range === undefined || position > range.to + 1) return { from: position, to: position };
  if (position < range.from - 1) return range;
  return { from: Math.min(range.from, position), to: Math.max(range.to, position) };
}

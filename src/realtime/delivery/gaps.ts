/** How long a number may turn up late; what is later still is found at the next connect. */
const GAP_TTL_MS = 15_000;
/** Gaps that are remembered; beyond that the oldest are given up. */
const GAPS_MAX = 256;

/** Numbers that were passed over in one piece: nothing was stored under them, or not yet. */
interface Gap {
  /** The numbers above this one … */
  readonly after: number;
  /** … up to this one. */
  upTo: number;
  givenUpAt: number;
  /** Those that have turned up. */
  readonly found: Set<number>;
}

const hasFoundAll = ({ after, upTo, found }: Gap): boolean => found.size === upTo - after;

/** The numbers that an outbox has passed over and that may yet turn up, whatever their count: a gap costs the same. */
export class Gaps {
  /** Oldest first. */
  #gaps: Gap[] = [];

  get isEmpty(): boolean {
    return this.#gaps.length === 0;
  }

  /** Below the least number that may turn up. */
  get after(): number {
    return Math.min(...this.#gaps.map(({ after }) => after));
  }

  /** The greatest number that may turn up. */
  get upTo(): number {
    return Math.max(...this.#gaps.map(({ upTo }) => upTo));
  }

  /** Numbers are passed over. None of them is in a gap already. */
  add({ after, upTo }: { after: number; upTo: number }, now: number): void {
    if (upTo <= after) return;
    const last = this.#gaps.at(-1);
    const givenUpAt = now + GAP_TTL_MS;
    if (last?.upTo === after) {
      last.upTo = upTo;
      last.givenUpAt = givenUpAt;
      return;
    }
    this.#gaps.push({ after, upTo, givenUpAt, found: new Set() });
    if (this.#gaps.length > GAPS_MAX) this.#gaps.shift();
  }

  /** Whether a number lies in a gap, whether it has turned up or not. */
  covers(number: number): boolean {
    return this.#gapOf(number) !== undefined;
  }

  /** A number turns up. @returns whether it was missing until now */
  take(number: number): boolean {
    const gap = this.#gapOf(number);
    if (gap === undefined || gap.found.has(number)) return false;
    gap.found.add(number);
    if (hasFoundAll(gap)) this.#gaps = this.#gaps.filter((other) => other !== gap);
    return true;
  }

  /** Gives up what has been missing for too long. */
  expire(now: number): void {
    this.#gaps = this.#gaps.filter(({ givenUpAt }) => givenUpAt > now);
  }

  #gapOf(number: number): Gap | undefined {
    return this.#gaps.findLast(({ after, upTo }) => number > after && number <= upTo);
  }
}

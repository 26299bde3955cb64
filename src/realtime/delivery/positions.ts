import type { Clock } from '../../platform/clock.js';

/** Recipients that a node remembers; the one that was used least recently goes first. */
const RECIPIENTS_MAX = 20_000;
/**
 * For how long a position counts as the last. Entries are purged no earlier than a few minutes after they were stored, so
 * within this time whoever took the next position left an entry that makes a second insert fail.
 */
const TRUSTED_MS = 120_000;
/** A client that connects at least this long after an answer was written counts as later than the answer. */
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
  /** The callers of all of these had their answer at the time `answeredAt` of this process. */
  answered: PositionRange | undefined;
  answeredAt: number;
}

/**
 * The last position of each recipient's log, as far as this node knows. It is never taken for the truth: the unique index
 * of the log proves it when a message is stored.
 */
export type Positions = ReturnType<typeof createPositions>;

export function createPositions(clock: Clock) {
  const known = new Map<string, Known>();

  const touch = (recipient: string): Known => {
    const found = known.get(recipient) ?? { last: 0, provedAt: 0, answered: undefined, answeredAt: 0 };
    known.delete(recipient);
    known.set(recipient, found);
    if (known.size > RECIPIENTS_MAX) known.delete(known.keys().next().value as string);
    return found;
  };

  return {
    /** An entry exists at `position`; nothing was stored above it at the time `provedAt`. */
    learn(recipient: string, position: number, provedAt: number): void {
      const own = touch(recipient);
      if (position < own.last) return;
      own.last = position;
      own.provedAt = Math.max(own.provedAt, Math.min(provedAt, clock.now()));
    },

    /** The last position, to store the next one after; `undefined`: it has to be read. */
    trusted(recipient: string): number | undefined {
      const own = known.get(recipient);
      return own === undefined || clock.now() - own.provedAt > TRUSTED_MS ? undefined : own.last;
    },

    /** The highest position that is known to be stored. */
    stored: (recipient: string): number => known.get(recipient)?.last ?? 0,

    /** The caller of a message has its answer. */
    answer(recipient: string, position: number): void {
      const own = touch(recipient);
      own.answered = extended(own.answered, position);
      own.answeredAt = performance.now();
    },

    /**
     * Positions whose callers are known to have had their answers before now; `undefined`: none. Other nodes answer without
     * saying so, in any order, so a position that this node did not store itself is in no such range.
     */
    answered(recipient: string): PositionRange | undefined {
      const own = known.get(recipient);
      return own === undefined || performance.now() - own.answeredAt < ANSWERED_MS ? undefined : own.answered;
    },

    /** What is known of the last position may be wrong. */
    forget(recipient: string): void {
      const own = known.get(recipient);
      if (own !== undefined) Object.assign(own, { last: 0, provedAt: 0 });
    },
  };
}

/** A range with a position that it touches; of others only the higher is kept. */
function extended(range: PositionRange | undefined, position: number): PositionRange {
  if (range === undefined || position > range.to + 1) return { from: position, to: position };
  if (position < range.from - 1) return range;
  return { from: Math.min(range.from, position), to: Math.max(range.to, position) };
}

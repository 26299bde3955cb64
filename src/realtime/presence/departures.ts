import type { Clock } from '../../platform/clock.js';

/** Users remembered as having left. Beyond that the oldest are dropped. */
const DEPARTURES_MAX = 50_000;

/** A user whose last socket on this node left. */
export interface Departure {
  userId: string;
  accountId: string;
}

/**
 * The users who left this node a moment ago, or while Redis could not be told: what Redis must hear again when it has lost
 * its data, or nobody would ever report them as offline.
 */
export class Departures {
  readonly #users = new Map<string, { accountId: string; until: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param until Unix time in milliseconds at which the user is forgotten; `Infinity` while Redis has not been told */
  add({ userId, accountId }: Departure, until: number): void {
    // Deleted first, so that the order is that of leaving.
    this.#users.delete(userId);
    this.#users.set(userId, { accountId, until });
    if (this.#users.size <= DEPARTURES_MAX) return;
    for (const oldest of this.#users.keys()) {
      this.#users.delete(oldest);
      break;
    }
  }

  /** `''` for a user who is not remembered. */
  accountOf(userId: string): string {
    return this.#users.get(userId)?.accountId ?? '';
  }

  delete(userId: string): void {
    this.#users.delete(userId);
  }

  /** Redis has been told of everyone: those it had not been told of, and those whose time is over, are forgotten. */
  settle(): void {
    for (const [userId, { until }] of this.#users) {
      if (until === Number.POSITIVE_INFINITY || until <= this.#clock.now()) this.#users.delete(userId);
    }
  }

  list(): Departure[] {
    return [...this.#users].map(([userId, { accountId }]) => ({ userId, accountId }));
  }
}

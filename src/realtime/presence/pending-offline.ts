import type { Clock } from '../../platform/time/clock.js';

/** Maximum number of users; the oldest are dropped. */
const USERS_MAX = 50_000;

/** A user of whom a socket has left. */
export interface OfflineUser {
  userId: string;
  accountId: string;
}

/**
 * Users with a socket on this node that left recently, or left while Redis was away. When Redis has lost its data they must be
 * registered again, or no node reports them as offline. Those who have another socket stay online.
 */
export class PendingOffline {
  readonly #users = new Map<string, { accountId: string; until: number; wasReported: boolean }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param until time of the clock at which the user is forgotten; `Infinity` until Redis knows
   * @param wasReported `false`: it was never reported that the user came online with this socket
   */
  add({ userId, accountId }: OfflineUser, { until, wasReported }: { until: number; wasReported: boolean }): void {
    const known = this.#users.get(userId);
    // Deleted first, so that the map is in order of leaving.
    this.#users.delete(userId);
    this.#users.set(userId, { accountId, until, wasReported: wasReported || known?.wasReported === true });
    const [oldest] = this.#users.keys();
    if (this.#users.size > USERS_MAX && oldest !== undefined) this.#users.delete(oldest);
  }

  /** `''` for an unknown user. */
  accountOf(userId: string): string {
    return this.#users.get(userId)?.accountId ?? '';
  }

  delete(userId: string): void {
    this.#users.delete(userId);
  }

  /**
   * Redis knows all users. Those who waited for that are kept like others who have just left, because Redis may lose its data
   * again. Users whose time is over are forgotten.
   * @param beginsAnew for all users: all were registered again, or no users are reported for now, as after an outage
   */
  settle(keepMs: number, beginsAnew: boolean): void {
    const now = this.#clock.now();
    for (const [userId, user] of this.#users) {
      if (beginsAnew || user.until === Number.POSITIVE_INFINITY) user.until = now + keepMs;
      else if (user.until <= now) this.#users.delete(userId);
    }
  }

  /** The users who were reported online. */
  list(): OfflineUser[] {
    return [...this.#users].flatMap(([userId, { accountId, wasReported }]) =>
      wasReported ? { userId, accountId } : [],
    );
  }
}

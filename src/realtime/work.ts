import type { NamedLimit } from '#shared/contracts/contract.js';
import { type Amounts, pointsOf } from '#shared/contracts/costs.js';
import type { Principal } from '../auth/principal.js';
import type { Limit, RateLimiter } from './rate-limit.js';

/** The limit that counts all events and calls, and their work. */
const NAME = 'events';

/** An event or a call before its arguments are read. */
interface Begun {
  /** Its own limit. */
  readonly limit?: NamedLimit | undefined;
  /** Characters of its arguments, when they are many. */
  readonly characters?: number | undefined;
}

/** Limits the work that callers cause, over sockets, REST and nodes together. */
export interface Work {
  /**
   * Counts one event or call: as one point, and more for many characters, and for many sockets of the caller on this node, which
   * get most of what the caller changes.
   * @throws GatewayError `RATE_LIMITED`
   */
  begin(payer: string, begun: Begun): Promise<void>;
  /**
   * Pays for work before it is done. Work of less than a point is free, and needs no request to Redis. Callers without an
   * identity have no such work.
   * @throws GatewayError `RATE_LIMITED`: then it must not be done
   */
  pay(principal: Principal, amounts: Amounts): Promise<void>;
  /** Takes back what was paid for more work than was done. Never rejects. */
  settle(principal: Principal, amounts: { paid: Amounts; done: Amounts }): Promise<void>;
}

interface Dependencies {
  readonly limiter: RateLimiter;
  /** Points of one payer in each window. */
  readonly limit: Limit;
  /** The sockets of this node in a room. Users and visitors pay by the name of their room. */
  readonly countSockets: (room: string) => number;
}

/** Events, calls and their work count against one limit; those with a limit of their own count against that too. */
export const createWork = ({ limiter, limit, countSockets }: Dependencies): Work => ({
  async begin(payer, { limit: own, characters = 0 }) {
    const points = 1 + pointsOf({ receivers: countSockets(payer), text: characters });
    await limiter.consume({ name: NAME, key: payer, limit }, points);
    if (own === undefined || own.sparesRetries === true) return;
    await limiter.consume({ name: own.name, key: payer, limit: own });
  },
  async pay(principal, amounts) {
    const points = pointsOf(amounts);
    const key = payerOf(principal);
    if (points > 0 && key !== undefined) await limiter.consume({ name: NAME, key, limit }, points);
  },
  async settle(principal, { paid, done }) {
    const points = pointsOf(paid) - pointsOf(done);
    const key = payerOf(principal);
    if (points > 0 && key !== undefined) await limiter.refund({ name: NAME, key, limit }, points);
  },
});

/** For work in a transaction, which may be repeated: pays at the first call of the result only. */
export function payOnce<T = number>(pay: (work: T) => Promise<void>): (work: T) => Promise<void> {
  let paid: Promise<void> | undefined;
  return (work) => {
    paid ??= pay(work);
    return paid;
  };
}

/** The user or visitor who pays, over all sockets and nodes; `undefined` for a caller known by its address only. */
export function payerOf(principal: Principal): string | undefined {
  if (principal.kind === 'user') return `user:${principal.userId}`;
  if (principal.kind === 'visitor') return `visitor:${principal.visitorId}`;
  return principal.kind === 'site' && principal.userId !== undefined
    ? `site:${principal.site}:${principal.userId}`
    : undefined;
}

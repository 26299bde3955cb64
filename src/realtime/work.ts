import type { NamedLimit } from '#shared/contracts/contract.js';
import { type Amounts, pointsOf } from '#shared/contracts/costs.js';
import type { Principal } from '../auth/principal.js';
import type { Limit, RateLimiter } from './rate-limit.js';

/** The limit that counts all events and calls, and their work. */
const NAME = 'events';

/** Limits the work that callers cause, over sockets, REST and nodes together. */
export interface Work {
  /** Counts one event or call. @param own its own limit @throws GatewayError `RATE_LIMITED` */
  begin(payer: string, own?: NamedLimit): Promise<void>;
  /**
   * Pays for work before it is done. Work of less than a point is free, and needs no request to Redis. Callers without an
   * identity have no such work.
   * @throws GatewayError `RATE_LIMITED`: then it must not be done
   */
  pay(principal: Principal, amounts: Amounts): Promise<void>;
  /** Takes back what was paid for more work than was done. Never rejects. */
  settle(principal: Principal, amounts: { paid: Amounts; done: Amounts }): Promise<void>;
}

/** @param limit points of one payer in each window */
export const createWork = (limiter: RateLimiter, limit: Limit): Work => ({
  async begin(payer, own) {
    await limiter.consume({ name: NAME, key: payer, limit });
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
export function payOnce(pay: (count: number) => Promise<void>): (count: number) => Promise<void> {
  let paid: Promise<void> | undefined;
  return (count) => {
    paid ??= pay(count);
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

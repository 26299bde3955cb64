import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { payerOf } from '../../../realtime/work.js';

/** Limit of presence snapshots of one user, on all namespaces. Each reads many users. */
const LIMIT = { points: 100, windowMs: 10_000 };

/** The price of presence snapshots. A CONNECT causes one, and the event limit does not count CONNECTs. */
export interface Snapshots {
  /** Counts a snapshot before anything is read for it. @throws GatewayError `RATE_LIMITED` */
  begin(principal: Principal): Promise<void>;
  /** Pays for the users in it. @throws GatewayError `RATE_LIMITED` */
  pay(principal: Principal, users: number): Promise<void>;
}

export const createSnapshots = ({ limiter, work }: Pick<Context, 'limiter' | 'work'>): Snapshots => ({
  async begin(principal) {
    const key = payerOf(principal);
    if (key !== undefined) await limiter.consume('presence:snapshot', key, LIMIT);
  },
  pay: (principal, users) => work.pay(principal, { examined: users }),
});

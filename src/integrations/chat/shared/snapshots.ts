import { snapshotLimit } from '#shared/contracts/chats.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { payerOf } from '../../../realtime/work.js';

/** The price of presence snapshots. A CONNECT causes one, and the event limit does not count CONNECTs. */
export interface Snapshots {
  /** Counts a snapshot before anything is read for it. @throws GatewayError `RATE_LIMITED` */
  begin(principal: Principal): Promise<void>;
  /** Pays for the users in it. @throws GatewayError `RATE_LIMITED` */
  pay(principal: Principal, users: number): Promise<void>;
  /** Resolves when all that have begun are counted. Never rejects. */
  counted(): Promise<unknown>;
}

/** Callers without an identity are not counted. */
export function createSnapshots({ limiter, work }: Pick<Context, 'limiter' | 'work'>): Snapshots {
  const counting = new Set<Promise<void>>();
  return {
    async begin(principal) {
      const key = payerOf(principal);
      if (key === undefined) return;
      const count = limiter.consume({ name: snapshotLimit.name, key, limit: snapshotLimit });
      counting.add(count);
      await count.finally(() => counting.delete(count));
    },
    pay: (principal, users) => work.pay(principal, { examined: users }),
    counted: () => Promise.allSettled(counting),
  };
}

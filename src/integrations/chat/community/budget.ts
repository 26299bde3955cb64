import type { Principal } from '../../../auth/principal.js';
import { GatewayError } from '../../../errors.js';
import type { Limit, RateLimiter } from '../../../realtime/rate-limit.js';
import type { Work } from '../../../realtime/work.js';

/** What many have to be told of, or looked at for, and how often one user may ask for it. */
const limits = {
  /** Messages; what the original allows. */
  send: { points: 30, windowMs: 10_000 },
  /** Changes of what was said. */
  change: { points: 30, windowMs: 10_000 },
  /** Pages of chats and messages. */
  page: { points: 100, windowMs: 10_000 },
  /** Chats with other people. */
  direct: { points: 30, windowMs: 60_000 },
  /** Sent to all contacts. */
  status: { points: 20, windowMs: 60_000 },
  /** Members of a group, of whom there may be very many. */
  members: { points: 10, windowMs: 10_000 },
} as const satisfies Record<string, Limit>;

/** What one user may still do, over sockets, REST and nodes together. */
export interface Budget extends Pick<Work, 'pay' | 'settle'> {
  /** @throws GatewayError `RATE_LIMITED`, or `NOT_FOUND` for a visitor, who has nothing in the community */
  spend(name: keyof typeof limits, principal: Principal): Promise<void>;
  /** Takes back one use that did nothing. */
  refund(name: keyof typeof limits, principal: Principal): Promise<void>;
}

export const createBudget = ({ limiter, work }: { limiter: RateLimiter; work: Work }): Budget => ({
  async spend(name, principal) {
    await limiter.consume(`community:${name}`, ownerOf(principal), limits[name]);
  },
  async refund(name, principal) {
    await limiter.refund(`community:${name}`, ownerOf(principal), limits[name]);
  },
  pay: work.pay,
  settle: work.settle,
});

function ownerOf(principal: Principal): string {
  if (principal.kind !== 'user') throw new GatewayError('NOT_FOUND');
  return `user:${principal.userId}`;
}

import type { Principal } from '../../../auth/principal.js';
import { GatewayError } from '../../../errors.js';
import type { Limit, RateLimiter } from '../../../realtime/rate-limit.js';
import type { Work } from '../../../realtime/work.js';

/** Limits of events that are sent to many users or read many documents. */
const limits = {
  /** Messages, as in the original system. */
  send: { points: 30, windowMs: 10_000 },
  /** Changes of messages. */
  change: { points: 30, windowMs: 10_000 },
  /** Pages of chats and messages. */
  page: { points: 100, windowMs: 10_000 },
  /** Direct chats. */
  direct: { points: 30, windowMs: 60_000 },
  /** Sent to all contacts. */
  status: { points: 20, windowMs: 60_000 },
  /** Lists of group members, which can be long. */
  members: { points: 10, windowMs: 10_000 },
} as const satisfies Record<string, Limit>;

/** The limits of a user, over sockets, REST and nodes together. */
export interface RateLimits extends Pick<Work, 'pay' | 'settle'> {
  /** @throws GatewayError `RATE_LIMITED`; `NOT_FOUND` for a visitor */
  consume(name: keyof typeof limits, principal: Principal): Promise<void>;
  /** Refunds one use that had no effect. */
  refund(name: keyof typeof limits, principal: Principal): Promise<void>;
}

export const createRateLimits = ({ limiter, work }: { limiter: RateLimiter; work: Work }): RateLimits => ({
  async consume(name, principal) {
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

import { community } from '#shared/contracts/community.js';
import type { Principal } from '../../../auth/principal.js';
import { GatewayError } from '../../../errors.js';
import type { RateLimiter } from '../../../realtime/rate-limit.js';
import type { Work } from '../../../realtime/work.js';

const { limit } = community.clientEvents['chat:send_message'];

/** The limits of a user that services apply, over sockets, REST and nodes together. */
export interface RateLimits extends Pick<Work, 'pay' | 'settle'> {
  /** Counts a message. @throws GatewayError `RATE_LIMITED`; `NOT_FOUND` for a visitor */
  consumeMessage(principal: Principal): Promise<void>;
  /** Refunds a message that was a retry. */
  refundMessage(principal: Principal): Promise<void>;
}

/** Messages have the limit of `chat:send_message`, also those sent by REST. */
export const createRateLimits = ({ limiter, work }: { limiter: RateLimiter; work: Work }): RateLimits => ({
  async consumeMessage(principal) {
    await limiter.consume(useOf(principal));
  },
  async refundMessage(principal) {
    await limiter.refund(useOf(principal));
  },
  pay: work.pay,
  settle: work.settle,
});

function useOf(principal: Principal) {
  if (principal.kind !== 'user') throw new GatewayError('NOT_FOUND');
  return { name: limit.name, key: `user:${principal.userId}`, limit };
}

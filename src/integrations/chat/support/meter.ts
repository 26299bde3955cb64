import { GatewayError } from '../../../errors.js';
import type { Limit, RateLimiter } from '../../../realtime/rate-limit.js';
import { ChatError } from '../shared/index.js';
import { type Identity, ownRoomOf } from './people.js';

/** Rate limits of one person, over all tabs and nodes. */
export interface Meter {
  /** @throws ChatError `RATE_LIMITED` */
  consume(identity: Identity): Promise<void>;
  /** Refunds one use that had no effect. */
  refund(identity: Identity): Promise<void>;
}

/** @param name of the limit, the same on every node */
export const createMeter = (limiter: RateLimiter, name: string, limit: Limit): Meter => ({
  async consume(identity) {
    try {
      await limiter.consume({ name, key: ownRoomOf(identity), limit });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'RATE_LIMITED') throw error;
      const info = { limit: limit.points, windowMs: limit.windowMs, ...error.info };
      throw new ChatError('RATE_LIMITED', 'Rate limit exceeded', info);
    }
  },
  refund: (identity) => limiter.refund({ name, key: ownRoomOf(identity), limit }),
});

import { GatewayError } from '../errors.js';
import { readDate } from '../models/index.js';
import type { Clock } from '../platform/clock.js';
import { createConcurrencyLimiter } from '../platform/concurrency-limiter.js';
import { createRecent } from '../platform/recent.js';

const MAX_SESSION_ID_LENGTH = 128;

/** The sessions of the platform's API, by whose id a client may name its access token. */
export interface ApiSessions {
  /**
   * @returns the session's access token; `undefined` for an unknown or expired session
   * @throws GatewayError `UNAVAILABLE` when the database does not answer
   */
  findToken(sessionId: string): Promise<string | undefined>;
}

/** What is read of the Mongoose model `ApiSession` (collection `_api.sessions`, `_id` is the session's id). */
export interface ApiSessionModel {
  findById(id: string, projection: string): { lean(): PromiseLike<ApiSessionFields | null> };
}

/** Other services write the collection and nothing casts what is read. */
interface ApiSessionFields {
  access_token?: unknown;
  expires_at?: unknown;
}

/** A time that cannot be read is over. */
const isExpired = ({ expires_at }: ApiSessionFields, now: number): boolean =>
  expires_at != null && !((readDate(expires_at)?.getTime() ?? 0) > now);

/** Looks into the database at a time on one node, how many may wait for theirs, and for how long. */
const LOOKS_MAX = 32;
const WAITING_MAX = 1000;
const WAIT_MS = 5000;
/** How long an id that names no session is remembered, and how many of them. */
const UNKNOWN_TTL_MS = 1000;
const UNKNOWN_MAX = 10_000;

export function createApiSessions({ model, clock }: { model: ApiSessionModel; clock: Clock }): ApiSessions {
  const limiter = createConcurrencyLimiter({
    ...{ clock, width: LOOKS_MAX, waitingMax: WAITING_MAX, waitMs: WAIT_MS },
    refusal: () => new GatewayError('UNAVAILABLE', { retryAfterMs: 1000 }),
  });
  const unknown = createRecent({ clock, ttlMs: UNKNOWN_TTL_MS, max: UNKNOWN_MAX });

  return {
    async findToken(sessionId) {
      // The type alone does not keep a query object out: the id comes from a client.
      if (typeof sessionId !== 'string' || sessionId === '' || sessionId.length > MAX_SESSION_ID_LENGTH)
        return undefined;
      if (unknown.has(sessionId)) return undefined;
      const session = await limiter.run(() => read(model, sessionId));
      if (session === null) unknown.add(sessionId);
      if (session === null || isExpired(session, clock.now())) return undefined;
      return typeof session.access_token === 'string' ? session.access_token : undefined;
    },
  };
}

async function read(model: ApiSessionModel, sessionId: string): Promise<ApiSessionFields | null> {
  try {
    return await model.findById(sessionId, 'access_token expires_at').lean();
  } catch (cause) {
    throw new GatewayError('UNAVAILABLE', {}, { cause });
  }
}

import { GatewayError } from '../errors.js';
import { readDate } from '../models/index.js';
import { createConcurrencyLimiter } from '../platform/concurrency/concurrency-limiter.js';
import type { Clock } from '../platform/time/clock.js';
import { createRecent } from '../platform/time/recent.js';

const MAX_SESSION_ID_LENGTH = 128;

/** Sessions of the platform's API. A client may send a session id instead of its access token. */
export interface ApiSessions {
  /**
   * @param caller takes turns with others while many look
   * @returns the session's access token; `undefined` for an unknown or expired session
   * @throws GatewayError `UNAVAILABLE` when the database does not answer
   */
  findToken(sessionId: string, caller?: string): Promise<string | undefined>;
}

/** The part of the Mongoose model `ApiSession` that is used (collection `_api.sessions`; `_id` is the session id). */
export interface ApiSessionModel {
  findById(id: string, projection: string): { lean(): PromiseLike<ApiSessionFields | null> };
}

/** Unchecked: other services write the collection, and lean queries do not cast. */
interface ApiSessionFields {
  access_token?: unknown;
  expires_at?: unknown;
}

/** An unreadable time counts as expired. */
const isExpired = ({ expires_at }: ApiSessionFields, now: number): boolean =>
  expires_at != null && !((readDate(expires_at)?.getTime() ?? 0) > now);

/** Limits of concurrent lookups on one node, of waiting lookups, and of their waiting time. */
const LOOKS_MAX = 32;
const WAITING_MAX = 1000;
const WAIT_MS = 5000;
/** How long unknown ids are cached, and how many. */
const UNKNOWN_TTL_MS = 1000;
const UNKNOWN_MAX = 10_000;

/** To be created once for a node: the bound of lookups and the memory of unknown ids are shared by all callers. */
export function createApiSessions({ model, clock }: { model: ApiSessionModel; clock: Clock }): ApiSessions {
  const limiter = createConcurrencyLimiter({
    clock,
    width: LOOKS_MAX,
    waitingMax: WAITING_MAX,
    waitMs: WAIT_MS,
    refusal: () => new GatewayError('UNAVAILABLE', { retryAfterMs: 1000 }),
  });
  const unknown = createRecent({ clock, ttlMs: UNKNOWN_TTL_MS, max: UNKNOWN_MAX });

  return {
    async findToken(sessionId, caller) {
      // Rejects query objects: the id comes from a client, so its type is not guaranteed.
      if (typeof sessionId !== 'string' || sessionId === '' || sessionId.length > MAX_SESSION_ID_LENGTH)
        return undefined;
      if (unknown.has(sessionId)) return undefined;
      const session = await limiter.run(() => read(model, sessionId), caller);
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

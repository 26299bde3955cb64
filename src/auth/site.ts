import { siteCredential, siteRooms } from '#shared/contracts/push-sites.js';
import type { Site } from '../config/sites.js';
import { type ErrorCode, GatewayError } from '../errors.js';
import { type ConcurrencyLimiter, createConcurrencyLimiter } from '../platform/concurrency/concurrency-limiter.js';
import { type SiteAnswer, SiteFault, type SitesClient } from '../platform/sites-client.js';
import type { Clock } from '../platform/time/clock.js';
import { safeParse } from '../validation.js';
import type { SitePrincipal } from './principal.js';
import type { Handshake } from './token-sources.js';

/** Limits of concurrent calls to one website, of waiting calls, and of their waiting time. */
const CALLS_MAX = 32;
const WAITING_MAX = 10_000;
const WAIT_MS = 5000;
/** How long a response is reused for the same token, such as for several tabs or a reload. */
const ANSWER_TTL_MS = 1000;
const ANSWERS_MAX = 10_000;

/** A call of a website that has ended. */
export interface SiteAnswerReport {
  readonly site: string;
  /** HTTP status; `undefined`: no answer. */
  readonly status: number | undefined;
  readonly isOk: boolean;
  /** Without the time that it waited for its turn. */
  readonly durationMs: number;
}

interface Dependencies {
  readonly client: SitesClient;
  readonly clock: Clock;
  /** Called after each call of a website; an answer that is reused is no call. */
  readonly onAnswer?: (report: SiteAnswerReport) => void;
}

/** Authenticates the clients of push sites. */
export interface SiteAuth {
  /**
   * @param address takes turns with others while many wait for the website
   * @throws GatewayError with the message for the client in `info.reason`
   */
  atHandshake(site: Site, handshake: Handshake, address: string): Promise<SitePrincipal>;
}

/** Asks the website of each site. Identical concurrent requests are shared, and concurrency is limited. */
export function createSiteAuth({ client, clock, onAnswer }: Dependencies): SiteAuth {
  const limiters = new Map<string, ConcurrencyLimiter>();
  const answers = new Map<string, Promise<SiteAnswer>>();

  /** One limiter for each site, so that a slow website does not delay others. */
  const limiterOf = (site: Site): ConcurrencyLimiter => {
    const refusal = (): Error => new SiteFault('too many clients at once');
    const limiter =
      limiters.get(site.name) ??
      createConcurrencyLimiter({ clock, width: CALLS_MAX, waitingMax: WAITING_MAX, waitMs: WAIT_MS, refusal });
    limiters.set(site.name, limiter);
    return limiter;
  };

  const ask = (site: Site, credentials: Record<string, string>, address: string): Promise<SiteAnswer> => {
    const key = JSON.stringify([site.name, credentials]);
    const known = answers.get(key);
    if (known !== undefined) return known;
    const headers = { accept: 'application/json', ...credentials };
    const call = async (): Promise<SiteAnswer> => {
      const startedAt = performance.now();
      let status: number | undefined;
      try {
        const answered = await client.call({ method: 'GET', url: site.authUrl, headers });
        ({ status } = answered);
        return answered;
      } finally {
        const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
        onAnswer?.({ site: site.name, status, isOk: status === 200, durationMs });
      }
    };
    const answer = limiterOf(site).run(call, address);
    answers.set(key, answer);
    const forget = (): void => void answers.delete(key);
    answer.then(() => (answers.size > ANSWERS_MAX ? forget() : clock.after(ANSWER_TTL_MS, forget)), forget);
    return answer;
  };

  return {
    async atHandshake(site, handshake, address) {
      const token = presented(handshake, 'token');
      if (token === undefined) return toVisitor(site);
      const meta = presented(handshake, 'meta');
      const credentials = {
        authorization: `${site.authScheme} ${token}`,
        ...(meta === undefined ? {} : { 'x-meta': meta }),
      };
      const answer = await ask(site, credentials, address).catch((fault: unknown) => {
        const reason = fault instanceof SiteFault ? fault.message : 'no answer';
        throw refusal('UNAVAILABLE', `Auth error: ${reason}`, fault);
      });
      return toPrincipal(site, credentials, answer);
    },
  };
}

/** @param cause for the log */
const refusal = (code: ErrorCode, reason: string, cause?: unknown): GatewayError =>
  new GatewayError(code, { reason }, { cause });

/** Also accepts `token` and `meta` in the query of old clients. An empty text counts as absent. */
function presented({ auth, query }: Handshake, name: 'token' | 'meta'): string | undefined {
  const value = auth[name] ?? query[name] ?? '';
  if (value === '') return undefined;
  const parsed = safeParse(siteCredential, value);
  if (!parsed.success) throw refusal('INVALID_TOKEN', `Auth error: the ${name} cannot be sent`);
  return parsed.data;
}

const NO_CREDENTIALS = Object.freeze({});

/** A client without a token, which receives only the public channel. */
function toVisitor({ name, publicChannel }: Site): SitePrincipal {
  if (publicChannel === undefined) throw refusal('INVALID_TOKEN', 'Auth error: no token');
  return toSitePrincipal({ site: name, userId: undefined, rooms: [publicChannel], credentials: NO_CREDENTIALS });
}

function toPrincipal(site: Site, credentials: Record<string, string>, { status, body }: SiteAnswer): SitePrincipal {
  if (status === 401 || status === 403) throw refusal('INVALID_TOKEN', 'Authentication failed');
  if (status !== 200) throw refusal('UNAVAILABLE', `Auth ${status} error`);
  const listed = parseRooms(body);
  const userIds = listed.map((room) => userIdOf(site, room));
  const userId = userIds.find((id) => id !== undefined);
  const isPublic = site.publicChannel !== undefined && listed.includes(site.publicChannel);
  if (site.userRoomPrefix !== undefined && userId === undefined && !isPublic) {
    throw refusal('INVALID_TOKEN', 'User is missing a private room');
  }
  const rooms = listed.filter((_room, index) => userIds[index] === undefined);
  // Kept only if the website needs them again.
  const kept = site.updateUserUrl === undefined || userId === undefined ? NO_CREDENTIALS : credentials;
  return toSitePrincipal({ site: site.name, userId, rooms: [...new Set(rooms)], credentials: kept });
}

function parseRooms(body: string): string[] {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    throw refusal('UNAVAILABLE', 'Auth error: the answer is not JSON');
  }
  const parsed = safeParse(siteRooms, answer);
  if (!parsed.success) throw refusal('UNAVAILABLE', 'Auth error: the answer is not a list of room names');
  return parsed.data;
}

const toSitePrincipal = (principal: Omit<SitePrincipal, 'kind' | 'expiresAt'>): SitePrincipal => ({
  kind: 'site',
  ...principal,
  expiresAt: Number.POSITIVE_INFINITY,
});

/** The user of a single user's room; `undefined` for other rooms. */
export function userIdOf({ userRoomPrefix }: Pick<Site, 'userRoomPrefix'>, room: string): string | undefined {
  if (userRoomPrefix === undefined || room.length === userRoomPrefix.length) return undefined;
  return room.startsWith(userRoomPrefix) ? room.slice(userRoomPrefix.length) : undefined;
}

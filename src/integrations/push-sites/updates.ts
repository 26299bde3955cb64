import type { Site } from '../../config/sites.js';
import { type ConcurrencyLimiter, createConcurrencyLimiter } from '../../platform/concurrency/concurrency-limiter.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { SitesClient } from '../../platform/sites-client.js';
import type { Clock } from '../../platform/time/clock.js';
import { keyOf } from '../../realtime/delivery/message.js';
import type { Credentials } from './credentials.js';

/** Concurrent calls to one website. */
const CALLS_MAX = 8;
/** Users with waiting updates. Further updates are dropped and logged. */
const USERS_MAX = 10_000;
/** Delays before a failed call is retried. */
const RETRY_DELAYS_MS = [1000, 2000, 4000];
/** How long a stop waits for pending updates. */
const STOP_LIMIT_MS = 2000;

/** An update about one user for a website. */
export interface UserUpdate {
  readonly userId: string;
  readonly field: 'last_connected' | 'last_disconnected';
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly credentials: Credentials;
}

interface Dependencies {
  client: SitesClient;
  clock: Clock;
  logger: Logger;
  /** Called for each update, before it is sent. */
  onUpdate?: (site: string, update: UserUpdate) => void;
}

/** Notifies websites when their users connect and disconnect. */
export type UserUpdates = ReturnType<typeof createUserUpdates>;

/**
 * Sends updates in the background. Updates of one user are sent sequentially, and only the newest of each kind is
 * queued: a user who reconnects all the time while the website is down costs no more than others.
 */
export function createUserUpdates({ client, clock, logger, onUpdate }: Dependencies) {
  /** Users with an update in flight, and their queued updates. */
  const waiting = new Map<string, readonly UserUpdate[]>();
  const limiters = new Map<string, ConcurrencyLimiter>();
  const sleeping = new Set<() => void>();
  let isStopping = false;
  let onIdle = (): void => undefined;

  const limiterOf = ({ name }: Site): ConcurrencyLimiter => {
    const refusal = (): Error => new Error('dropped: too many queued updates');
    const options = { clock, width: CALLS_MAX, waitingMax: USERS_MAX, waitMs: Number.POSITIVE_INFINITY, refusal };
    const limiter = limiters.get(name) ?? createConcurrencyLimiter(options);
    limiters.set(name, limiter);
    return limiter;
  };

  const pause = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        sleeping.delete(wake);
        resolve();
      };
      const cancel = clock.after(delayMs, wake);
      sleeping.add(wake);
    });

  const send = async (site: Site, update: UserUpdate): Promise<void> => {
    const call = toCall(site, update);
    for (let attempt = 0; ; attempt += 1) {
      const failure = await limiterOf(site)
        .run(() => client.call(call))
        .then(
          ({ status }) => (status >= 200 && status < 300 ? undefined : String(status)),
          (error: unknown) => (error instanceof Error ? error.message : 'no answer'),
        );
      if (failure === undefined) return;
      const delayMs = RETRY_DELAYS_MS[attempt];
      if (delayMs === undefined || isStopping) {
        return logger.warn(
          { site: site.name, field: update.field, failure },
          'push sites: sending a user update failed',
        );
      }
      await pause(delayMs);
    }
  };

  const work = async (site: Site, key: string): Promise<void> => {
    for (;;) {
      const [next, ...others] = waiting.get(key) ?? [];
      if (next === undefined) break;
      waiting.set(key, others);
      await send(site, next);
    }
    waiting.delete(key);
    if (waiting.size === 0) onIdle();
  };

  return {
    push(site: Site, update: UserUpdate): void {
      // `.` and `..` cannot be escaped, and would lead to another URL.
      if (['.', '..'].includes(update.userId)) return;
      onUpdate?.(site.name, update);
      const key = keyOf({ site: site.name, userId: update.userId });
      const others = waiting.get(key);
      if (others !== undefined) {
        waiting.set(key, [...others.filter(({ field }) => field !== update.field), update]);
      } else if (waiting.size >= USERS_MAX) {
        logger.warn(
          { site: site.name, field: update.field },
          'push sites: a user update was dropped: too many are queued',
        );
      } else {
        waiting.set(key, [update]);
        void work(site, key);
      }
    },

    /** Retries the pending updates once. */
    async stop(): Promise<void> {
      isStopping = true;
      for (const wake of [...sleeping]) wake();
      if (waiting.size === 0) return;
      await new Promise<void>((resolve) => {
        onIdle = resolve;
        clock.after(STOP_LIMIT_MS, resolve);
      });
    },
  };
}

function toCall({ updateUserUrl = '' }: Site, { userId, field, at, credentials }: UserUpdate) {
  // A function, because the id could contain replacement patterns such as `$&`.
  const url = updateUserUrl.replaceAll(':id', () => encodeURIComponent(userId));
  const body = JSON.stringify({ id: userId, user: { [field]: new Date(at).toISOString() } });
  return { method: 'PUT', url, headers: { 'content-type': 'application/json', ...credentials }, body } as const;
}

import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey, type LocalJWKSet } from 'jose';
import { z } from 'zod';
import { GatewayError } from '../errors.js';
import { readBounded } from '../platform/bounded-body.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Clock } from '../platform/time/clock.js';

const REFRESH_INTERVAL_MS = 10 * 60_000;
/** Minimum time between loads for tokens that no key verifies. Forged tokens must not flood the server of the key set. */
const COOLDOWN_MS = 30_000;
/** The same after a load that failed. */
const RETRY_DELAY_MS = 1_000;
const FETCH_TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 256 * 1024;

/** What is not understood is ignored (RFC 7517, 5). */
const keyBody = z.looseObject({ kty: z.string() }).nullable().catch(null);
const keySetBody = z.object({ keys: z.array(keyBody) });

interface KeySetOptions {
  /** URL of the JWKS (RFC 7517). */
  url: string;
  clock: Clock;
  logger: Pick<Logger, 'warn'>;
  fetch?: typeof globalThis.fetch;
}

/** The public keys of the token issuer, kept up to date. */
export interface KeySet {
  /**
   * The key for a token's header.
   *
   * @throws GatewayError `UNAVAILABLE` when no keys could be loaded yet
   * @throws JOSEError when no key matches, or several do
   */
  findKey: JWTVerifyGetKey;
  /**
   * Loads the keys again, for a token that none of them verifies: the issuer may have a new one.
   *
   * @returns `false`: not now, they were loaded a moment ago
   * @throws GatewayError `UNAVAILABLE` when they cannot be loaded
   */
  renew(): Promise<boolean>;
  /** Stops refreshing and aborts a running download. */
  close(): void;
}

/**
 * Caches a JWKS. Loads it on first use, and refreshes it in the background. Concurrent callers share a load. A failed load
 * is logged and keeps the current keys.
 */
export function createKeySet({ url, clock, logger, fetch = globalThis.fetch }: KeySetOptions): KeySet {
  const closing = new AbortController();
  let keys: LocalJWKSet | undefined;
  let loading: Promise<void> | undefined;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let hasFailed = false;

  const load = async (): Promise<void> => {
    attemptedAt = clock.now();
    const timeout = new AbortController();
    const cancelTimeout = clock.after(FETCH_TIMEOUT_MS, () => timeout.abort(new Error('the JWKS timed out')));
    try {
      const signal = AbortSignal.any([closing.signal, timeout.signal]);
      keys = createLocalJWKSet(await download(url, { fetch, signal }));
      hasFailed = false;
    } catch (err) {
      hasFailed = true;
      if (!closing.signal.aborted) logger.warn({ err }, 'tokens: the JWKS could not be loaded');
    } finally {
      cancelTimeout();
    }
  };
  const refresh = (): Promise<void> => {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  };
  /** Joins a running load, or starts one if the last is long enough ago. @returns whether there was one */
  const refreshUnlessRecent = async (): Promise<boolean> => {
    const delayMs = hasFailed ? RETRY_DELAY_MS : COOLDOWN_MS;
    if (closing.signal.aborted || (loading === undefined && clock.now() - attemptedAt < delayMs)) return false;
    await refresh();
    return true;
  };
  const unavailable = (): GatewayError => new GatewayError('UNAVAILABLE', { retryAfterMs: RETRY_DELAY_MS });
  const stopRefreshing = clock.every(REFRESH_INTERVAL_MS, () => void refresh());

  return {
    async findKey(header, token) {
      if (keys === undefined) await refreshUnlessRecent();
      if (keys === undefined) throw unavailable();
      return keys(header, token);
    },
    async renew() {
      const isRenewed = await refreshUnlessRecent();
      // A token of a key that cannot be loaded now is not an invalid one.
      if (hasFailed) throw unavailable();
      return isRenewed;
    },
    close() {
      stopRefreshing();
      closing.abort();
    },
  };
}

async function download(
  url: string,
  { fetch, signal }: { fetch: typeof globalThis.fetch; signal: AbortSignal },
): Promise<JSONWebKeySet> {
  // Rejects redirects: a forged response could select another source of keys.
  const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json' } });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the JWKS answered ${response.status}`);
  }
  const body = await readBounded(response, MAX_BODY_BYTES);
  if (body === undefined) throw new Error(`the JWKS is larger than ${MAX_BODY_BYTES} bytes`);
  const { keys } = keySetBody.parse(JSON.parse(body.toString('utf8')));
  const known = keys.filter((key) => key !== null);
  if (known.length === 0 && keys.length > 0) throw new Error('the JWKS holds no key that is known');
  return { keys: known };
}

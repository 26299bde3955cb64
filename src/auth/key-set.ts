import { createLocalJWKSet, errors, type JWTVerifyGetKey, type LocalJWKSet } from 'jose';
import { z } from 'zod';
import { GatewayError } from '../errors.js';
import { readBounded } from '../platform/bounded-body.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';

const REFRESH_INTERVAL_MS = 10 * 60_000;
/** Minimum time between reloads for unknown key ids. Forged tokens must not flood the server of the key set. */
const UNKNOWN_KEY_COOLDOWN_MS = 30_000;
/** Delay before another attempt while no keys are loaded. */
const RETRY_DELAY_MS = 1_000;
const FETCH_TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 256 * 1024;

const keySetBody = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

export interface KeySetOptions {
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
   * @throws JOSEError when no key matches
   */
  findKey: JWTVerifyGetKey;
  /** Stops refreshing and aborts a running download. */
  close(): void;
}

/**
 * Caches a JWKS. Loads it on first use, refreshes it in the background, and reloads it when a token names an unknown
 * key (rotation). Concurrent callers share a load. A failed load is logged and keeps the current keys.
 */
export function createKeySet({ url, clock, logger, fetch = globalThis.fetch }: KeySetOptions): KeySet {
  const closing = new AbortController();
  let keys: LocalJWKSet | undefined;
  let loading: Promise<void> | undefined;
  let attemptedAt = Number.NEGATIVE_INFINITY;

  const load = async (): Promise<void> => {
    attemptedAt = clock.now();
    const timeout = new AbortController();
    const cancelTimeout = clock.after(FETCH_TIMEOUT_MS, () => timeout.abort(new Error('the JWKS timed out')));
    try {
      const signal = AbortSignal.any([closing.signal, timeout.signal]);
      keys = createLocalJWKSet(await download(url, { fetch, signal }));
    } catch (err) {
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
  const refreshUnlessWithin = async (delayMs: number): Promise<boolean> => {
    if (closing.signal.aborted || (loading === undefined && clock.now() - attemptedAt < delayMs)) return false;
    await refresh();
    return true;
  };
  const stopRefreshing = clock.every(REFRESH_INTERVAL_MS, () => void refresh());

  return {
    async findKey(header, token) {
      if (keys === undefined) await refreshUnlessWithin(RETRY_DELAY_MS);
      if (keys === undefined) throw new GatewayError('UNAVAILABLE', { retryAfterMs: RETRY_DELAY_MS });
      try {
        return await keys(header, token);
      } catch (error) {
        const isUnknown = error instanceof errors.JWKSNoMatchingKey;
        if (!isUnknown || !(await refreshUnlessWithin(UNKNOWN_KEY_COOLDOWN_MS))) throw error;
        return await keys(header, token);
      }
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
): Promise<z.infer<typeof keySetBody>> {
  // Rejects redirects: a forged response could select another source of keys.
  const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json' } });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the JWKS answered ${response.status}`);
  }
  const body = await readBounded(response, MAX_BODY_BYTES);
  if (body === undefined) throw new Error(`the JWKS is larger than ${MAX_BODY_BYTES} bytes`);
  return keySetBody.parse(JSON.parse(body.toString('utf8')));
}

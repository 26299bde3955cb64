import { readBounded } from './bounded-body.js';
import type { Clock } from './time/clock.js';

/** Time limit of one call, including waiting. */
const CALL_LIMIT_MS = 5000;
const REDIRECTS_MAX = 5;
const REDIRECT_STATUSES = new Set([301, 302, 303, 307, 308]);
/** Maximum size of a response. */
const BODY_MAX_BYTES = 262_144;

/** A request to a website. */
interface SiteCall {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The response of a website. The body is read only on success. */
export interface SiteAnswer {
  readonly status: number;
  readonly body: string;
}

/** No response, or an unusable one. The message is short and contains neither address nor token. */
export class SiteFault extends Error {
  override readonly name = 'SiteFault';
}

/** HTTP client for the websites of push sites. */
export interface SitesClient {
  /**
   * A `GET` follows a few redirects, sends credentials to the original host only, and is retried once after a network
   * failure. A `PUT` does neither.
   * @throws SiteFault
   */
  call(call: SiteCall): Promise<SiteAnswer>;
  /** Aborts pending calls. */
  close(): void;
}

/** A client based on `fetch`. Uses the clock for time limits. */
export function createSitesClient(clock: Clock): SitesClient {
  const pending = new Set<AbortController>();

  const withinLimit = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const cancel = clock.after(CALL_LIMIT_MS, () => controller.abort(new SiteFault('no answer in time')));
    pending.add(controller);
    try {
      return await work(controller.signal);
    } catch (error) {
      const reason: unknown = controller.signal.aborted ? controller.signal.reason : error;
      throw reason instanceof SiteFault ? reason : new SiteFault('no connection', { cause: reason });
    } finally {
      cancel();
      pending.delete(controller);
    }
  };

  return {
    call: (call) =>
      withinLimit(async (signal) => {
        try {
          return await follow(call, signal);
        } catch (error) {
          if (call.method !== 'GET' || error instanceof SiteFault || signal.aborted) throw error;
          return follow(call, signal);
        }
      }),
    close() {
      for (const controller of pending) controller.abort(new SiteFault('the gateway is shutting down'));
    },
  };
}

async function follow(call: SiteCall, signal: AbortSignal): Promise<SiteAnswer> {
  const seen = new Set<string>();
  const { hostname, protocol } = new URL(call.url);
  let { url, headers } = call;
  for (;;) {
    const { method, body } = call;
    const response = await fetch(url, {
      method,
      headers,
      signal,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    });
    const location = response.headers.get('location');
    if (method !== 'GET' || !REDIRECT_STATUSES.has(response.status) || location === null) return read(response);
    await response.body?.cancel();
    seen.add(url);
    const next = resolve(location, url);
    if (seen.has(next.href)) throw new SiteFault('redirect loop');
    if (seen.size > REDIRECTS_MAX) throw new SiteFault('too many redirects');
    // The token must not reach another host or an unencrypted connection.
    const isTrusted = next.hostname === hostname && (next.protocol === protocol || next.protocol === 'https:');
    if (!isTrusted) headers = {};
    url = next.href;
  }
}

function resolve(location: string, base: string): URL {
  const url = URL.canParse(location, base) ? new URL(location, base) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new SiteFault('it redirects to an invalid URL');
  url.hash = '';
  return url;
}

async function read(response: Response): Promise<SiteAnswer> {
  const { status } = response;
  if (!response.ok) {
    await response.body?.cancel();
    return { status, body: '' };
  }
  const body = await readBounded(response, BODY_MAX_BYTES);
  if (body === undefined) throw new SiteFault('the response is too large');
  return { status, body: new TextDecoder().decode(body) };
}

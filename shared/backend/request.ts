import { backoffMs, type ClientClock, pause } from '../client/clock.js';
import { GatewayClientError, toClientError, toError } from '../client/error.js';

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: FetchOptions) => Promise<FetchAnswer>;

interface FetchOptions {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  /** Followed, a redirect would make a `GET` of a `POST`, and send the API key to another host. */
  readonly redirect: 'manual';
  readonly signal: AbortSignal;
}

interface FetchAnswer {
  readonly status: number;
  text(): Promise<string>;
}

/** How calls are made. */
export interface RequestSettings {
  readonly url: string;
  /** Of every call, such as the API key. */
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
  readonly clock: ClientClock;
  readonly random: () => number;
  /** Time limit of one attempt. */
  readonly timeoutMs: number;
  /** Time limit of a call with all its attempts. */
  readonly totalMs: number;
}

/** A call. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With its parameters filled in. */
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body?: string | undefined;
  /** Done twice it is the same as done once. Other calls are repeated only when the gateway says that nothing was done. */
  readonly isRepeatable: boolean;
  /** The answer is this text instead of JSON. */
  readonly text?: string;
}

/**
 * Makes a call, and makes it again as long as that is safe and can help.
 * @returns the `data` of the answer @throws GatewayClientError of the last attempt
 */
export async function request(settings: RequestSettings, call: Call): Promise<unknown> {
  const { clock, random, totalMs } = settings;
  const endsAt = clock.now() + totalMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(settings, call, Math.min(settings.timeoutMs, Math.max(1, endsAt - clock.now())));
    } catch (thrown) {
      const error = toError('UNREACHABLE', thrown);
      // A call over the limit was not done, whatever it is.
      const isSafe = call.isRepeatable || error.code === 'RATE_LIMITED';
      const delayMs = (error.retryAfterMs ?? 0) + backoffMs(attempt, random);
      if (!error.retryable || !isSafe || clock.now() + delayMs >= endsAt) throw error;
      await pause(clock, delayMs);
    }
  }
}

/** One attempt. */
async function once(settings: RequestSettings, call: Call, timeoutMs: number): Promise<unknown> {
  const { status, text } = await exchange(settings, call, timeoutMs);
  const isSuccess = status >= 200 && status < 300;
  if (isSuccess && call.text !== undefined && text === call.text) return undefined;
  const answer = parsed(text);
  if (isSuccess && (answer as { success?: unknown } | null)?.success === true)
    return (answer as { data?: unknown }).data;
  throw isOfGateway(answer) ? toClientError(answer) : toForeign(status, text);
}

async function exchange({ url, headers, fetch, clock }: RequestSettings, call: Call, timeoutMs: number) {
  const controller = new AbortController();
  const cancel = clock.after(timeoutMs, () => controller.abort());
  try {
    const response = await fetch(url + call.path + toQuery(call.query), {
      method: call.method,
      headers: { ...headers, ...(call.body !== undefined && { 'content-type': 'application/json' }), ...call.headers },
      ...(call.body !== undefined && { body: call.body }),
      redirect: 'manual',
      signal: controller.signal,
    });
    return { status: response.status, text: await response.text() };
  } catch (thrown) {
    if (controller.signal.aborted) throw new GatewayClientError('TIMEOUT', `no answer within ${timeoutMs} ms`);
    const { cause } = thrown as { cause?: { code?: string } };
    throw new GatewayClientError('UNREACHABLE', cause?.code ?? String(thrown), { cause: thrown });
  } finally {
    cancel();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isOfGateway = (answer: unknown): boolean => (answer as { success?: unknown } | undefined)?.success === false;

/** Statuses by which proxies say that they did not get an answer of the gateway; 520 to 524 are those of Cloudflare. */
const AWAY = new Set([408, 502, 503, 504, 520, 521, 522, 523, 524]);

/** Browsers hide the status of a redirect behind 0. */
const REDIRECTS = new Set([0, 301, 302, 303, 307, 308]);

/** What push sites and proxies answer is no JSON of the gateway. */
function toForeign(status: number, text: string): GatewayClientError {
  if (REDIRECTS.has(status))
    return new GatewayClientError(
      'BAD_ANSWER',
      `status ${status}: redirects are not followed; set url to their target`,
    );
  if (AWAY.has(status)) return new GatewayClientError('UNAVAILABLE', `status ${status}`);
  if (status === 429) return new GatewayClientError('RATE_LIMITED', `status ${status}`);
  if (status === 401) return new GatewayClientError('INVALID_API_KEY', text.slice(0, 200));
  return new GatewayClientError(
    status === 400 ? 'VALIDATION_ERROR' : 'BAD_ANSWER',
    `status ${status}: ${text.slice(0, 200)}`,
  );
}

/** The query string; what is undefined is left out. */
function toQuery(query: Readonly<Record<string, unknown>> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const parameters = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
  return given.length === 0 ? '' : `?${parameters}`;
}

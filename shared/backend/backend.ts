import { type ClientClock, systemClock } from '../client/clock.js';
import { type GatewayClientError, toClientError, toError } from '../client/error.js';
import { createAdministration } from './administration.js';
import { type Chunk, toChunks } from './batch.js';
import { createInspection } from './inspection.js';
import { type Call, type Fetch, type RequestSettings, request } from './request.js';
import type {
  AnswerOfRoute,
  BatchItem,
  DeliveriesQuery,
  DisconnectOptions,
  DurableAnswer,
  DurableOptions,
  EmitOptions,
  Revocation,
} from './types.js';

/** How a backend reaches the gateway. */
export interface ConnectionOptions {
  /** Of any node, or of the load balancer: `https://gateway.example.com`. */
  readonly url: string;
  /** Time limit of one attempt in milliseconds; 10 seconds by default. */
  readonly timeoutMs?: number;
  /** Time limit of a call with all its attempts in milliseconds; 60 seconds by default. */
  readonly totalMs?: number;
  readonly fetch?: Fetch;
  readonly clock?: ClientClock;
  /** A number from 0 to 1. */
  readonly random?: () => number;
}

/** Options of {@link createBackend}. */
export interface BackendOptions extends ConnectionOptions {
  /** One of `EMIT_API_KEYS`; absent: the gateway runs in development on this machine. */
  readonly apiKey?: string | undefined;
  /** Bytes of one call; at most `BODY_LIMIT` of the gateway. 900,000 by default. */
  readonly bytesMax?: number;
}

/** What became of one item of a batch. */
export type BatchResult =
  | { readonly success: true; readonly data: AnswerOfRoute<'emit'> }
  | { readonly success: false; readonly error: GatewayClientError };

/** Items of one call, as the gateway allows. */
const ITEMS_MAX = 1000;
const USERS_MAX = 500;
const BYTES_MAX = 900_000;
/** Bytes of a call around its items. */
const ENVELOPE_BYTES = 16;
/** Attempts to send the items of a chunk that failed by themselves. */
const ITEM_ATTEMPTS = 3;

/** Every method rejects with a GatewayClientError. */
export type Backend = ReturnType<typeof createBackend>;

/** The REST routes for backends, with retries where they are safe. */
export function createBackend({ apiKey, bytesMax = BYTES_MAX, ...options }: BackendOptions) {
  const settings = toSettings(options, apiKey === undefined ? {} : { 'x-api-key': apiKey });
  const call = async <Answer>(what: Call): Promise<Answer> => (await request(settings, what)) as Answer;
  const read = <Answer>(path: string, query?: Call['query']) =>
    call<Answer>({ method: 'GET', path, query, isRepeatable: true });
  const write = <Answer>(path: string, body: unknown) =>
    call<Answer>({ method: 'POST', path, body: toJson(body), isRepeatable: true });
  const remove = <Answer>(path: string, query?: Readonly<Record<string, unknown>>) =>
    call<Answer>({ method: 'DELETE', path, query, isRepeatable: true });

  /** Sends a chunk; items that failed for a passing reason are sent again, alone and with their keys. */
  async function sendChunk(
    { items }: Pick<Chunk, 'items'>,
    areKeyed: readonly boolean[],
    attempt = 1,
  ): Promise<BatchResult[]> {
    const what = { method: 'POST', path: '/emit', body: `{"items":[${items.join()}]}` } as const;
    const isRepeatable = areKeyed.every(Boolean);
    const answer = await call<AnswerOfRoute<'emitBatch'>>({ ...what, isRepeatable }).catch((thrown: unknown) =>
      toError('UNREACHABLE', thrown),
    );
    if (answer instanceof Error) return items.map(() => ({ success: false, error: answer }));
    const results = answer.items.map(
      (item): BatchResult =>
        item.success ? { success: true, data: item.data } : { success: false, error: toClientError(item) },
    );
    const failed = results.flatMap((result, index) =>
      !result.success && result.error.retryable && areKeyed[index] === true ? [index] : [],
    );
    if (failed.length === 0 || attempt === ITEM_ATTEMPTS) return results;
    const again = await sendChunk(
      { items: failed.map((index) => items[index] ?? '') },
      failed.map(() => true),
      attempt + 1,
    );
    failed.forEach((place, index) => {
      results[place] = again[index] ?? (results[place] as BatchResult);
    });
    return results;
  }

  return {
    ...createAdministration({ read, write, remove }),
    ...createInspection({ read }),

    /** Sends an event to the connected sockets of a user. It is not stored, and not sent again when the outcome is unknown. */
    emit: (userId: string, event: string, payload: unknown = {}, { namespace }: EmitOptions = {}) =>
      call<AnswerOfRoute<'emit'>>({
        method: 'POST',
        path: emitPath(userId, event),
        query: { namespace },
        body: toJson(payload),
        isRepeatable: false,
      }),

    /** Sends an event that is stored until the user's devices have acknowledged it. Sent again it is stored once. */
    async emitDurable(userId: string, event: string, payload: unknown = {}, durable: DurableOptions = {}) {
      const { namespace, idempotencyKey = newKey(), ttlSeconds: ttl, push, pushAfterMs: push_after } = durable;
      const query = { durable: true, namespace, ttl, push, push_after };
      const headers = { 'idempotency-key': idempotencyKey };
      const what = { method: 'POST', path: emitPath(userId, event), query, headers, body: toJson(payload) } as const;
      return call<DurableAnswer>({ ...what, isRepeatable: true });
    },

    /** Sends any number of events, in as many calls as it takes, one after the other. @returns one result for each, in order */
    async emitAll(items: readonly BatchItem[]): Promise<BatchResult[]> {
      const keyed = items.map(toKeyed);
      const bounds = { itemsMax: ITEMS_MAX, bytesMax: bytesMax - ENVELOPE_BYTES };
      const results: BatchResult[] = [];
      for (const chunk of toChunks(keyed.map(toJson), bounds)) {
        const own = keyed.slice(chunk.start, chunk.start + chunk.items.length);
        results.push(
          ...(await sendChunk(
            chunk,
            own.map(({ idempotencyKey }) => idempotencyKey !== undefined),
          )),
        );
      }
      return results;
    },

    /** Sends an event to everyone of a namespace, or of one account. Not sent again when the outcome is unknown. */
    broadcast: (event: string, payload: unknown = {}, query: EmitOptions & { readonly account?: string } = {}) =>
      call<AnswerOfRoute<'broadcast'>>({
        method: 'POST',
        path: `/broadcast/${encodeURIComponent(event)}`,
        query: { ...query },
        body: toJson(payload),
        isRepeatable: false,
      }),

    /** What became of a durable emit, device by device. */
    status: (id: string) => read<AnswerOfRoute<'emitStatus'>>(`/emit/${encodeURIComponent(id)}`),

    presence: (userId: string) => read<AnswerOfRoute<'presence'>>(`${userPath(userId)}/presence`),

    /** The presence of any number of users, in the order asked. */
    async presences(userIds: readonly string[]): Promise<AnswerOfRoute<'presences'>['users']> {
      const users: AnswerOfRoute<'presences'>['users'] = [];
      for (let start = 0; start < userIds.length; start += USERS_MAX) {
        const part = { userIds: userIds.slice(start, start + USERS_MAX) };
        users.push(...(await write<AnswerOfRoute<'presences'>>('/presence', part)).users);
      }
      return users;
    },

    /** Why a user got durable messages, or did not: one page, newest first. */
    deliveries: (userId: string, query: DeliveriesQuery = {}) =>
      read<AnswerOfRoute<'deliveries'>>(`${userPath(userId)}/deliveries`, { ...query }),

    /** The same message by message, over all pages. */
    async *allDeliveries(userId: string, query: DeliveriesQuery = {}) {
      let before: string | null | undefined = query.before;
      while (before !== null) {
        const asked = { ...query, before };
        const page: AnswerOfRoute<'deliveries'> = await read(`${userPath(userId)}/deliveries`, asked);
        yield* page.messages;
        before = page.next;
      }
    },

    /** Ends every connection of a user. */
    disconnect: (userId: string, how: DisconnectOptions = {}) =>
      write<undefined>(`${userPath(userId)}/disconnect`, how),

    /** Revokes one token, or the tokens of a user. */
    revokeTokens: (which: Revocation) => write<undefined>('/tokens/revoke', which),
  };
}

/** Settings of all calls. */
export const toSettings = (
  {
    url,
    timeoutMs = 10_000,
    totalMs = 60_000,
    fetch: send,
    clock = systemClock,
    random = Math.random,
  }: ConnectionOptions,
  headers: Readonly<Record<string, string>>,
): RequestSettings => ({
  url: toBaseUrl(url),
  headers,
  timeoutMs,
  totalMs,
  clock,
  random,
  fetch: send ?? ((target, init) => fetch(target, init)),
});

/** @throws TypeError of a URL that `fetch` could never reach: it would be tried again and again */
function toBaseUrl(url: string): string {
  if (!/^https?:\/\/[^/]/i.test(url))
    throw new TypeError(`url must begin with http:// or https://, and does not: ${url}`);
  return url.replace(/\/+$/, '');
}

const userPath = (userId: string): string => `/users/${encodeURIComponent(userId)}`;

const emitPath = (userId: string, event: string): string =>
  `/emit/${encodeURIComponent(userId)}/${encodeURIComponent(event)}`;

const newKey = (): string => crypto.randomUUID();

/** JSON has no `undefined`; where a body is wanted it is `null`. */
const toJson = (value: unknown): string => JSON.stringify(value) ?? 'null';

/** The item as it travels. */
function toKeyed({ ttlSeconds: ttl, pushAfterMs: push_after, ...item }: BatchItem) {
  const isDurable = item.durable === true || item.push === true;
  const idempotencyKey = item.idempotencyKey ?? (isDurable ? newKey() : undefined);
  return { ...item, ttl, push_after, idempotencyKey };
}

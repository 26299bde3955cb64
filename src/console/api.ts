import { signal } from '@preact/signals';
import type { z } from 'zod';
import type { Route } from '#shared/contracts/contract.js';
import type { Answer } from './answer.js';
import { ApiError, toApiError } from './api-error.js';
import { currentTime, noteServerTime } from './clock.js';
import { callTo, type Query } from './paths.js';

export type { Answer };

/** All calls of the page go below it. */
export const PREFIX = '/console/api';

/** Whether the gateway answers; `since` in milliseconds. */
export interface Connection {
  readonly isAnswering: boolean;
  readonly since: number;
}

/** The state of the connection, from the calls of all views. */
export const connection = signal<Connection>({ isAnswering: true, since: 0 });

/** Counts the calls that were refused because the session has ended; `session.ts` watches it. */
export const refusals = signal(0);

/** The input of a call: exactly what its contract declares. */
type Input<R extends Route> = Part<R, 'params'> & Part<R, 'query'> & Part<R, 'body'>;

/** Calls one route. Rejects with an {@link ApiError}. */
export type Call<R extends Route> = (input: Input<R>, abort?: AbortSignal) => Promise<Answer<R>>;

/**
 * A typed call of a route. The contract is only a type here, so that its schemas stay out of the page: the compiler
 * holds method and path to those of the contract.
 * @example const nodes = toCall<typeof administration.routes.nodes>('get', '/nodes');
 */
export const toCall =
  <R extends Route>(method: R['method'], path: R['path']): Call<R> =>
  async (input, abort) => {
    const { params = {}, query = {}, body } = input as LooseInput;
    const response = await request(callTo(path, params, query), {
      method: method.toUpperCase(),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(abort === undefined ? {} : { signal: abort }),
    });
    return (await readData(response)) as Answer<R>;
  };

/**
 * Sends a request below `/console/api`, for what has no contract of its own: streams, documents, free forms.
 * @throws {ApiError} when it failed; an `AbortError` when it was aborted
 */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  // Another site cannot send it without asking first: the gateway refuses acts without it.
  headers.set('x-console', '1');
  const { signal, answered } = limitTime(init.signal);
  const response = await fetch(PREFIX + path, { ...init, headers, signal, cache: 'no-store' })
    .catch((error: unknown) => {
      if (init.signal?.aborted === true) throw error;
      noteAnswer(false);
      throw new ApiError(0, 'NO_ANSWER');
    })
    .finally(answered);
  noteServerTime(response.headers.get('date'));
  if (response.ok) {
    noteAnswer(true);
    return response;
  }
  const error = toApiError(response.status, await response.json().catch(() => undefined));
  noteAnswer(error.code !== 'NO_ANSWER');
  if (response.status === 401 && path !== '/session') refusals.value++;
  throw error;
}

/** A node that hangs keeps its connections open and does not answer. The slowest call waits a few seconds for other nodes. */
const ANSWER_MS = 15_000;

/** A signal that aborts with another one, and when there is no answer in time. */
function limitTime(outer: AbortSignal | null | undefined): { signal: AbortSignal; answered: () => void } {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), ANSWER_MS);
  const signals = [ending.signal, ...(outer == null ? [] : [outer])];
  return { signal: AbortSignal.any(signals), answered: () => clearTimeout(timer) };
}

type Part<R, Name extends string> =
  R extends Record<Name, infer S extends z.ZodType>
    ? Record<never, never> extends z.input<S>
      ? { readonly [N in Name]?: z.input<S> }
      : { readonly [N in Name]: z.input<S> }
    : unknown;

interface LooseInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Query;
  readonly body?: unknown;
}

async function readData(response: Response): Promise<unknown> {
  const body: unknown = await response.json().catch(() => undefined);
  if (typeof body !== 'object' || body === null) throw new ApiError(response.status, 'NO_ANSWER');
  return 'data' in body ? body.data : undefined;
}

function noteAnswer(isAnswering: boolean): void {
  if (isAnswering || connection.peek().isAnswering) connection.value = { isAnswering, since: currentTime() };
}

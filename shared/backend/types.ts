/** The types of calls, inferred from the contracts. Nothing of this file is left after compilation. */
import type { z } from 'zod';
import type { emitApi, emitItem } from '../contracts/emit-api.js';

type Routes = (typeof emitApi)['routes'];

/** The `data` of the answer of a route; `undefined`: there is none. */
export type AnswerOf<Route> = Route extends { answer: infer A extends z.ZodType } ? z.output<A> : undefined;

/** The same for a route of the emit API. */
export type AnswerOfRoute<R extends keyof Routes> = AnswerOf<Routes[R]>;

type Item = z.input<typeof emitItem>;

/** Where an event goes: a namespace, or `*` for all of users. */
type EmitTarget = NonNullable<Item['namespace']>;

/** Options of an emit. */
export interface EmitOptions {
  /** `/v1/shared` by default. */
  readonly namespace?: EmitTarget;
}

/** Options of a durable emit. */
export interface DurableOptions extends EmitOptions {
  /** Names the event; the same key within 24 hours sends nothing again. Absent: made for each call. */
  readonly idempotencyKey?: string;
  /** The message is not delivered after so many seconds. */
  readonly ttlSeconds?: number;
  /** Shown by push when no device has acknowledged the message. */
  readonly push?: boolean;
  /** Milliseconds until then. */
  readonly pushAfterMs?: number;
}

/** What became of a durable emit. */
export type DurableAnswer = { [K in keyof AnswerOfRoute<'emit'>]-?: NonNullable<AnswerOfRoute<'emit'>[K]> };

/** One event of a batch; durable ones get an idempotency key unless they have one. */
export interface BatchItem extends DurableOptions {
  readonly userId: string;
  readonly event: string;
  readonly payload?: unknown;
  readonly durable?: boolean;
}

/** Filters of {@link AnswerOfRoute} `deliveries`. */
export type DeliveriesQuery = Omit<z.input<Routes['deliveries']['query']>, 'limit'> & { readonly limit?: number };

/** What `POST /tokens/revoke` takes. */
export type Revocation = z.input<Routes['revokeTokens']['body']>;

/** What `POST /users/:userId/disconnect` takes. */
export type DisconnectOptions = NonNullable<z.input<Routes['disconnect']['body']>>;

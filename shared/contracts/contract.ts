import { z } from 'zod';
import type { CostName } from './costs.js';

/** How often a caller may send an event or call a route: `points` in each window of `windowMs`. */
export interface EventLimit {
  readonly points: number;
  readonly windowMs: number;
  /** Events and routes with the same name count together; absent: each counts on its own. */
  readonly name?: string;
  /** A retry of what is stored does not count. Only the service knows that, so it applies the limit instead of the pipeline. */
  readonly sparesRetries?: boolean;
}

/** An event that a client sends. */
export interface ClientEvent {
  readonly summary: string;
  /** Its data, the first argument. Unknown fields are dropped, so this is all a handler ever sees. */
  readonly payload: z.ZodType;
  /** `payload` describes the array of all arguments instead. */
  readonly takesAllArguments?: boolean;
  /** It comes with one binary attachment. Other events are refused when they hold binary. */
  readonly takesBinary?: boolean;
  /** The `data` of its answer; absent: the answer has none. */
  readonly answer?: z.ZodType;
  /** Scopes of which the caller needs one; absent: those of the namespace. */
  readonly scopes?: readonly string[];
  /** In addition to the limit over all events. */
  readonly limit?: EventLimit;
  /** The work that its caller pays for, in addition to the point for the event itself. */
  readonly costs?: readonly CostName[];
  /** A read: its answer is also sent to the caller as an event of the same name. */
  readonly isEchoed?: boolean;
  /** The `token` in its data is what the event is about, not a credential to check first. */
  readonly ownsToken?: boolean;
}

/** An event that the server sends: the arguments that follow its name. */
export interface ServerEvent {
  readonly summary: string;
  /** Its data, the first argument; absent: it has none. */
  readonly payload?: z.ZodType;
  /** `payload` describes the array of all arguments instead. */
  readonly takesAllArguments?: boolean;
  /** The client acknowledges it, with any value. */
  readonly isAcknowledged?: boolean;
  /** One more argument, before the acknowledgement, for clients that connected with `auth.deliveryIds`. */
  readonly header?: z.ZodType;
}

/** An answer of a route that is not JSON. */
export interface TextAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * A REST route. The body is read as JSON. Routes that backends and push sites call refuse what they do not know, in the query
 * and in a body of fixed shape: a setting that is misspelt would be lost. Those that users call ignore it, because clients of
 * other versions call them.
 */
export interface Route {
  readonly summary: string;
  /**
   * Who calls it: a backend, with an API key (when absent), a user, with their own token, a push site, with its own key, the
   * page of the console, with its cookie, or anyone, without any.
   */
  readonly caller?: 'backend' | 'user' | 'site' | 'console' | 'anyone';
  /** HTTP status of success; absent: 200. */
  readonly status?: 200 | 201;
  /** The `message` of success; absent: `SUCCESS`. */
  readonly message?: string;
  /** What success is answered with, instead of JSON. */
  readonly text?: string;
  /** What those are told who may not call, instead of JSON. */
  readonly refusals?: Readonly<Record<string, TextAnswer>>;
  /** Success is answered with a file instead of JSON. */
  readonly sendsFile?: boolean;
  /** Success is answered with what the handler sends itself: text of a media type, or JSON that is no `data`. */
  readonly sends?: 'text/plain' | 'text/html' | 'application/x-ndjson' | z.ZodType;
  /** Failures that are an answer, not a fault, by status: they are not logged. */
  readonly failures?: Readonly<Record<number, z.ZodType>>;
  /** The body may be a form (`application/x-www-form-urlencoded`) too. */
  readonly takesForm?: boolean;
  /** The event that does the same: its limit applies, and both count together. */
  readonly event?: string;
  /** Per user, in addition to the limit over all events and calls. */
  readonly limit?: EventLimit;
  /** The work that a user pays for, in addition to the point for the call itself. */
  readonly costs?: readonly CostName[];
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly params?: z.ZodType;
  /** Headers that mean something to this route alone. */
  readonly headers?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** The `data` of its answer; absent: the answer has none. */
  readonly answer?: z.ZodType;
}

/** One integration's part of the wire. Wire types only: ids and times are strings. */
export interface Contract {
  readonly name: string;
  readonly clientEvents: Readonly<Record<string, ClientEvent>>;
  readonly serverEvents: Readonly<Record<string, ServerEvent>>;
  /** What the server sends besides them, under names that others choose. */
  readonly relayed?: ServerEvent;
  readonly routes: Readonly<Record<string, Route>>;
  /** The body of a call to one of the routes that failed; absent: the general one, of `reply-schemas.ts`. */
  readonly requestFailure?: z.ZodType;
}

/** Declares a contract; what is left out is empty. */
export const defineContract = <const C extends Partial<Contract> & { name: string }>(
  contract: C,
): C & Omit<{ clientEvents: Empty; serverEvents: Empty; routes: Empty }, keyof C> => {
  const routes = Object.entries(contract.routes ?? {}).map(([name, route]) => [name, toGuarded(route)] as const);
  for (const [name, { event }] of routes) {
    if (event !== undefined && contract.clientEvents?.[event] === undefined) {
      throw new Error(`the route ${name} of ${contract.name} names an unknown event`);
    }
  }
  return { clientEvents: {}, serverEvents: {}, ...contract, routes: Object.fromEntries(routes) } as never;
};

function toGuarded(route: Route): Route {
  if (route.caller === 'user' || route.caller === 'anyone') return route;
  const body = route.body === undefined ? {} : { body: toStrict(route.body) };
  return { ...route, query: toStrict(route.query ?? z.object({})), ...body };
}

/** An object refuses unknown keys; a schema that is none stays as it is. */
function toStrict(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional) return toStrict(schema.unwrap() as z.ZodType).optional();
  return schema instanceof z.ZodObject ? schema.strict() : schema;
}

/** A limit under the name by which it is counted. */
export type NamedLimit = EventLimit & { readonly name: string };

/** The limit of an event. */
export const limitOfEvent = (event: string, { limit }: Pick<ClientEvent, 'limit'>): NamedLimit | undefined =>
  limit === undefined ? undefined : { name: `event:${event}`, ...limit };

/** The limit of a route: its own, or that of its event. */
export function limitOfRoute(route: string, { clientEvents, routes, name }: Contract): NamedLimit | undefined {
  const { event, limit } = routes[route] ?? {};
  const same = event === undefined ? undefined : clientEvents[event];
  if (event !== undefined && same !== undefined) return limitOfEvent(event, same);
  return limit === undefined ? undefined : { name: `route:${name}:${route}`, ...limit };
}

/** A limit in words. */
export const describeLimit = ({ points, windowMs }: EventLimit): string =>
  `At most ${points} of each user in ${windowMs / 1000} s.`;

type Empty = Readonly<Record<never, never>>;

/** What a handler gets: the parsed payload. */
export type PayloadOf<E extends { payload: z.ZodType }> = z.output<E['payload']>;

/** What a handler returns: a promise of the `data` of the answer, or of nothing. */
export type AnswerOf<E extends { answer?: z.ZodType }> = E extends { answer: infer A extends z.ZodType }
  ? Promise<z.input<A>>
  : Promise<void>;

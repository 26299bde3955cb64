import type { Request, Response } from 'express';
import type { z } from 'zod';
import {
  type AnswerOf,
  type Contract,
  limitOfRoute,
  type NamedLimit,
  type Route,
  type TextAnswer,
} from '#shared/contracts/contract.js';
import type { Principal } from '../auth/principal.js';
import type { GatewayError } from '../errors.js';

/** Who asked for something, for the log. */
export interface AskedBy {
  /** The name of the API key. `undefined` for users and sites, and for callers without a key where none is needed. */
  readonly apiKey: string | undefined;
  /** Of the header `X-Request-Id`: sent by the caller, or made. */
  readonly requestId: string;
}

/** A parsed REST request. */
interface RouteContext<R extends Route> extends AskedBy {
  readonly params: Parsed<R, 'params'>;
  readonly query: Parsed<R, 'query'>;
  readonly body: Parsed<R, 'body'>;
  /** The caller; anonymous for backends. */
  readonly principal: Principal;
  /** The span of the call, for what it causes; `undefined` while tracing is off. */
  readonly traceparent: string | undefined;
  readonly request: Request;
  readonly response: Response;
  /** Whether the credential of the caller is still valid: streams outlive it. Of routes for backends only. */
  readonly isStillValid: (request: Request) => boolean;
}

type Parsed<R extends Route, Part extends 'params' | 'query' | 'body'> = R[Part] extends z.ZodType
  ? z.output<R[Part]>
  : undefined;

/** A handler for every route of a contract. Its return value becomes `{ success, message, data }`. */
export type RouteHandlers<C extends Pick<Contract, 'routes'>> = {
  readonly [Name in keyof C['routes']]: (call: RouteContext<C['routes'][Name]>) => AnswerOf<C['routes'][Name]>;
};

/** How an integration's routes authenticate callers and format errors. */
export interface RouteOptions<Failure = unknown> {
  /** Authenticates the caller of a user route. @throws GatewayError */
  readonly authenticate?: (request: Request) => Promise<Principal>;
  /**
   * Authenticates the caller of a site route, before the body is read.
   * @returns the response that refuses the call; `undefined`: allowed
   */
  readonly authorize?: (request: Request) => TextAnswer | undefined;
  /** The body of an error response, as declared in the contract; absent: the default format. */
  readonly toFailure?: (error: GatewayError) => Failure;
}

/** A route and its handler. */
export interface MountedRoute extends RouteOptions {
  readonly route: Route;
  /** Per user, in addition to the limit over all events and calls. */
  readonly limit: NamedLimit | undefined;
  readonly handle: (call: never) => Promise<unknown>;
}

type FailureOf<C extends Contract> = C['requestFailure'] extends z.ZodType ? z.input<C['requestFailure']> : unknown;

/** Connects a contract's routes to their handlers. */
export function mountRoutes<C extends Contract>(
  contract: C,
  handlers: RouteHandlers<C>,
  options: RouteOptions<FailureOf<C>> = {},
): MountedRoute[] {
  if ((contract.requestFailure === undefined) !== (options.toFailure === undefined)) {
    throw new Error(`${contract.name} declares a different error format than its routes use`);
  }
  return Object.entries<Route>(contract.routes).map(([name, route]) => {
    const handle = (handlers as Record<string, MountedRoute['handle']>)[name];
    if (handle === undefined) throw new Error(`${contract.name} has no handler for the route ${name}`);
    if (route.caller === 'user' && options.authenticate === undefined) {
      throw new Error(`the user route ${name} of ${contract.name} has no authentication`);
    }
    if (route.caller === 'site' && options.authorize === undefined) {
      throw new Error(`the site route ${name} of ${contract.name} has no authentication`);
    }
    return { ...options, route, handle, limit: limitOfRoute(name, contract) };
  });
}

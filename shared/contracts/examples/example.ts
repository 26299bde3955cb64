import type { z } from 'zod';
import type { ClientEvent, Contract, Route, ServerEvent } from '../contract.js';

/** A payload of an event, and the `data` of its answer. */
export interface EventExample {
  readonly payload?: unknown;
  readonly answer?: unknown;
}

/** A call of a route. */
export interface RouteExample {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  /** The `data` of the answer. */
  readonly answer?: unknown;
  /** The whole response, where it is no `data`. */
  readonly sends?: unknown;
  /** Responses to failed calls that are answers, by status. */
  readonly failures?: Readonly<Record<number, unknown>>;
}

/** One example for every payload, parameter and answer of a contract, by the names of the contract. */
export interface ContractExamples {
  readonly clientEvents: Readonly<Record<string, EventExample>>;
  readonly serverEvents: Readonly<Record<string, EventExample>>;
  readonly routes: Readonly<Record<string, RouteExample>>;
  /** An event under a name that others choose. */
  readonly relayed?: { readonly event: string; readonly payload: unknown };
}

/** The parts of a declaration that have a schema, each with a value that its schema accepts. */
type ValuesOf<Declared, Part extends string> = {
  readonly [P in Part & keyof Declared as Declared[P] extends z.ZodType ? P : never]: z.input<
    Extract<Declared[P], z.ZodType>
  >;
};

type EventExamples<Events extends Readonly<Record<string, ClientEvent | ServerEvent>>> = {
  readonly [Name in keyof Events]: ValuesOf<Events[Name], 'payload' | 'answer'>;
};

type RouteExamples<Routes extends Readonly<Record<string, Route>>> = {
  readonly [Name in keyof Routes]: ValuesOf<
    Routes[Name],
    'params' | 'query' | 'headers' | 'body' | 'answer' | 'sends'
  > & { readonly sends?: unknown; readonly failures?: Readonly<Record<number, unknown>> };
};

/** Required where the contract has such a part. */
type Part<Name extends string, Examples> = keyof Examples extends never
  ? Readonly<Partial<Record<Name, Examples>>>
  : Readonly<Record<Name, Examples>>;

type ExamplesOf<C extends Contract> = Part<'clientEvents', EventExamples<C['clientEvents']>> &
  Part<'serverEvents', EventExamples<C['serverEvents']>> &
  Part<'routes', RouteExamples<C['routes']>> &
  (C extends { relayed: { payload: infer P extends z.ZodType } }
    ? { readonly relayed: { readonly event: string; readonly payload: z.input<P> } }
    : unknown);

/**
 * Declares the examples of a contract. A missing one does not compile, nor does one of the wrong type; a test checks the
 * rest against the schemas.
 */
export const defineExamples = <C extends Contract>(_contract: C, examples: ExamplesOf<C>): ContractExamples => ({
  clientEvents: {},
  serverEvents: {},
  routes: {},
  ...examples,
});

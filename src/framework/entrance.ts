import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Route } from '#shared/contracts/contract.js';

/** A call that came in through an {@link Entrance}, after it was answered. */
export interface EnteredCall {
  readonly request: IncomingMessage;
  readonly requestId: string;
  readonly route: Route;
  /** Parsed; absent when the call failed before. */
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
  /** HTTP status of the answer. */
  readonly status: number;
}

/**
 * A part of the URL space that has its own credential. It decides who comes in, and hands calls on to the routes of all
 * integrations.
 */
export interface Entrance {
  /** Whether a request belongs to it. Called for every request. @param url as received, not decoded */
  isOf(url: string): boolean;
  /**
   * Answers a request, or changes its URL to that of a route.
   * @param address the key by which limits count the client
   * @returns whether it answers the request
   * @throws GatewayError when the caller may not come in
   */
  enter(request: IncomingMessage, response: ServerResponse, address: string): boolean;
  /**
   * The name of a caller who came in here, for the log. Called for every call of a route, before its body is read.
   * @returns `undefined` for a caller who came another way, or whom the route authenticates itself
   * @throws GatewayError when the caller may not call this route
   */
  callerOf(request: IncomingMessage, route: Route): string | undefined;
  /** Whether the credential of a caller who came in here is still valid; `undefined`: the caller came another way. */
  isStillValid(request: IncomingMessage): boolean | undefined;
  /** Called after a call of {@link callerOf} with a name was answered. */
  answered(call: EnteredCall): void;
}

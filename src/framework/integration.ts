import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import {
  type AnswerOf,
  type ClientEvent,
  type Contract,
  limitOfRoute,
  type NamedLimit,
  type PayloadOf,
  type Route,
  type TextAnswer,
} from '#shared/contracts/contract.js';
import type { Principal } from '../auth/principal.js';
import type { Handshake } from '../auth/token-sources.js';
import type { GatewayError } from '../errors.js';
import type { OutgoingEvent } from '../realtime/emitter.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';

/**
 * The socket of an event, for its handler: principal and rooms. Handlers join rooms only after a service granted
 * access.
 */
export interface EventContext {
  readonly principal: Principal;
  readonly socketId: string;
  readonly namespace: string;
  /** The rooms that the socket is in. */
  readonly rooms: ReadonlySet<string>;
  enter(room: string): void;
  leave(room: string): void;
  /** Sends an event to this socket only. */
  send(outgoing: OutgoingEvent): void;
  /** Replaces the credential by a newer one of the same user. @throws GatewayError `INVALID_TOKEN` */
  renew(token: string): Promise<void>;
}

/** A handler for every event of a contract. A missing or unknown one does not compile. */
export type Handlers<C extends Pick<Contract, 'clientEvents'>> = {
  readonly [Name in keyof C['clientEvents']]: (
    data: PayloadOf<C['clientEvents'][Name]>,
    context: EventContext,
  ) => AnswerOf<C['clientEvents'][Name]>;
};

/** A parsed REST request. */
export interface RouteContext<R extends Route> {
  readonly params: Parsed<R, 'params'>;
  readonly query: Parsed<R, 'query'>;
  readonly body: Parsed<R, 'body'>;
  /** The caller; anonymous for backends. */
  readonly principal: Principal;
  /** The name of the API key, for the log. `undefined` for users and sites, and for callers without a key where none is needed. */
  readonly apiKey: string | undefined;
  /** Of the header `X-Request-Id`: sent by the caller, or made. */
  readonly requestId: string;
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

/** A namespace and its authentication. Declared by one integration; others may mount events on it. */
export interface Namespace {
  readonly name: string;
  /** A user needs one of these scopes to connect, and again for each event. Empty: none is needed. */
  readonly scopes: readonly string[];
  /** @throws GatewayError, sent to the client as `connect_error` */
  authenticate(handshake: Handshake): Principal | Promise<Principal>;
  /**
   * Rooms that a socket joins on connect, besides its user's own room.
   * @throws GatewayError to refuse the connection
   */
  roomsOf?(principal: Principal, handshake: Handshake): readonly string[] | Promise<readonly string[]>;
  /**
   * Format of a refusal; absent: the code. A client of Socket.IO 2 gets the `data` of the error, or else its message.
   */
  readonly toRefusal?: (error: GatewayError, isOldClient: boolean) => Error;
  /** Closes refused connections, unless they are in another namespace. */
  readonly closesRefused?: boolean;
}

/** Format of replies. The default is in `framework/reply.ts`. */
export interface ReplyFormat {
  /** The acknowledgement of a successful event. */
  toSuccess(data: unknown): unknown;
  /** The acknowledgement of a failed event. */
  toFailure(error: GatewayError): unknown;
  /** The event that reports a failure; `undefined` when the acknowledgement suffices. */
  toErrorEvent(error: GatewayError, call: FailedCall): OutgoingEvent | undefined;
}

/** A failed event. */
export interface FailedCall {
  readonly event: string;
  /** As the client sent it. */
  readonly data: unknown;
  readonly isAcknowledged: boolean;
}

/**
 * Events that an integration adds to one or more namespaces. Integrations may share a namespace if their events do not
 * collide.
 */
export interface Mount {
  readonly namespaces: readonly string[];
  readonly events: Readonly<Record<string, MountedEvent>>;
  /** Absent: the default format. */
  readonly replyFormat?: ReplyFormat;
}

/** Users who share something with a user. */
export interface Contacts {
  readonly userIds: readonly string[];
  /** Rooms of whole groups of such users. */
  readonly rooms: readonly string[];
}

/** A client event and its handler. */
export interface MountedEvent {
  readonly event: ClientEvent;
  readonly handle: (data: never, context: EventContext) => Promise<unknown>;
}

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

/** A call that came in through an {@link Entrance}, after it was answered. */
export interface EnteredCall {
  readonly request: IncomingMessage;
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

/** A user who has come online or gone offline. */
export interface PresentUser {
  readonly userId: string;
  /** `''` when the user has none. */
  readonly accountId: string;
}

/** What every folder of `integrations` exports: contracts with their handlers, and lifecycle hooks. */
export interface Integration {
  readonly name: string;
  /** Namespaces that it declares. */
  readonly namespaces?: readonly Namespace[];
  readonly mounts?: readonly Mount[];
  readonly routes?: readonly MountedRoute[];
  readonly entrance?: Entrance;
  readonly listener?: SocketListener;
  /** Called when sockets were registered as present, on their node. */
  readonly onSocketsPresent?: (sockets: readonly GatewaySocket[]) => Promise<void>;
  /**
   * Called when the first socket of each of these users on any node is present, on the node of the socket. After an outage of
   * Redis it may be called for users who were online before.
   */
  readonly onUsersOnline?: (users: readonly PresentUser[]) => Promise<void>;
  /** Called when each of these users had no socket on any node for the grace time, on one node. */
  readonly onUsersOffline?: (users: readonly PresentUser[]) => Promise<void>;
  /** Users to notify when the user comes online or goes offline. */
  readonly contactsOf?: (userId: string) => Promise<Contacts>;
  /** Starts background work. @returns stops it; called while the database is still reachable */
  start?(): () => Promise<void>;
}

/** Connects a contract's events to their handlers on the given namespaces. */
export function mountEvents<C extends Contract>(
  contract: C,
  handlers: Handlers<C>,
  where: Pick<Mount, 'namespaces' | 'replyFormat'>,
): Mount {
  const events = Object.entries(contract.clientEvents).map(([name, event]) => {
    const handle = (handlers as Record<string, MountedEvent['handle']>)[name];
    if (handle === undefined) throw new Error(`${contract.name} has no handler for ${name}`);
    return [name, { event, handle }] as const;
  });
  return { ...where, events: Object.fromEntries(events) };
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

import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { AnswerOf, ClientEvent, Contract, PayloadOf, Route, TextAnswer } from '#shared/contracts/contract.js';
import type { Principal } from '../auth/principal.js';
import type { Handshake } from '../auth/token-sources.js';
import type { GatewayError } from '../errors.js';
import type { OutgoingEvent } from '../realtime/emitter.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';

/** One event of one socket, as a handler sees it: who, and which rooms. Rooms are entered only after a service said yes. */
export interface EventContext {
  readonly principal: Principal;
  readonly socketId: string;
  readonly namespace: string;
  /** The rooms that the socket is in. */
  readonly rooms: ReadonlySet<string>;
  enter(room: string): void;
  leave(room: string): void;
  /** Sends an event to this socket alone. */
  send(outgoing: OutgoingEvent): void;
  /** Puts a newer credential of the same user in the place of the old one. @throws GatewayError `INVALID_TOKEN` */
  renew(token: string): Promise<void>;
}

/** A handler for every event of a contract; a missing or unknown one does not compile. */
export type Handlers<C extends Pick<Contract, 'clientEvents'>> = {
  readonly [Name in keyof C['clientEvents']]: (
    data: PayloadOf<C['clientEvents'][Name]>,
    context: EventContext,
  ) => AnswerOf<C['clientEvents'][Name]>;
};

/** One REST call, parsed. */
export interface RouteContext<R extends Route> {
  readonly params: Parsed<R, 'params'>;
  readonly query: Parsed<R, 'query'>;
  readonly body: Parsed<R, 'body'>;
  /** The caller; anonymous for backends. */
  readonly principal: Principal;
  readonly request: Request;
  readonly response: Response;
}

type Parsed<R extends Route, Part extends 'params' | 'query' | 'body'> = R[Part] extends z.ZodType
  ? z.output<R[Part]>
  : undefined;

/** A handler for every route of a contract. What it returns becomes `{ success, message, data }`. */
export type RouteHandlers<C extends Pick<Contract, 'routes'>> = {
  readonly [Name in keyof C['routes']]: (call: RouteContext<C['routes'][Name]>) => AnswerOf<C['routes'][Name]>;
};

/** A namespace: who may enter it. Declared by one integration; others may mount events on it too. */
export interface Namespace {
  readonly name: string;
  /** Scopes of which a user needs one to enter, and again for each event. Empty: none is needed. */
  readonly scopes: readonly string[];
  /** @throws GatewayError which the client gets as its `connect_error` */
  authenticate(handshake: Handshake): Principal | Promise<Principal>;
  /**
   * The rooms that a socket is in from its first moment, beside those of its own user.
   * @throws GatewayError when it may not enter after all
   */
  roomsOf?(principal: Principal, handshake: Handshake): readonly string[] | Promise<readonly string[]>;
  /** The words of a refusal; absent: the code. A client of Socket.IO 2 gets the `data` of the error, or else its words. */
  readonly toRefusal?: (error: GatewayError, isOldClient: boolean) => Error;
  /** A connection that was refused is closed, unless it is in another namespace. */
  readonly closesRefused?: boolean;
}

/** How answers are worded. The general one is in `transport/reply.ts`. */
export interface Dialect {
  /** The acknowledgement of an event that succeeded. */
  toSuccess(data: unknown): unknown;
  /** The acknowledgement of an event that failed. */
  toFailure(error: GatewayError): unknown;
  /** The event that tells of a failure; `undefined` when the acknowledgement says enough. */
  toErrorEvent(error: GatewayError, call: FailedCall): OutgoingEvent | undefined;
}

/** What is known of an event that failed. */
export interface FailedCall {
  readonly event: string;
  /** As the client sent it. */
  readonly data: unknown;
  readonly isAcknowledged: boolean;
}

/** What an integration adds to one or more namespaces. Several may share a namespace; their events must not collide. */
export interface Mount {
  readonly namespaces: readonly string[];
  readonly events: Readonly<Record<string, MountedEvent>>;
  /** Absent: the general one. */
  readonly dialect?: Dialect;
}

/** People with whom a user shares something. */
export interface Acquaintances {
  readonly userIds: readonly string[];
  /** Rooms of whole groups of them. */
  readonly rooms: readonly string[];
}

/** A client event with the function that does it. */
export interface MountedEvent {
  readonly event: ClientEvent;
  readonly handle: (data: never, context: EventContext) => Promise<unknown>;
}

/** How the routes of an integration know their callers, and word what went wrong. */
export interface RouteManner<Failure = unknown> {
  /** Authenticates the caller of a user route. @throws GatewayError */
  readonly authenticate?: (request: Request) => Promise<Principal>;
  /**
   * Who calls a route that is for sites: asked before anything of the body is read.
   * @returns the answer that refuses the call; `undefined`: allowed
   */
  readonly admit?: (request: Request) => TextAnswer | undefined;
  /** The body of an answer that is an error, as the contract declares it; absent: the general one. */
  readonly toFailure?: (error: GatewayError) => Failure;
}

/** A route with the function that does it. */
export interface MountedRoute extends RouteManner {
  readonly route: Route;
  readonly handle: (call: never) => Promise<unknown>;
}

/** What every folder of `integrations` exports: its part of the wire, tied to what does it. */
export interface Integration {
  readonly name: string;
  /** The namespaces that it opens. */
  readonly namespaces?: readonly Namespace[];
  readonly mounts?: readonly Mount[];
  readonly routes?: readonly MountedRoute[];
  readonly listener?: SocketListener;
  /**
   * A socket of a user counts as present. Called on its node.
   * @param isFirst the user had none anywhere; `onUserOnline` is called too
   */
  readonly onSocketPresent?: (socket: GatewaySocket, isFirst: boolean) => Promise<void>;
  /** A user has their first socket anywhere. Called on the node of the socket. */
  readonly onUserOnline?: (user: { userId: string; accountId: string }) => Promise<void>;
  /** A user has had no socket anywhere for the grace time. Called on one node. */
  readonly onUserOffline?: (user: { userId: string; accountId: string }) => Promise<void>;
  /** With whom a user shares something here; they are told when the user comes and goes. */
  readonly acquaintancesOf?: (userId: string) => Promise<Acquaintances>;
  /** Begins what it does by itself. @returns ends it; called while the database can still be reached */
  start?(): () => Promise<void>;
}

/** Ties a contract's events to their handlers on the given namespaces. */
export function mountEvents<C extends Contract>(
  contract: C,
  handlers: Handlers<C>,
  where: Pick<Mount, 'namespaces' | 'dialect'>,
): Mount {
  const events = Object.entries(contract.clientEvents).map(([name, event]) => {
    const handle = (handlers as Record<string, MountedEvent['handle']>)[name];
    if (handle === undefined) throw new Error(`${contract.name} has no handler for ${name}`);
    return [name, { event, handle }] as const;
  });
  return { ...where, events: Object.fromEntries(events) };
}

type FailureOf<C extends Contract> = C['requestFailure'] extends z.ZodType ? z.input<C['requestFailure']> : unknown;

/** Ties a contract's routes to their handlers. */
export function mountRoutes<C extends Contract>(
  contract: C,
  handlers: RouteHandlers<C>,
  manner: RouteManner<FailureOf<C>> = {},
): MountedRoute[] {
  if ((contract.requestFailure === undefined) !== (manner.toFailure === undefined)) {
    throw new Error(`${contract.name} declares another form of failures than its routes have`);
  }
  return Object.entries<Route>(contract.routes).map(([name, route]) => {
    const handle = (handlers as Record<string, MountedRoute['handle']>)[name];
    if (handle === undefined) throw new Error(`${contract.name} has no handler for the route ${name}`);
    if (route.caller === 'user' && manner.authenticate === undefined) {
      throw new Error(`the user route ${name} of ${contract.name} has no authentication`);
    }
    if (route.caller === 'site' && manner.admit === undefined) {
      throw new Error(`the site route ${name} of ${contract.name} has no authentication`);
    }
    return { ...manner, route, handle };
  });
}

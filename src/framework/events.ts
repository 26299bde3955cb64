import type { AnswerOf, ClientEvent, Contract, PayloadOf } from '#shared/contracts/contract.js';
import type { Principal } from '../auth/principal.js';
import type { GatewayError } from '../errors.js';
import type { OutgoingEvent } from '../realtime/emitter.js';

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
interface FailedCall {
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

/** A client event and its handler. */
export interface MountedEvent {
  readonly event: ClientEvent;
  readonly handle: (data: never, context: EventContext) => Promise<unknown>;
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

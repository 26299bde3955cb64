import type { ConnectionState } from './connection.js';
import type { GatewayClientError } from './error.js';
import type { MessageCounters } from './inbox.js';
import type { AnyNamespace, ApplicationEvents, EmitAnswer, EmitArgs, EmitName, EventArgs, EventName } from './types.js';

/** What a page shows. A new object at each change. */
export interface ClientStatus {
  readonly state: ConnectionState;
  /** Why the client is not online. */
  readonly reason: GatewayClientError | undefined;
  readonly messages: MessageCounters;
}

/** A namespace of a gateway. */
export interface GatewayClient<N extends AnyNamespace, A extends ApplicationEvents> {
  readonly status: ClientStatus;
  readonly deviceId: string;
  /** Calls back after each change of the status. @returns ends it */
  subscribe(listener: () => void): () => void;
  /**
   * Sends an event and waits for its answer; without a connection, for the connection first.
   * @returns the `data` of the answer @throws GatewayClientError
   */
  emit<E extends EmitName<N>>(event: E, ...args: EmitArgs<N, E>): Promise<EmitAnswer<N, E>>;
  /**
   * Handles an event, whether it comes live or waited for the device. A durable message is acknowledged when the promises of
   * all handlers of its event have resolved, and comes again when one rejects. @returns ends it
   */
  on<E extends EventName<N, A>>(event: E, handler: (...args: EventArgs<N, A, E>) => unknown): () => void;
  /** Handles the events of backends and websites that have no handler of their own. @returns ends it */
  onOther(handler: (event: string, ...args: unknown[]) => unknown): () => void;
  /** Tries at once, also after a refusal. */
  reconnect(): void;
  /** Ends the connection for good. */
  close(): void;
}

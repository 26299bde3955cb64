import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.js';
import type { Session } from './cookie.js';

/** A request that came in through the console. */
export interface Visit {
  /** `undefined`: it has none. */
  readonly session: Session | undefined;
  /** Whether the session is valid now: not over, and its key is still in force. */
  readonly isStillValid: () => boolean;
  /** Whether it comes from a page of this gateway. */
  readonly isFromOwnPage: boolean;
  readonly isSecure: boolean;
  /** The key by which limits count its client. */
  readonly address: string;
  /** Whether it is for a route of the console itself. */
  readonly isOwn: boolean;
}

/** The requests that came in, until they are answered. */
export class Visits {
  readonly #byRequest = new WeakMap<IncomingMessage, Visit>();

  add(request: IncomingMessage, visit: Visit): void {
    this.#byRequest.set(request, visit);
  }

  /** `undefined` for a request that came another way. */
  of(request: IncomingMessage): Visit | undefined {
    return this.#byRequest.get(request);
  }

  /** @throws GatewayError `NOT_FOUND` for a request to a route of the console that came another way, such as by another spelling */
  ensure(request: IncomingMessage): Visit {
    const visit = this.of(request);
    if (visit === undefined) throw new GatewayError('NOT_FOUND');
    return visit;
  }
}

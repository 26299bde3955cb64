import { backoffMs, type ClientClock } from './clock.js';
import { GatewayClientError, toError } from './error.js';

interface Dependencies {
  readonly clock: ClientClock;
  readonly random: () => number;
  token(): Promise<string>;
  /** Sends `refresh_token`. */
  renew(token: string): Promise<unknown>;
  report(problem: GatewayClientError): void;
}

/**
 * Renews the token of an open connection when the gateway says that it is about to expire. It goes by the seconds that the
 * gateway tells, so the clock of the device does not matter. What fails is tried again until the connection is gone; then
 * the reconnect asks for a token anyway.
 */
export class TokenRenewal {
  readonly #dependencies: Dependencies;
  #cancel: (() => void) | undefined;
  /** The token that the gateway knows. */
  #current: string | undefined;
  #round = 0;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** A token for the handshake. */
  async first(): Promise<string> {
    this.stop();
    this.#current = await this.#dependencies.token();
    return this.#current;
  }

  /** The gateway has warned. */
  begin(): void {
    this.stop();
    void this.#attempt(this.#round, 0);
  }

  stop(): void {
    this.#cancel?.();
    this.#round += 1;
  }

  async #attempt(round: number, attempt: number): Promise<void> {
    const { clock, random, token, renew, report } = this.#dependencies;
    try {
      const next = await token();
      if (round !== this.#round) return;
      // The gateway would take it, and warn at once again.
      if (next === this.#current) throw new GatewayClientError('TOKEN_UNAVAILABLE', 'token() returned the same token');
      await renew(next);
      this.#current = next;
    } catch (thrown) {
      if (round !== this.#round) return;
      report(toError('TOKEN_UNAVAILABLE', thrown));
      this.#cancel = clock.after(backoffMs(attempt + 1, random), () => void this.#attempt(round, attempt + 1));
    }
  }
}

import type { Socket } from 'socket.io-client';
import type { ClientClock } from './clock.js';
import { GatewayClientError, toClientError } from './error.js';

/** Whether a client can send. */
export interface Readiness {
  readonly isOpen: boolean;
  /** Why no connection will come by itself; `undefined`: one can come. */
  readonly refusal: GatewayClientError | undefined;
  /** Why there is none now. */
  readonly reason: GatewayClientError | undefined;
}

interface Dependencies {
  readonly clock: ClientClock;
  readonly timeoutMs: number;
  readonly socket: () => Socket;
  readonly readiness: () => Readiness;
  /** Calls back after each change of the readiness. @returns ends it */
  subscribe(listener: () => void): () => void;
}

/** Sends events that are answered, with a time limit for the connection and the answer together. */
export class Calls {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** Waits for a connection, then sends. @returns the `data` of the answer @throws GatewayClientError */
  async make(event: string, args: readonly unknown[]): Promise<unknown> {
    const { clock, timeoutMs } = this.#dependencies;
    const deadline = clock.now() + timeoutMs;
    await this.#online();
    return this.send(event, args, Math.max(0, deadline - clock.now()));
  }

  /** Sends on the present connection. @returns the `data` of the answer @throws GatewayClientError */
  send(event: string, args: readonly unknown[], timeoutMs = this.#dependencies.timeoutMs): Promise<unknown> {
    const { clock, socket } = this.#dependencies;
    return new Promise((resolve, reject) => {
      const cancel = clock.after(timeoutMs, () =>
        reject(new GatewayClientError('TIMEOUT', `${event} was not answered within the time limit`)),
      );
      const settle = (lost: Error | null, answer: unknown): void => {
        cancel();
        if (lost !== null) return void reject(new GatewayClientError('CONNECTION_LOST', lost.message));
        if ((answer as { success?: unknown } | null)?.success !== true) return void reject(toClientError(answer));
        resolve((answer as { data?: unknown }).data);
      };
      // The limit of Socket.IO makes it report a lost connection, and drop what it has not sent.
      socket()
        .timeout(timeoutMs + 1)
        .emit(event, ...args, settle);
    });
  }

  /** Resolves when there is a connection. @throws GatewayClientError `OFFLINE` after the time limit */
  #online(): Promise<void> {
    const { clock, timeoutMs, readiness, subscribe } = this.#dependencies;
    return new Promise((resolve, reject) => {
      let end = (): void => undefined;
      const look = (): void => {
        const { isOpen, refusal } = readiness();
        if (!isOpen && refusal === undefined) return;
        end();
        if (isOpen) resolve();
        else reject(refusal);
      };
      const cancel = clock.after(timeoutMs, () => {
        end();
        const cause = readiness().reason;
        reject(new GatewayClientError('OFFLINE', 'no connection within the time limit', { cause }));
      });
      const unsubscribe = subscribe(look);
      end = () => {
        cancel();
        unsubscribe();
      };
      look();
    });
  }
}

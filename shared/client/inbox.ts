import { backoffMs, type ClientClock } from './clock.js';
import { GatewayClientError, toError } from './error.js';
import type { HandledIds } from './storage.js';

/** How many durable messages there were since the client was created. */
export interface MessageCounters {
  /** Handled by the application and acknowledged. */
  readonly handled: number;
  /** Came again after they had been handled: acknowledged, and not given to the application. */
  readonly repeated: number;
  /** Attempts in which a handler failed. */
  readonly failed: number;
  /** Have come and are not handled: in a handler, behind it, before another attempt, or without a handler. */
  readonly waiting: number;
}

/** A durable message that has come. */
interface Message {
  readonly event: string;
  readonly args: readonly unknown[];
  /** `undefined` from a gateway that does not tell ids. */
  readonly id: string | undefined;
  /** Acknowledges the message, or its part of a batch. */
  readonly settle: () => void;
  /** Failed attempts. */
  failures: number;
}

interface Dependencies {
  readonly handled: HandledIds;
  readonly clock: ClientClock;
  readonly random: () => number;
  /** Gives a message to the application. @returns `undefined`: there is no handler */
  dispatch(event: string, args: readonly unknown[]): Promise<unknown> | undefined;
  report(problem: GatewayClientError): void;
  /** The counters have changed. */
  changed(): void;
}

/**
 * Gives durable messages to the application, one after the other in the order in which they came, and acknowledges each once
 * its handler is done. A message whose handler fails is tried again after a pause, without holding up those behind it.
 */
export class Inbox {
  readonly #dependencies: Dependencies;
  #queue: Message[] = [];
  /** Messages of events without a handler. */
  #unclaimed: Message[] = [];
  /** Failed messages, with what cancels their next attempt. */
  readonly #retries = new Map<Message, () => void>();
  #isHandling = false;
  #counters = { handled: 0, repeated: 0, failed: 0 };

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  get counters(): MessageCounters {
    const kept = this.#queue.length + this.#unclaimed.length + this.#retries.size;
    return { ...this.#counters, waiting: kept + (this.#isHandling ? 1 : 0) };
  }

  /** A live message. @param header what the gateway sends about it */
  take([event, ...args]: readonly [string, ...unknown[]], acknowledge: () => void): void {
    const header = args.at(-1);
    const isTold = isHeader(header, 'deliveryId');
    const id = isTold ? String(header['deliveryId']) : undefined;
    this.#add([{ event, args: isTold ? args.slice(0, -1) : args, id, settle: acknowledge, failures: 0 }]);
  }

  /** A `_batch`, acknowledged as a whole once each of its messages is. */
  takeBatch(contents: readonly (readonly [string, ...unknown[]])[], header: unknown, acknowledge: () => void): void {
    const ids = isHeader(header, 'deliveryIds') ? (header['deliveryIds'] as readonly string[]) : [];
    let open = contents.length;
    const settle = (): void => {
      open -= 1;
      if (open === 0) acknowledge();
    };
    this.#add(contents.map(([event, ...args], index) => ({ event, args, id: ids[index], settle, failures: 0 })));
  }

  /** A handler for an event was registered. */
  claim(): void {
    const messages = this.#unclaimed;
    this.#unclaimed = [];
    if (messages.length > 0) this.#add(messages);
  }

  /** The connection is gone: what was not begun comes again. */
  clear(): void {
    this.#queue = [];
    this.#unclaimed = [];
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
    this.#dependencies.changed();
  }

  #add(messages: readonly Message[]): void {
    this.#queue.push(...messages);
    this.#dependencies.changed();
    if (!this.#isHandling) void this.#run();
  }

  async #run(): Promise<void> {
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      this.#isHandling = true;
      await this.#handle(message);
      this.#isHandling = false;
      this.#dependencies.changed();
    }
  }

  async #handle(message: Message): Promise<void> {
    const { handled, dispatch, report } = this.#dependencies;
    const { event, args, id, settle } = message;
    // Looked up in its turn: the same message may have been handled while this copy waited.
    if (id !== undefined && handled.has(id)) {
      this.#counters.repeated += 1;
      return settle();
    }
    try {
      const work = dispatch(event, args);
      if (work === undefined) {
        this.#unclaimed.push(message);
        return report(new GatewayClientError('NO_HANDLER', `a durable message waits for a handler of ${event}`));
      }
      await work;
    } catch (thrown) {
      this.#counters.failed += 1;
      this.#retry(message);
      return report(toError('HANDLER_FAILED', thrown));
    }
    this.#counters.handled += 1;
    // Remembered before it is acknowledged: an acknowledgement can be lost, and then the message comes again.
    if (id !== undefined) handled.add(id);
    settle();
  }

  #retry(message: Message): void {
    const { clock, random } = this.#dependencies;
    const delayMs = backoffMs(message.failures, random);
    message.failures += 1;
    const again = (): void => {
      this.#retries.delete(message);
      this.#add([message]);
    };
    this.#retries.set(message, clock.after(delayMs, again));
  }
}

/** Whether a value is what the gateway adds for clients that ask for ids, and not an argument of the sender. */
const isHeader = (value: unknown, key: string): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && key in value && Object.keys(value).length === 1;

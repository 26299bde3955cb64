import { backoffMs, type ClientClock, systemClock } from './clock.js';
import { type GatewayClientError, toError } from './error.js';
import { added as listening } from './handlers.js';

/** How long changes are gathered before the list is read again because of them; the second half at random. */
const CHECK_MS = 2000;

/** A change of the items that came live. It must work more than once on the same items. */
export type Change<T> = (items: readonly T[]) => readonly T[];

/** What a live view needs of a client. */
export interface ViewClient {
  readonly status: { readonly state: string };
  subscribe(listener: () => void): () => void;
}

/** Takes what comes live. */
export interface Live<T> {
  isShown(id: string): boolean;
  apply(change: Change<T>): void;
  /** Something changed that the event does not tell: what is shown is read again, soon. */
  check(): void;
}

/** Where the items of a view come from. */
export interface ViewSource<T> {
  readonly client: ViewClient;
  readonly clock?: ClientClock | undefined;
  readonly random?: (() => number) | undefined;
  /** Listens to changes. @returns ends it */
  listen(live: Live<T>): () => void;
  /** Runs before the first read on a new connection. */
  enter?(): Promise<unknown>;
}

/** What a read found. */
export interface Items<T> {
  readonly items: readonly T[];
  /** There are more behind those that are shown. */
  readonly hasMore: boolean;
}

/** How the pages of a view are read and put together. */
export interface ViewReads<T> {
  /** Reads one more page. @returns what is shown, with it */
  more(shown: readonly T[]): Promise<(shown: readonly T[]) => Items<T>>;
  /** Reads again what is shown. @returns the new items, given those that are shown by then */
  again(shown: readonly T[]): Promise<(shown: readonly T[]) => Items<T>>;
}

/** The state and the calls that every view has. */
export interface View {
  /** All that the server had since the last connect is in the list. */
  readonly isCurrent: boolean;
  /** Why the last attempt to catch up failed; it is repeated if that can help. */
  readonly problem: GatewayClientError | undefined;
  /** Calls back after each change. @returns ends it */
  subscribe(listener: () => void): () => void;
  /** Reads again all that is shown, as after each connect. @throws GatewayClientError */
  refresh(): Promise<void>;
  close(): void;
}

/**
 * Shows items of the server and keeps them equal to its own. After each connect it reads again what is shown, because items
 * may have changed meanwhile. A change that comes during a read is applied once more to its result: the server may have
 * read before it sent the change.
 */
export class LiveView<T extends { readonly _id: string }> implements View, Items<T> {
  items: readonly T[] = [];
  hasMore = false;
  isCurrent = false;
  problem: GatewayClientError | undefined;
  readonly #source: ViewSource<T>;
  readonly #reads: ViewReads<T>;
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #listeners = new Set<() => void>();
  readonly #ends: (() => void)[];
  /** What came since a read began; `undefined` between reads. */
  #recorded: Change<T>[] | undefined;
  /** One read at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #isOnline = false;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;
  #isClosed = false;

  constructor(source: ViewSource<T>, reads: ViewReads<T>) {
    this.#source = source;
    this.#reads = reads;
    this.#clock = source.clock ?? systemClock;
    this.#random = source.random ?? Math.random;
    const { client } = source;
    this.#ends = [
      source.listen({
        isShown: (id) => this.items.some(({ _id }) => _id === id),
        apply: (change) => {
          this.#recorded?.push(change);
          this.#show({ items: change(this.items) });
        },
        check: () => this.#checkSoon(),
      }),
      client.subscribe(() => this.#follow(client.status.state)),
    ];
    this.#follow(client.status.state);
  }

  subscribe(listener: () => void): () => void {
    return listening(this.#listeners, listener);
  }

  more(): Promise<void> {
    return this.#inTurn(async () => {
      const place = await this.#reads.more(this.items);
      const { items, hasMore } = place(this.items);
      this.#show({ items: this.#withRecorded(items), hasMore });
    });
  }

  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const place = await this.#reads.again(this.items);
      const { items, hasMore } = place(this.items);
      this.#show({ items: this.#withRecorded(items), hasMore, isCurrent: this.#isOnline, problem: undefined });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#dropCheck();
    for (const end of this.#ends) end();
    this.#listeners.clear();
  }

  /** Catches up whenever the client has come online. */
  #follow(state: string): void {
    const isOnline = state === 'online' || (state === 'draining' && this.#isOnline);
    if (isOnline === this.#isOnline) return;
    this.#isOnline = isOnline;
    this.#cancelRetry?.();
    this.#dropCheck();
    if (isOnline) void this.#catchUp();
    else this.#show({ isCurrent: false });
  }

  async #catchUp(): Promise<void> {
    try {
      await this.#source.enter?.();
      await this.refresh();
      this.#failures = 0;
    } catch (thrown) {
      if (this.#isClosed || !this.#isOnline) return;
      const problem = toError('BAD_ANSWER', thrown);
      this.#show({ problem });
      if (!problem.retryable) return;
      const delayMs = (problem.retryAfterMs ?? 0) + backoffMs(this.#failures, this.#random);
      this.#failures += 1;
      this.#cancelRetry?.();
      this.#cancelRetry = this.#clock.after(delayMs, () => void this.#catchUp());
    }
  }

  /** Gathers what calls for a read, so that a busy list is not read with each event. */
  #checkSoon(): void {
    if (this.#cancelCheck !== undefined || !this.#isOnline || this.#isClosed) return;
    this.#cancelCheck = this.#clock.after(CHECK_MS * (0.5 + this.#random() / 2), () => {
      this.#cancelCheck = undefined;
      void this.#catchUp();
    });
  }

  #dropCheck(): void {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
  }

  #withRecorded(items: readonly T[]): readonly T[] {
    return (this.#recorded ?? []).reduce((list, change) => change(list), items);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(() => {
      this.#recorded = [];
      return work();
    });
    this.#turn = done
      .catch(() => undefined)
      .finally(() => {
        this.#recorded = undefined;
      });
    return done;
  }

  #show(next: Partial<Pick<LiveView<T>, 'items' | 'hasMore' | 'isCurrent' | 'problem'>>): void {
    if (this.#isClosed) return;
    Object.assign(this, next);
    for (const listener of [...this.#listeners]) listener();
  }
}

/** A known item has changed; of others nothing is shown. */
export const changed =
  <T extends { readonly _id: string }>(id: string, change: (item: T) => T): Change<T> =>
  (items) =>
    items.map((item) => (item._id === id ? change(item) : item));

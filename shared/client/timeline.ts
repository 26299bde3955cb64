import { backoffMs, type ClientClock, systemClock } from './clock.js';
import { type GatewayClientError, toError } from './error.js';

/** Messages on one page. */
const PAGE = 50;
/** Pages that catching up reads beyond those that are shown. What is older is dropped, and read again by `older`. */
const PAGES_MAX = 10;

/** One page, oldest first. */
export interface Page<M> {
  readonly items: readonly M[];
  /** There are older ones. */
  readonly hasMore: boolean;
}

/** A change of the messages that came live. */
export type Change<M> = (messages: readonly M[]) => readonly M[];

/** Where the messages of a conversation come from. */
export interface TimelineSource<M> {
  /** The newest messages, or those before one. */
  read(range: { readonly before: string | undefined; readonly limit: number }): Promise<Page<M>>;
  /** Listens to changes, which must work more than once on the same messages. @returns ends it */
  listen(apply: (change: Change<M>) => void): () => void;
  /** Runs before the first read on a new connection. */
  enter?(): Promise<unknown>;
  readonly client: {
    readonly status: { readonly state: string };
    subscribe(listener: () => void): () => void;
  };
  readonly clock?: ClientClock;
}

/** The newest messages of a conversation without a gap, as the server has them. */
export interface Timeline<M> {
  /** Oldest first. A new list at each change. */
  readonly messages: readonly M[];
  readonly hasOlder: boolean;
  /** All that the server had since the last connect is in the list. */
  readonly isCurrent: boolean;
  /** Why the last attempt to catch up failed; it is repeated. */
  readonly problem: GatewayClientError | undefined;
  /** Calls back after each change. @returns ends it */
  subscribe(listener: () => void): () => void;
  /** Reads one more page. @throws GatewayClientError */
  older(): Promise<void>;
  /** Reads again all that is shown, as after each connect. @throws GatewayClientError */
  refresh(): Promise<void>;
  close(): void;
}

/** A message has come: at the end, or in the place of what is known of it. */
export const added =
  <M extends { readonly _id: string }>(message: M): Change<M> =>
  (messages) =>
    messages.some(({ _id }) => _id === message._id)
      ? changed(message._id, () => message)(messages)
      : [...messages, message];

/** A known message has changed; of others nothing is shown. */
export const changed =
  <M extends { readonly _id: string }>(id: string, change: (message: M) => M): Change<M> =>
  (messages) =>
    messages.map((message) => (message._id === id ? change(message) : message));

/**
 * Shows the messages of a conversation and keeps them equal to those of the server. After each connect it reads backwards
 * from the newest message to the oldest one that is shown, because messages may have been changed meanwhile. What comes live
 * during a read is applied to its result once more: the server may have read before it sent the change.
 */
export function createTimeline<M extends { readonly _id: string }>(source: TimelineSource<M>): Timeline<M> {
  return new View(source);
}

class View<M extends { readonly _id: string }> implements Timeline<M> {
  messages: readonly M[] = [];
  hasOlder = false;
  isCurrent = false;
  problem: GatewayClientError | undefined;
  readonly #source: TimelineSource<M>;
  readonly #listeners = new Set<() => void>();
  readonly #ends: (() => void)[];
  /** What came since a read began; `undefined` between reads. */
  #recorded: Change<M>[] | undefined;
  /** One read at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #isOnline = false;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  #isClosed = false;

  constructor(source: TimelineSource<M>) {
    this.#source = source;
    const { client } = source;
    this.#ends = [
      source.listen((change) => {
        this.#recorded?.push(change);
        this.#show({ messages: change(this.messages) });
      }),
      client.subscribe(() => this.#follow(client.status.state)),
    ];
    this.#follow(client.status.state);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  older(): Promise<void> {
    return this.#inTurn(async () => {
      const [oldest] = this.messages;
      const { items, hasMore } = await this.#source.read({ before: oldest?._id, limit: PAGE });
      this.#show({ messages: this.#withRecorded([...items, ...this.messages]), hasOlder: hasMore });
    });
  }

  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const read = await this.#readBack();
      this.#show({
        ...read,
        messages: this.#withRecorded(read.messages),
        isCurrent: this.#isOnline,
        problem: undefined,
      });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    for (const end of this.#ends) end();
    this.#listeners.clear();
  }

  /** Catches up whenever the client has come online. */
  #follow(state: string): void {
    const isOnline = state === 'online' || (state === 'draining' && this.#isOnline);
    if (isOnline === this.#isOnline) return;
    this.#isOnline = isOnline;
    this.#cancelRetry?.();
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
      const delayMs = (problem.retryAfterMs ?? 0) + backoffMs(this.#failures, Math.random);
      this.#failures += 1;
      this.#cancelRetry = (this.#source.clock ?? systemClock).after(delayMs, () => void this.#catchUp());
    }
  }

  /** Reads from the newest message back to the oldest that is shown. */
  async #readBack(): Promise<Pick<View<M>, 'messages' | 'hasOlder'>> {
    const shown = this.messages.length;
    const oldest = this.messages[0]?._id;
    const pagesMax = Math.ceil(shown / PAGE) + PAGES_MAX;
    let messages: readonly M[] = [];
    for (let pages = 1; ; pages += 1) {
      const { items, hasMore } = await this.#source.read({ before: messages[0]?._id, limit: PAGE });
      messages = [...items, ...messages];
      const isEnough = oldest === undefined || items.some(({ _id }) => _id === oldest) || pages >= pagesMax;
      if (isEnough || !hasMore || items.length === 0) return { messages, hasOlder: hasMore };
    }
  }

  #withRecorded(messages: readonly M[]): readonly M[] {
    return (this.#recorded ?? []).reduce((list, change) => change(list), messages);
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

  #show(next: Partial<Pick<Timeline<M>, 'messages' | 'hasOlder' | 'isCurrent' | 'problem'>>): void {
    if (this.#isClosed) return;
    Object.assign(this, next);
    for (const listener of [...this.#listeners]) listener();
  }
}

import type { TestClient } from '../../support/client.js';
import { GoneError } from './ask.js';

/** What a client shows: loaded after each connect, then kept by events. */
export interface Fold<S> {
  /** `undefined`: not loaded yet. */
  readonly state: S | undefined;
  /** Loads everything again, as a client does after each connect. */
  load(): Promise<void>;
  /** Takes what only an answer tells. */
  take(event: Event<S>): void;
}

/** What an event makes of a state. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into payloads without declaring their form again
type Handlers<S> = Readonly<Record<string, (state: S, payload: any) => void>>;

type Event<S> = (state: S) => void;

/** Thrown by a handler: the event is about something of which too little is known, so everything is loaded. */
export class UnknownError extends Error {}

/**
 * Keeps what a client shows. Events that come while it loads are applied once more to what was loaded, because a load can have been
 * read before them. Loads run one after another.
 */
export function createFold<S>(client: TestClient, handlers: Handlers<S>, read: () => Promise<S>): Fold<S> {
  let state: S | undefined;
  let meanwhile: Event<S>[] | undefined;
  let last: Promise<void> = Promise.resolve();

  const loadNow = async (): Promise<void> => {
    meanwhile = [];
    const loaded = await read();
    const events = meanwhile;
    meanwhile = undefined;
    state = loaded;
    for (const event of events) apply(event);
  };
  const load = (): Promise<void> => {
    last = last.then(loadNow).catch((error: unknown) => {
      if (!(error instanceof GoneError)) throw error;
    });
    return last;
  };
  const apply = (event: Event<S>): void => {
    if (state === undefined) return;
    try {
      event(state);
    } catch (error) {
      if (!(error instanceof UnknownError)) throw error;
      void load();
    }
  };
  const take = (event: Event<S>): void => {
    meanwhile?.push(event);
    apply(event);
  };

  for (const [name, handle] of Object.entries(handlers)) {
    client.socket.on(name, (payload: unknown) => take((shown) => handle(shown, payload)));
  }

  return {
    get state() {
      return state;
    },
    load,
    take,
  };
}

/** A list with an entry added, or replaced where it is. */
export const withEntry = <T extends { readonly _id: string }>(entries: readonly T[], entry: T): T[] =>
  entries.some(({ _id }) => _id === entry._id)
    ? entries.map((one) => (one._id === entry._id ? entry : one))
    : [...entries, entry];

/** A list with one entry changed, if it is there. */
export const changed = <T extends { readonly _id: string }>(
  entries: readonly T[],
  id: string,
  change: (entry: T) => T,
): T[] => entries.map((entry) => (entry._id === id ? change(entry) : entry));

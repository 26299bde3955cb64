import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../logging/logger.js';
import { isDatabaseAway } from '../mongo/errors.js';
import type { Clock } from '../time/clock.js';

/**
 * How long after a change was sent what is stored is read again. Longer than changes of other nodes are on their way, and than the
 * windows of a coalescer, which sends what is stored itself.
 */
const SETTLE_MS = 1500;
/** How often a look that fails is repeated. The waits double up to a minute: together they are longer than 20 minutes. */
const RETRIES_MAX = 26;
const WAIT_MAX_MS = 60_000;

/** A state that clients were sent, and the stored one. */
interface Sent<S> {
  /** `undefined`: the stored state is sent again in any case. */
  readonly sent: S | undefined;
  /** `undefined`: there is nothing to compare with. */
  readonly read: () => Promise<S | undefined>;
  readonly send: (stored: S) => unknown;
}

/** States of several things that are compared together. */
interface SentEach<E, S> {
  /** By thing. Of several states of one thing the last one counts. */
  readonly sent: Iterable<readonly [string, E]>;
  /** @returns what is to be sent; `undefined`: nothing */
  readonly read: (sent: ReadonlyMap<string, E>) => Promise<S | undefined>;
  /** Settles what it sends itself. */
  readonly send: (stored: S) => unknown;
  /** Whether a state that was just compared is to be compared once more. Absent: none is. */
  readonly isOpen?: (state: E) => boolean;
}

/** Makes clients end with what is stored. */
export interface Settling {
  /**
   * To be called when a change was sent.
   * @param key what has changed. Of several changes in a short time the last one counts.
   */
  settle<S>(key: string, state: Sent<S>): void;
  /**
   * The same for several things, which are read together: all that were sent in a short time with this key. They are compared once,
   * and up to twice as late.
   */
  settleEach<E, S>(key: string, states: SentEach<E, S>): void;
  /** Makes up later for a task that failed. Of several under a key the last one counts. */
  repeat(key: string, task: () => Promise<void>): void;
  /**
   * Makes a change.
   * @param onUnknown called when the database fails and the change may be stored: settles the state without a sent one
   * @throws what the change throws
   */
  change<T>(make: () => PromiseLike<T>, onUnknown: () => void): Promise<T>;
  /** Compares at once what is to be compared later, and nothing after that. */
  stop(): Promise<void>;
}

/** What was sent since the last look at a key. */
interface Waiting {
  look: Look;
  /** Something was sent after the wait had begun. */
  isYoung: boolean;
  readonly cancel: () => void;
}

/** Compares what was sent under a key. */
type Look = (isLast: boolean) => Promise<void>;

/** The states of several things. */
interface Each {
  /** Those that came before the last look. */
  readonly old: ReadonlyMap<string, unknown>;
  readonly young: Map<string, unknown>;
}

/**
 * When nodes change one thing at the same time, clients can hear of the changes in another order than they were stored in, and
 * would keep the older state. So a node looks again at what is stored a moment after it has sent a state, and sends what is stored
 * if that is something else. What changes all the time is compared once in that time.
 */
export function createSettling({ clock, logger }: { clock: Clock; logger: Logger }): Settling {
  const waiting = new Map<string, Waiting>();
  const each = new Map<string, Each>();
  let isStopped = false;

  const wait = (key: string, look: Look, ms = SETTLE_MS): void => {
    const cancel = clock.after(ms, () => {
      const due = waiting.get(key);
      waiting.delete(key);
      if (due === undefined) return;
      void due.look(!due.isYoung);
      if (due.isYoung) wait(key, due.look);
    });
    waiting.set(key, { look, isYoung: false, cancel });
  };

  /** Repeats a look or a task that fails, unless a later one is due. */
  const insist = (key: string, compare: Look): Look => {
    let retries = 0;
    const look: Look = async (isLast) => {
      try {
        await compare(isLast);
      } catch (error) {
        if (retries === 0) logger.warn({ err: error }, 'comparing what was sent with what is stored failed');
        if (isStopped || retries === RETRIES_MAX || waiting.has(key)) return;
        retries += 1;
        wait(key, look, Math.min(WAIT_MAX_MS, SETTLE_MS * 2 ** retries));
      }
    };
    return look;
  };

  const waitFor = (key: string, compare: Look): void => {
    const look = insist(key, compare);
    const under = waiting.get(key);
    if (under === undefined) wait(key, look);
    else Object.assign(under, { look, isYoung: true });
  };

  const settle: Settling['settle'] = (key, { sent, read, send }) => {
    if (isStopped) return;
    waitFor(key, async () => {
      const stored = await read();
      if (stored === undefined || isDeepStrictEqual(stored, sent)) return;
      await send(stored);
      settle(key, { sent: stored, read, send });
    });
  };

  /** The states to compare now. What came since the last look can be too young, and waits for the next one. */
  const take = (key: string, isLast: boolean): ReadonlyMap<string, unknown> => {
    const { old, young } = each.get(key) ?? { old: new Map(), young: new Map() };
    if (isLast) each.delete(key);
    else each.set(key, { old: young, young: new Map() });
    if (isLast) return new Map([...old, ...young]);
    return new Map(Array.from(old, ([thing, state]) => [thing, young.get(thing) ?? state]));
  };

  /** For the next look. */
  const putBack = (key: string, due: ReadonlyMap<string, unknown>): void => {
    const { old, young } = each.get(key) ?? { old: new Map(), young: new Map() };
    each.set(key, { old: new Map([...due, ...old]), young });
  };

  const settleEach: Settling['settleEach'] = (key, { sent, read, send, isOpen = () => false }) => {
    if (isStopped) return;
    const states = each.get(key) ?? { old: new Map(), young: new Map() };
    each.set(key, states);
    for (const [thing, state] of sent) states.young.set(thing, state);
    const compare: Look = async (isLast) => {
      const due = take(key, isLast) as ReadonlyMap<string, never>;
      try {
        const stored = due.size === 0 ? undefined : await read(due);
        if (stored !== undefined) await send(stored);
      } catch (error) {
        putBack(key, due);
        throw error;
      }
      const open = new Map([...due].filter(([, state]) => isOpen(state)));
      if (open.size === 0 || isStopped) return;
      putBack(key, open);
      waitFor(key, compare);
    };
    waitFor(key, compare);
  };

  return {
    settle,
    settleEach,
    repeat(key, task) {
      if (!isStopped) waitFor(key, task);
    },
    async change(make, onUnknown) {
      try {
        return await make();
      } catch (error) {
        if (isDatabaseAway(error)) onUnknown();
        throw error;
      }
    },
    async stop() {
      isStopped = true;
      const due = [...waiting.values()];
      waiting.clear();
      for (const { cancel } of due) cancel();
      await Promise.all(due.map(({ look }) => look(true)));
    },
  };
}

import { isDeepStrictEqual } from 'node:util';
import type { Clock } from './clock.js';
import type { Logger } from './logger.js';

/**
 * How long after a change was sent what is stored is read again. Longer than changes of other nodes are on their way, and than the
 * windows of a coalescer, which sends what is stored itself.
 */
const SETTLE_MS = 1500;

/** A state that clients were sent, and the stored one. */
interface Sent<S> {
  /** `undefined`: the stored state is sent again in any case. */
  readonly sent: S | undefined;
  /** `undefined`: there is nothing to compare with. */
  readonly read: () => Promise<S | undefined>;
  readonly send: (stored: S) => unknown;
}

/** Makes clients end with what is stored. */
export interface Settling {
  /**
   * To be called when a change was sent.
   * @param key what has changed. Of several changes in a short time the last one counts.
   */
  settle<S>(key: string, state: Sent<S>): void;
  /** Compares at once what is to be compared later, and nothing after that. */
  stop(): Promise<void>;
}

/** What was sent since the last look at a key. */
interface Waiting {
  look: () => Promise<void>;
  /** Something was sent after the wait had begun. */
  isYoung: boolean;
  readonly cancel: () => void;
}

/**
 * When nodes change one thing at the same time, clients can hear of the changes in another order than they were stored in, and
 * would keep the older state. So a node looks again at what is stored a moment after it has sent a state, and sends what is stored
 * if that is something else. What changes all the time is compared once in that time.
 */
export function createSettling({ clock, logger }: { clock: Clock; logger: Logger }): Settling {
  const waiting = new Map<string, Waiting>();
  let isStopped = false;

  const lookAt = async <S>(key: string, { sent, read, send }: Sent<S>): Promise<void> => {
    try {
      const stored = await read();
      if (stored === undefined || isDeepStrictEqual(stored, sent)) return;
      await send(stored);
      settle(key, { sent: stored, read, send });
    } catch (error) {
      logger.warn({ err: error }, 'comparing what was sent with what is stored failed');
    }
  };

  const wait = (key: string, look: Waiting['look']): void => {
    const cancel = clock.after(SETTLE_MS, () => {
      const due = waiting.get(key);
      waiting.delete(key);
      if (due === undefined) return;
      void due.look();
      if (due.isYoung) wait(key, due.look);
    });
    waiting.set(key, { look, isYoung: false, cancel });
  };

  const settle: Settling['settle'] = (key, state) => {
    if (isStopped) return;
    const look = (): Promise<void> => lookAt(key, state);
    const under = waiting.get(key);
    if (under === undefined) wait(key, look);
    else Object.assign(under, { look, isYoung: true });
  };

  return {
    settle,
    async stop() {
      isStopped = true;
      const due = [...waiting.values()];
      waiting.clear();
      for (const { cancel } of due) cancel();
      await Promise.all(due.map(({ look }) => look()));
    },
  };
}

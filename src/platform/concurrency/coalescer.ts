import type { Clock } from '../time/clock.js';

/** Sends a change. Neither may throw or reject. */
interface Notice {
  /** Sends the change. */
  now(): void | Promise<void>;
  /** Sends the current state, which another node or a later change may have set. */
  later(): void | Promise<void>;
}

/** Sends the first change of a burst at once, and after each window the state after further changes. */
export interface Coalescer {
  /** Whether an {@link offer} would send once more. Otherwise what is due anyway covers it. */
  isNew(key: string): boolean;
  /** To be called when the change is stored. @returns resolves when what is sent at once has been sent */
  offer(key: string, notice: Notice): Promise<void>;
  /** Sends the current state, at once or at the end of the window, if nothing is due. To be called when clients have another one. */
  correct(key: string, notice: Pick<Notice, 'later'>): Promise<void>;
  /** Sends all pending states. */
  flush(): Promise<void>;
}

/**
 * With several nodes each has windows of its own. Every change is followed by a notice of its node, which sends the change itself
 * or reads the state after it. First changes of two nodes can be sent in the other order: who sends them compares later, see
 * `settling.ts`.
 * @param windowMs of several changes of one key within this time the last state is sent
 */
export function createCoalescer({ clock, windowMs }: { clock: Clock; windowMs: number }): Coalescer {
  /** What is due at the end of each open window. */
  const windows = new Map<string, Pick<Notice, 'later'> | undefined>();

  /** Sends, and opens a window that ends after its time and not before the sending: what is sent later must arrive later. */
  const begin = (key: string, send: () => void | Promise<void>): void | Promise<void> => {
    windows.set(key, undefined);
    const sending = send();
    let isElapsed = false;
    let isSent = sending === undefined;
    clock.after(windowMs, () => {
      isElapsed = true;
      if (isSent) end(key);
    });
    void sending?.then(() => {
      isSent = true;
      if (isElapsed) end(key);
    });
    return sending;
  };
  const end = (key: string): void => {
    const due = windows.get(key);
    if (due === undefined) windows.delete(key);
    else void begin(key, due.later);
  };

  const isNew = (key: string): boolean => windows.get(key) === undefined;

  const offer: Coalescer['offer'] = async (key, notice) => {
    if (windows.has(key)) windows.set(key, notice);
    else await begin(key, notice.now);
  };

  return {
    isNew,
    offer,
    async correct(key, { later }) {
      if (isNew(key)) await offer(key, { now: later, later });
    },
    async flush() {
      const due = [...windows.values()];
      for (const key of windows.keys()) windows.set(key, undefined);
      await Promise.all(due.map((notice) => notice?.later()));
    },
  };
}

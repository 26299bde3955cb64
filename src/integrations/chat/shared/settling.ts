import type { Clock } from '../../../platform/clock.js';
import type { Logger } from '../../../platform/logger.js';
import { ChatError } from './chat-error.js';

/** How long after the last change what is stored is read again. Longer than changes of other nodes are on their way. */
const SETTLE_MS = 1000;

/** Compares what was sent with what is stored, and sends that if it is something else. */
type Look = () => Promise<void>;

/** Makes clients end with what is stored. */
export interface Settling {
  /**
   * To be called when a change was sent.
   * @param key what has changed. Only the last look of several calls in a short time is made.
   */
  settle(key: string, look: Look): void;
  /** Makes all looks that are due later. */
  flush(): Promise<void>;
}

/**
 * When nodes change one thing at the same time, clients can hear of the changes in another order than they were stored in, and
 * would keep the older state. So a node looks again at what is stored a moment after it has sent a change of it.
 */
export function createSettling({ clock, logger }: { clock: Clock; logger: Logger }): Settling {
  const waiting = new Map<string, { readonly cancel: () => void; readonly look: Look }>();

  const make = (look: Look): Promise<void> =>
    look().catch((error: unknown) => {
      // The user who made the change has lost access since then.
      if (error instanceof ChatError) return;
      logger.warn({ err: error }, 'chats: comparing what was sent with what is stored failed');
    });

  return {
    settle(key, look) {
      waiting.get(key)?.cancel();
      const cancel = clock.after(SETTLE_MS, () => {
        waiting.delete(key);
        void make(look);
      });
      waiting.set(key, { cancel, look });
    },
    async flush() {
      const due = [...waiting.values()];
      waiting.clear();
      for (const { cancel } of due) cancel();
      await Promise.all(due.map(({ look }) => make(look)));
    },
  };
}

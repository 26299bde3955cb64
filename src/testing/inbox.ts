import type { ReceivedEvent } from './device.js';

/** What the devices of users received, until a test takes it. */
export interface Inbox {
  put(userId: string, received: ReceivedEvent): void;
  /** Takes the next event of this name. @throws Error when none comes in time */
  take(userId: string, event: string, timeoutMs: number): Promise<ReceivedEvent>;
  /** Rejects what is waited for. */
  close(): void;
}

interface Waiter {
  readonly userId: string;
  readonly event: string;
  resolve(received: ReceivedEvent): void;
  reject(error: Error): void;
}

/** Creates an empty inbox. */
export function createInbox(): Inbox {
  const kept: { userId: string; received: ReceivedEvent }[] = [];
  const waiting = new Set<Waiter>();

  const describe = (userId: string): string => {
    const names = kept.filter((one) => one.userId === userId).map(({ received }) => received.event);
    return names.length === 0 ? 'nothing that was not taken' : names.join(', ');
  };

  return {
    put(userId, received) {
      for (const waiter of waiting) {
        if (waiter.userId !== userId || waiter.event !== received.event) continue;
        waiting.delete(waiter);
        return waiter.resolve(received);
      }
      kept.push({ userId, received });
    },
    take(userId, event, timeoutMs) {
      const index = kept.findIndex((one) => one.userId === userId && one.received.event === event);
      const [found] = index === -1 ? [] : kept.splice(index, 1);
      if (found !== undefined) return Promise.resolve(found.received);
      return new Promise((resolve, reject) => {
        const giveUp = setTimeout(() => {
          waiting.delete(waiter);
          reject(new Error(`${userId} received no ${event} within ${timeoutMs} ms, but ${describe(userId)}`));
        }, timeoutMs);
        const settle =
          <T>(done: (value: T) => void) =>
          (value: T) => {
            clearTimeout(giveUp);
            done(value);
          };
        const waiter: Waiter = { userId, event, resolve: settle(resolve), reject: settle(reject) };
        waiting.add(waiter);
      });
    },
    close() {
      for (const { userId, event, reject } of waiting)
        reject(new Error(`the gateway stopped before ${userId} received ${event}`));
      waiting.clear();
    },
  };
}

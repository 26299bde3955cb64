import type { Connection } from './server-connection.js';

/** Receives a raw message: bytes and channel. */
export type MessageListener = (message: Buffer, channel: Buffer) => unknown;

/** The commands that subscribe. */
export type SubscriptionKind = 'subscribe' | 'pSubscribe' | 'sSubscribe';
/** The commands that unsubscribe. */
export const OPPOSITES = { subscribe: 'unsubscribe', pSubscribe: 'pUnsubscribe', sSubscribe: 'sUnsubscribe' } as const;

/** Remembers the subscriptions of a client, and restores them on each new connection. */
export function createSubscriptionMemory() {
  const channels = new Map<SubscriptionKind, Map<MessageListener, Set<string>>>();
  const namesOf = (kind: SubscriptionKind, listener: MessageListener): Set<string> => {
    const listeners = channels.get(kind) ?? new Map<MessageListener, Set<string>>();
    const names = listeners.get(listener) ?? new Set();
    channels.set(kind, listeners.set(listener, names));
    return names;
  };
  return {
    add(kind: SubscriptionKind, names: string | string[], listener: MessageListener) {
      for (const name of [names].flat()) namesOf(kind, listener).add(name);
    },
    delete(kind: SubscriptionKind, names: string | string[], listener: MessageListener) {
      const known = namesOf(kind, listener);
      for (const name of [names].flat()) known.delete(name);
      if (known.size === 0) channels.get(kind)?.delete(listener);
    },
    /** @throws the refusal of Redis */
    async restore(connection: Connection): Promise<void> {
      const all = [...channels].flatMap(([kind, listeners]) =>
        [...listeners].map(([listener, names]) => connection[kind]([...names], listener, true)),
      );
      await Promise.all(all);
    },
  };
}

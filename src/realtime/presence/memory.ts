import type { Clock } from '../../platform/time/clock.js';
import type { Presence, PresenceEntry, PresenceEvents, PresenceStore } from './index.js';
import { toPlace, toText } from './place.js';

/** What {@link createMemoryPresence} needs. */
interface MemoryPresenceOptions {
  clock: Clock;
  /** How long a user can be without a socket before they are offline. */
  graceMs: number;
  nodeId?: string;
}

/** Presence of a single node, in memory. */
export function createMemoryPresence({ clock, graceMs, nodeId = '' }: MemoryPresenceOptions): PresenceStore {
  /** Arrays: nearly every user has one socket, and a map per user would be several times larger. */
  const users = new Map<string, PresenceEntry[]>();
  /** Cancels the pending offline event of a user. */
  const leaving = new Map<string, () => void>();
  let events: PresenceEvents | undefined;

  const toPresence = (userId: string): Presence => {
    const sockets = users.get(userId) ?? [];
    const since = sockets.reduce((oldest, { connectedAt }) => Math.min(oldest, connectedAt), Number.POSITIVE_INFINITY);
    const online = sockets.length > 0;
    return { userId, online, connections: sockets.length, since: online ? since : null };
  };

  return {
    async start(listener) {
      events = listener;
      return { isAlone: true };
    },
    async add(entry) {
      const sockets = users.get(entry.userId);
      if (sockets !== undefined) {
        const others = sockets.filter(({ socketId }) => socketId !== entry.socketId);
        users.set(entry.userId, [...others, entry]);
        return { isFirst: false };
      }
      users.set(entry.userId, [entry]);
      const cancel = leaving.get(entry.userId);
      leaving.delete(entry.userId);
      cancel?.();
      return cancel === undefined ? { isFirst: true, at: clock.now() } : { isFirst: false };
    },
    async remove({ userId, accountId, socketId }) {
      const sockets = users.get(userId) ?? [];
      const left = sockets.filter((entry) => entry.socketId !== socketId);
      if (left.length > 0) users.set(userId, left);
      if (left.length > 0 || sockets.length === 0) return { isLast: false };
      users.delete(userId);
      const cancel = clock.after(graceMs, () => {
        leaving.delete(userId);
        events?.offline({ userId, accountId, at: clock.now() });
      });
      leaving.set(userId, cancel);
      return { isLast: true };
    },
    async get(userIds) {
      return userIds.map(toPresence);
    },
    async presentAmong(userIds) {
      return new Set(userIds.filter((userId) => users.has(userId) || leaving.has(userId)));
    },
    async hasSockets() {
      return users.size > 0;
    },
    async placesOf(userId) {
      const written = (users.get(userId) ?? []).flatMap(({ place }) => (place === undefined ? [] : toText(place)));
      return [...new Set(written)].map(toPlace);
    },
    async socketsOf(userId, { after = '', limit }) {
      const all = users.get(userId) ?? [];
      const sockets = all
        .filter(({ socketId }) => socketId > after)
        .sort((one, other) => (one.socketId < other.socketId ? -1 : 1))
        .slice(0, limit)
        .map(({ socketId, connectedAt, place }) => ({ node: nodeId, socketId, connectedAt, place }));
      return { total: all.length, sockets };
    },
    nodes: async () => [nodeId],
    async stop() {
      for (const cancel of leaving.values()) cancel();
      leaving.clear();
      users.clear();
      events = undefined;
    },
  };
}

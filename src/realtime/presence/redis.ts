import { GatewayError } from '../../errors.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { Redis } from '../../platform/redis/connect.js';
import { CHUNK, createPresenceCommands, type Renewal } from './commands.js';
import { Departures } from './departures.js';
import type { PresenceEntry, PresenceEvents, PresenceStore } from './index.js';
import { createTicker } from './ticker.js';

/** What {@link createRedisPresence} needs. */
export interface RedisPresenceOptions {
  redis: Redis;
  clock: Clock;
  logger: Pick<Logger, 'warn'>;
  /** Unique to this start of the process; letters, digits, `_`, `.` and `-`. */
  nodeId: string;
  /** Begins every key. */
  keyPrefix: string;
  /** How long a user may be without a socket before they count as offline. */
  graceMs: number;
  /** How long a node counts as alive after its last renewal, a third of which is the interval of renewals. */
  leaseMs?: number;
}

/** With renewals every 3 s, a killed node's sockets stop counting within 9 s and are removed within 12 s. */
const LEASE_MS = 9_000;

/**
 * Presence of all nodes that share a Redis.
 *
 * The node's own memory is the truth about its own sockets; Redis holds what all nodes know together. Each tick
 * 1. renews the lease and takes on the users whose grace time is over: they are reported, then confirmed;
 * 2. if the lease had run out (others may have removed our sockets) or the epoch changed (Redis lost its data), takes all
 *    our sockets for unregistered;
 * 3. removes from Redis the sockets of ours that left while it could not be told;
 * 4. registers what is not registered;
 * 5. if the epoch changed, tells the new Redis who has just left;
 * 6. removes the sockets of dead nodes, in chunks.
 * What fails is done by the next tick. After an outage steps 1 and 6 report nobody for one lease: the other nodes, and the
 * sockets they were given meanwhile, are coming back just as ours are.
 */
export function createRedisPresence(options: RedisPresenceOptions): PresenceStore {
  const { redis, clock, logger, nodeId, keyPrefix, graceMs, leaseMs = LEASE_MS } = options;
  if (!/^[\w.-]+$/.test(nodeId)) throw new TypeError('nodeId must be letters, digits, "_", "." and "-"');
  const commands = createPresenceCommands({ redis, nodeId, keyPrefix, graceMs, leaseMs });

  const sockets = new Map<string, PresenceEntry>();
  /** Sockets that Redis may not know. */
  const unregistered = new Set<string>();
  /** Sockets to report as restored once they are registered. */
  const lapsed = new Set<string>();
  /** The registration of a socket that is on its way: its removal must not overtake it. */
  const registering = new Map<string, Promise<unknown>>();
  const departures = new Departures(clock);
  /** Users reported by this node, but not confirmed: not to be reported again. */
  const reported = new Set<string>();

  let events: PresenceEvents | undefined;
  let renewal: Renewal | undefined;
  let generation = 0;
  let hasMissedRemovals = false;
  let isForgotten = false;
  let quietUntil = 0;
  /** When the lease that Redis confirmed last runs out. */
  let leaseEndsAt = 0;
  /** Why the last renewal failed. */
  let failure: unknown;
  let stopListening = (): void => undefined;

  /** What was sent may yet be carried out, before or after what comes next; a new generation makes that harmless. */
  const noteFailure = (): void => {
    generation += 1;
  };

  const register = (entry: PresenceEntry): Promise<{ isFirst: boolean }> => {
    const { socketId } = entry;
    const attempt = async (): Promise<{ isFirst: boolean }> => {
      try {
        const added = await commands.add(entry, generation);
        if (added === undefined) ticker.wakeUp();
        else unregistered.delete(socketId);
        return added ?? { isFirst: false };
      } catch {
        noteFailure();
        return { isFirst: false };
      }
    };
    unregistered.add(socketId);
    const registration = attempt().finally(() => {
      if (registering.get(socketId) === registration) registering.delete(socketId);
    });
    registering.set(socketId, registration);
    return registration;
  };

  const unregister = async (entry: PresenceEntry): Promise<{ isLast: boolean }> => {
    await registering.get(entry.socketId);
    unregistered.delete(entry.socketId);
    lapsed.delete(entry.socketId);
    try {
      const removed = await commands.remove(entry, generation);
      if (removed.isLast) {
        departures.add(entry, clock.now() + graceMs + leaseMs);
        expectDue(graceMs);
      }
      return removed;
    } catch {
      noteFailure();
      hasMissedRemovals = true;
      departures.add(entry, Number.POSITIVE_INFINITY);
      ticker.wakeUp();
      return { isLast: false };
    }
  };

  /** A grace time ends in `afterMs`. */
  const expectDue = (afterMs: number): void => ticker.expect(Math.max(afterMs, quietUntil - clock.now()));

  const renewLease = async (): Promise<Renewal> => {
    const askedAt = clock.now();
    try {
      const renewed = await commands.renew(generation, askedAt < quietUntil ? 0 : CHUNK);
      leaseEndsAt = askedAt + leaseMs;
      failure = undefined;
      return renewed;
    } catch (error) {
      failure = error;
      throw error;
    }
  };

  /** A part of the self-check of Redis. @throws while the lease of this node cannot be renewed */
  const ensureRenewed = (): void => {
    if (failure === undefined && clock.now() < leaseEndsAt) return;
    ticker.wakeUp();
    throw failure ?? new Error('the lease of presence has run out');
  };

  const runTick = async (listener: PresenceEvents): Promise<void> => {
    const known = renewal;
    // Some connections may be back before others are, here and on the other nodes.
    if (!redis.isReady()) quietUntil = clock.now() + leaseMs;
    renewal = await renewLease();
    await reportOffline(listener, renewal);

    const { epoch, wasAlive, others, deadNodes, nextDueMs } = renewal;
    const isFirstAndAlone = known === undefined && others === 0 && deadNodes.length === 0;
    if (!wasAlive && !isFirstAndAlone) quietUntil = clock.now() + leaseMs;
    if (!wasAlive && known !== undefined) {
      isForgotten ||= epoch !== known.epoch;
      hasMissedRemovals = true;
      for (const socketId of sockets.keys()) {
        unregistered.add(socketId);
        lapsed.add(socketId);
      }
    }
    if (nextDueMs !== undefined) expectDue(nextDueMs);

    if (hasMissedRemovals) await removeDeparted();
    await registerAll(listener);
    if (isForgotten) await commands.leaveAgain(departures.list(), leaseMs);
    isForgotten = false;
    departures.settle();
    if (clock.now() < quietUntil) return;
    for (const node of deadNodes) {
      for await (const lost of commands.reap(node)) listener.lost(lost);
    }
  };

  const reportOffline = async (listener: PresenceEvents, { unconfirmed, offline }: Renewal): Promise<void> => {
    for (const user of [...unconfirmed.filter(({ userId }) => !reported.has(userId)), ...offline]) {
      reported.add(user.userId);
      departures.delete(user.userId);
      listener.offline(user);
    }
    // There may be more, which need not wait for the next grace time to end.
    if (offline.length === CHUNK) ticker.wakeUp();
    const users = [...unconfirmed, ...offline];
    await commands.confirm(users);
    for (const { userId } of users) reported.delete(userId);
  };

  const removeDeparted = async (): Promise<void> => {
    // Lowered first: what is missed meanwhile raises it again.
    hasMissedRemovals = false;
    try {
      for await (const page of commands.registered()) {
        const departed = page.filter(({ socketId }) => !sockets.has(socketId));
        const toRemoval = (socket: (typeof departed)[number]) => {
          return { ...socket, accountId: departures.accountOf(socket.userId) };
        };
        await Promise.all(departed.map((socket) => commands.remove(toRemoval(socket), generation)));
      }
    } catch (error) {
      hasMissedRemovals = true;
      throw error;
    }
  };

  const registerAll = async (listener: PresenceEvents): Promise<void> => {
    const waiting = [...unregistered].filter((socketId) => !registering.has(socketId));
    for (let i = 0; i < waiting.length; i += CHUNK) {
      const entries = waiting.slice(i, i + CHUNK).flatMap((socketId) => sockets.get(socketId) ?? []);
      await Promise.all(entries.map(register));
    }
    const restored: PresenceEntry[] = [];
    for (const socketId of lapsed) {
      const entry = sockets.get(socketId);
      if (entry === undefined || unregistered.has(socketId)) continue;
      lapsed.delete(socketId);
      restored.push(entry);
    }
    if (restored.length > 0) listener.restored(restored);
  };

  const ticker = createTicker({
    clock,
    intervalMs: Math.max(1, Math.floor(leaseMs / 3)),
    canTick: () => redis.commands.isReady,
    async tick() {
      try {
        if (events !== undefined) await runTick(events);
      } catch (err) {
        noteFailure();
        if (redis.commands.isReady) logger.warn({ err }, 'Presence could not be renewed; the next tick tries again');
      }
    },
  });

  /** What Redis holds is of no use while this node cannot renew its lease: its sockets do not count. */
  const ensureReady = (): void => {
    if (!redis.isReady()) throw new GatewayError('UNAVAILABLE');
  };

  return {
    async start(listener) {
      events = listener;
      const stopWatching = redis.onStateChange(() => {
        quietUntil = clock.now() + leaseMs;
        ticker.wakeUp();
      });
      await ticker.start();
      const removeProbe = redis.addProbe(ensureRenewed);
      stopListening = () => {
        stopWatching();
        removeProbe();
      };
      return { isAlone: renewal?.others === 0 };
    },
    async add(entry) {
      sockets.set(entry.socketId, entry);
      return register(entry);
    },
    async remove({ socketId }) {
      const entry = sockets.get(socketId);
      if (entry === undefined) return { isLast: false };
      sockets.delete(socketId);
      return unregister(entry);
    },
    async get(userIds) {
      ensureReady();
      return commands.read(userIds).catch(unavailable);
    },
    async placesOf(userId) {
      ensureReady();
      return commands.placesOf(userId).catch(unavailable);
    },
    async stop() {
      stopListening();
      await ticker.stop();
      events = undefined;
      sockets.clear();
      unregistered.clear();
      try {
        for await (const _ of commands.reap(nodeId));
      } catch {
        // Without Redis the lease runs out by itself.
      }
    },
  };
}

const unavailable = (cause: unknown): never => {
  throw new GatewayError('UNAVAILABLE', {}, { cause });
};

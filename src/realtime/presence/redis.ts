import { GatewayError } from '../../errors.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { Redis } from '../../platform/redis.js';
import type { Script, ScriptReply } from '../../platform/redis-script.js';
import type { Presence, PresenceEntry, PresenceEvents, PresenceStore } from './index.js';
import { addSocket, confirmOffline, leaveAgain, readUsers, reapNode, removeSocket, tick } from './scripts.js';

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
/** Users or sockets per script: Redis serves nobody else meanwhile, so one call stays within about a millisecond. */
const CHUNK = 200;
/** Grace times that end close to each other are looked at together. */
const DUE_SPACING_MS = 25;
/** Users remembered as having left, for a Redis that forgets them. Beyond that the oldest are dropped. */
const DEPARTED_MAX = 50_000;

/**
 * Presence of all nodes that share a Redis.
 *
 * The node's own memory is the truth about its own sockets; Redis holds what all nodes know together. Each tick
 * 1. renews the lease and takes on the users whose grace time is over: they are reported, then confirmed;
 * 2. if the lease had run out (others may have removed our sockets) or the epoch changed (Redis lost its data), takes all
 *    our sockets for unregistered, and leaves other nodes alone for one lease, because they are coming back as we are;
 * 3. removes from Redis the sockets of ours that left while it could not be told;
 * 4. registers what is not registered;
 * 5. if the epoch changed, tells the new Redis who has just left;
 * 6. removes the sockets of dead nodes, in chunks.
 * What fails is done by the next tick, which comes at once when Redis is back.
 */
export function createRedisPresence(options: RedisPresenceOptions): PresenceStore {
  const { redis, clock, logger, nodeId, keyPrefix, graceMs, leaseMs = LEASE_MS } = options;
  if (!/^[\w.-]+$/.test(nodeId)) throw new TypeError('nodeId must be letters, digits, "_", "." and "-"');

  const sockets = new Map<string, PresenceEntry>();
  /** Sockets that Redis may not know. */
  const unregistered = new Set<string>();
  /** The registration of a socket that is on its way: its removal must not overtake it. */
  const registering = new Map<string, Promise<unknown>>();
  const departed = new Map<string, { accountId: string; until: number }>();
  /** Reported by this node, not yet confirmed: not reported again. */
  const reported = new Set<string>();
  const stops: (() => void)[] = [];
  let events: PresenceEvents | undefined;
  let epoch: string | undefined;
  let generation = 0;
  let hasMissedRemovals = false;
  let reapsFrom = 0;
  let ticking: Promise<unknown> | undefined;
  let isTickWanted = false;
  let dueAt = Number.POSITIVE_INFINITY;
  let cancelDue = (): void => undefined;

  const run = (script: Script, ...args: (string | number)[]): Promise<ScriptReply> =>
    script(redis.commands, [keyPrefix], args.map(String));

  /** What was sent may yet be carried out, in any order with what comes next; a new generation makes that harmless. */
  const noteFailure = (): void => {
    generation += 1;
  };

  const register = (entry: PresenceEntry): Promise<{ isFirst: boolean }> => {
    const { userId, socketId, connectedAt, accountId } = entry;
    unregistered.add(socketId);
    const registration = run(addSocket, nodeId, generation, userId, socketId, `${connectedAt}:${accountId}`)
      .then((reply) => {
        if (reply === -1) wakeUp();
        else unregistered.delete(socketId);
        return { isFirst: reply === 1 };
      })
      .catch(() => {
        noteFailure();
        return { isFirst: false };
      })
      .finally(() => registering.delete(socketId));
    registering.set(socketId, registration);
    return registration;
  };

  const unregister = async (entry: PresenceEntry): Promise<{ isLast: boolean }> => {
    const { userId, socketId, accountId } = entry;
    await registering.get(socketId);
    unregistered.delete(socketId);
    try {
      const reply = await run(removeSocket, nodeId, generation, userId, socketId, accountId, graceMs);
      if (reply === -1) throw new Error('stale generation');
      if (reply === 2) {
        remember(entry, clock.now() + graceMs + leaseMs);
        expectDue(graceMs);
      }
      return { isLast: reply === 2 };
    } catch {
      noteFailure();
      hasMissedRemovals = true;
      remember(entry, Number.POSITIVE_INFINITY);
      wakeUp();
      return { isLast: false };
    }
  };

  const remember = ({ userId, accountId }: PresenceEntry, until: number): void => {
    departed.delete(userId);
    departed.set(userId, { accountId, until });
    for (const [oldest, { until: end }] of departed) {
      if (end > clock.now() && departed.size <= DEPARTED_MAX) break;
      departed.delete(oldest);
    }
  };

  /** Ticks when the next grace time ends, in `afterMs`. */
  const expectDue = (afterMs: number): void => {
    const at = clock.now() + Math.max(afterMs, DUE_SPACING_MS);
    if (events === undefined || at >= dueAt) return;
    cancelDue();
    dueAt = at;
    cancelDue = clock.after(at - clock.now(), () => {
      dueAt = Number.POSITIVE_INFINITY;
      wakeUp();
    });
  };

  /** Runs a tick now, or once more after the one that is running. */
  const wakeUp = (): void => {
    isTickWanted = true;
    ticking ??= (async () => {
      while (isTickWanted && events !== undefined && redis.isReady()) {
        isTickWanted = false;
        await runTick(events).catch((err: unknown) => {
          noteFailure();
          if (redis.isReady()) logger.warn({ err }, 'Presence could not be renewed; the next tick tries again');
        });
      }
    })().finally(() => {
      ticking = undefined;
      if (isTickWanted && events !== undefined && redis.isReady()) wakeUp();
    });
  };

  const runTick = async (listener: PresenceEvents): Promise<{ isAlone: boolean }> => {
    const wasStarted = epoch !== undefined;
    const reply = (await run(tick, nodeId, generation, leaseMs, CHUNK)) as [
      string,
      number,
      number,
      string[],
      string[],
      number,
    ];
    const [newEpoch, wasAlive, others, dead, offline, nextDueMs] = reply;
    const isForgotten = wasStarted && newEpoch !== epoch;
    const isLapsed = isForgotten || wasAlive === 0;
    epoch = newEpoch;
    await reportOffline(listener, offline);
    if (offline.length >= 2 * CHUNK) isTickWanted = true;
    if (nextDueMs >= 0) expectDue(nextDueMs);

    if (isLapsed) {
      reapsFrom = clock.now() + leaseMs;
      for (const socketId of sockets.keys()) unregistered.add(socketId);
    }
    if ((isLapsed && wasStarted) || hasMissedRemovals) await removeDeparted();
    const restored = await registerAll();
    if (isForgotten) await tellDeparted();
    for (const [userId, { until }] of departed) if (until === Number.POSITIVE_INFINITY) departed.delete(userId);
    if (wasStarted && isLapsed && restored.length > 0) listener.restored(restored);

    if (clock.now() >= reapsFrom) for (const node of dead) await reap(node, listener);
    return { isAlone: others === 0 };
  };

  const reportOffline = async (listener: PresenceEvents, offline: readonly string[]): Promise<void> => {
    const userIds: string[] = [];
    for (let i = 0; i + 1 < offline.length; i += 2) {
      const [userId = '', accountId = ''] = offline.slice(i, i + 2);
      userIds.push(userId);
      departed.delete(userId);
      if (reported.has(userId)) continue;
      reported.add(userId);
      listener.offline({ userId, accountId });
    }
    if (userIds.length === 0) return;
    await run(confirmOffline, ...userIds);
    for (const userId of userIds) reported.delete(userId);
  };

  /** Step 3: whatever Redis holds of this node that is no longer a socket here. */
  const removeDeparted = async (): Promise<void> => {
    hasMissedRemovals = false;
    try {
      let cursor = '0';
      do {
        const page = await redis.commands.sScan(`${keyPrefix}sockets:${nodeId}`, cursor, { COUNT: CHUNK });
        cursor = page.cursor;
        const gone = page.members.map(toMember).filter(({ socketId }) => !sockets.has(socketId));
        await Promise.all(
          gone.map(({ userId, socketId }) => {
            const accountId = departed.get(userId)?.accountId ?? '';
            return run(removeSocket, nodeId, generation, userId, socketId, accountId, graceMs);
          }),
        );
      } while (cursor !== '0');
    } catch (error) {
      hasMissedRemovals = true;
      throw error;
    }
  };

  /** Step 4. @returns the sockets that were registered */
  const registerAll = async (): Promise<PresenceEntry[]> => {
    const restored: PresenceEntry[] = [];
    const waiting = [...unregistered];
    for (let i = 0; i < waiting.length; i += CHUNK) {
      const entries = waiting.slice(i, i + CHUNK).flatMap((socketId) => sockets.get(socketId) ?? []);
      await Promise.all(entries.map(register));
      restored.push(...entries.filter(({ socketId }) => !unregistered.has(socketId) && sockets.has(socketId)));
    }
    return restored;
  };

  /** Step 5. The grace time is at least a lease: the sockets these users may have on other nodes come back meanwhile. */
  const tellDeparted = async (): Promise<void> => {
    const users = [...departed].flatMap(([userId, { accountId }]) => [userId, accountId]);
    for (let i = 0; i < users.length; i += 2 * CHUNK) {
      await run(leaveAgain, Math.max(graceMs, leaseMs), ...users.slice(i, i + 2 * CHUNK));
    }
  };

  /** Step 6. */
  const reap = async (node: string, listener?: PresenceEvents): Promise<void> => {
    let members: string[] = [];
    do {
      members = (await run(reapNode, node, nodeId, leaseMs, graceMs, CHUNK, ...members)) as string[];
      if (members.length > 0) listener?.lost(members.map(toMember));
    } while (members.length > 0);
  };

  return {
    async start(listener) {
      events = listener;
      stops.push(clock.every(Math.max(1, Math.floor(leaseMs / 3)), wakeUp));
      stops.push(redis.onStateChange((isReady) => isReady && wakeUp()));
      const first = runTick(listener).catch((err: unknown) => {
        logger.warn({ err }, 'Presence could not be started; the next tick tries again');
        return { isAlone: false };
      });
      ticking = first.finally(() => {
        ticking = undefined;
      });
      return first;
    },
    async add(entry) {
      sockets.set(entry.socketId, entry);
      return register(entry);
    },
    async remove(entry) {
      const known = sockets.get(entry.socketId);
      if (known === undefined) return { isLast: false };
      sockets.delete(entry.socketId);
      return unregister(known);
    },
    async get(userIds) {
      const answer: Presence[] = [];
      for (let i = 0; i < userIds.length; i += CHUNK) answer.push(...(await read(userIds.slice(i, i + CHUNK))));
      return answer;
    },
    async stop() {
      for (const stopOne of stops.splice(0)) stopOne();
      cancelDue();
      events = undefined;
      await ticking;
      sockets.clear();
      unregistered.clear();
      // Without Redis the lease runs out by itself.
      await reap(nodeId).catch(() => undefined);
    },
  };

  async function read(userIds: readonly string[]): Promise<Presence[]> {
    const reply = await run(readUsers, ...userIds).catch((cause: unknown) => {
      throw new GatewayError('UNAVAILABLE', {}, { cause });
    });
    const numbers = reply as number[];
    return userIds.map((userId, i) => {
      const connections = numbers[2 * i] ?? 0;
      const online = connections > 0;
      return { userId, online, connections, since: online ? (numbers[2 * i + 1] ?? null) : null };
    });
  }
}

/** `<socket> <user>`, as in `sockets:<node>`. Socket ids have no space; user ids may. */
function toMember(member: string): { userId: string; socketId: string } {
  const space = member.indexOf(' ');
  return { socketId: member.slice(0, space), userId: member.slice(space + 1) };
}

import type { Logger } from '../../platform/logging/logger.js';
import type { Redis } from '../../platform/redis/connect.js';
import type { Clock } from '../../platform/time/clock.js';
import { CHUNK, createPresenceCommands, type PresenceCommands } from './commands.js';
import type { Added, PresenceEntry, PresenceEvents, PresenceStore } from './index.js';
import { Lease, type Renewed } from './lease.js';
import { PendingOffline } from './pending-offline.js';
import { createPresenceReader } from './reader.js';
import { Registrations } from './registrations.js';
import { createTicker } from './ticker.js';

/** What {@link createRedisPresence} needs. */
export interface RedisPresenceOptions {
  redis: Redis;
  clock: Clock;
  logger: Pick<Logger, 'warn'>;
  /** Unique to this start of the process; letters, digits, `_`, `.` and `-`. */
  nodeId: string;
  /** Prefix of every key. */
  keyPrefix: string;
  /** How long a user can be without a socket before they are offline. */
  graceMs: number;
  /** Lease of a node in milliseconds. It is renewed at a third of this interval. */
  leaseMs?: number;
}

/** With renewals every 3 s, a killed node's sockets stop counting within 9 s and are removed within 12 s. */
const LEASE_MS = 9_000;

/**
 * Presence of all nodes that share a Redis.
 *
 * The node's own memory is the truth about its own sockets ({@link Registrations}); Redis holds what all nodes know together.
 * Each tick
 * 1. renews the lease and claims users whose grace time is over: they are reported, then confirmed;
 * 2. if the lease had expired (others may have removed our sockets), the epoch changed (Redis lost its data) or Redis is another
 *    process than before (it may lack the last writes), treats all own sockets as unregistered;
 * 3. removes own sockets from Redis whose removal failed;
 * 4. registers unregistered sockets;
 * 5. if Redis may have lost it, stores again which users have just left;
 * 6. removes the sockets of dead nodes, in chunks.
 * The next tick repeats what failed. After an outage steps 1 and 6 report no users for one lease, because other nodes and
 * reconnecting clients are returning as well.
 */
export function createRedisPresence({
  redis,
  leaseMs = LEASE_MS,
  ...options
}: RedisPresenceOptions): LeasedPresenceStore {
  const { nodeId, keyPrefix, graceMs } = options;
  if (!/^[\w.-]+$/.test(nodeId)) throw new TypeError('nodeId must be letters, digits, "_", "." and "-"');
  const commands = createPresenceCommands({ redis, nodeId, keyPrefix, graceMs, leaseMs });
  const node = new PresenceNode({ ...options, redis, leaseMs, commands });
  return {
    start: (events) => node.start(events),
    add: (entry) => node.add(entry),
    remove: (entry) => node.remove(entry),
    ...createPresenceReader({ redis, commands, written: () => node.written(), hasOwn: () => node.hasSockets() }),
    stop: () => node.stop(),
    leaseAgeMs: () => node.leaseAgeMs(),
  };
}

/** Presence that holds as long as a lease is renewed. */
export interface LeasedPresenceStore extends PresenceStore {
  /** Milliseconds since the lease was confirmed; `undefined`: it has not begun, or the node has stopped. */
  leaseAgeMs(): number | undefined;
}

type PresenceNodeOptions = Omit<RedisPresenceOptions, 'keyPrefix' | 'leaseMs'> & {
  leaseMs: number;
  commands: PresenceCommands;
};

/** This node's part: its lease, its sockets, and what it reports. */
class PresenceNode {
  readonly #redis: Redis;
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #nodeId: string;
  readonly #leaseMs: number;
  /** How long Redis may lose users who have left: until their grace time has ended, which is a lease at least, and a tick has claimed them. */
  readonly #keepPendingMs: number;
  readonly #commands: PresenceCommands;
  readonly #lease: Lease;
  readonly #pendingOffline: PendingOffline;
  readonly #registrations: Registrations;
  readonly #ticker: ReturnType<typeof createTicker>;
  /** Users reported by this node but not confirmed: not reported again. */
  readonly #reported = new Set<string>();
  #events: PresenceEvents | undefined;
  /** Redis may have lost which users have just left. */
  #isForgotten = false;
  /** Which process of Redis has what this node has written; `undefined`: this node may not know; empty: nothing is written yet. */
  #server: string | undefined = '';
  /** The connection may lead to another process. */
  #isConnectionNew = true;
  #stopListening = (): void => undefined;

  constructor({ redis, commands, clock, logger, nodeId, graceMs, leaseMs }: PresenceNodeOptions) {
    this.#redis = redis;
    this.#logger = logger;
    this.#nodeId = nodeId;
    this.#leaseMs = leaseMs;
    this.#keepPendingMs = Math.max(graceMs, leaseMs) + leaseMs;
    this.#commands = commands;
    this.#lease = new Lease({ commands, clock, leaseMs });
    this.#pendingOffline = new PendingOffline(clock);
    this.#ticker = createTicker({
      clock,
      intervalMs: Math.max(1, Math.floor(leaseMs / 3)),
      canTick: () => redis.commands.isReady,
      tick: () => this.#tick(),
    });
    this.#registrations = new Registrations({
      clock,
      graceMs,
      leaseMs,
      commands,
      pendingOffline: this.#pendingOffline,
      wakeUp: this.#ticker.wakeUp,
      expectDue: (afterMs) => this.#expectDue(afterMs),
    });
  }

  async start(events: PresenceEvents): Promise<{ isAlone: boolean }> {
    this.#events = events;
    const stopWatching = this.#redis.onStateChange(() => {
      this.#lease.beQuiet();
      this.#ticker.wakeUp();
    });
    await this.#ticker.start();
    const removeProbe = this.#redis.addProbe(() => this.#ensureRenewed());
    const { commands } = this.#redis;
    const noteConnected = (): void => {
      this.#isConnectionNew = true;
      this.#ticker.wakeUp();
    };
    commands.on('ready', noteConnected);
    this.#stopListening = () => {
      stopWatching();
      commands.off('ready', noteConnected);
      removeProbe();
    };
    return { isAlone: this.#lease.isAlone };
  }

  add(entry: PresenceEntry): Promise<Added> {
    return this.#registrations.add(entry);
  }

  remove({ socketId }: PresenceEntry): Promise<{ isLast: boolean }> {
    return this.#registrations.remove(socketId);
  }

  written(): Promise<void> {
    return this.#registrations.written();
  }

  hasSockets(): boolean {
    return this.#registrations.hasSockets();
  }

  leaseAgeMs(): number | undefined {
    return this.#lease.ageMs();
  }

  async stop(): Promise<void> {
    this.#stopListening();
    await this.#ticker.stop();
    this.#events = undefined;
    this.#registrations.clear();
    this.#lease.end();
    try {
      for await (const _ of this.#commands.reap(this.#nodeId));
    } catch {
      // Without Redis the lease expires.
    }
  }

  async #tick(): Promise<void> {
    try {
      if (this.#events !== undefined) await this.#runTick(this.#events);
    } catch (err) {
      this.#registrations.noteFailure();
      // Then the log has the reason, with what to do.
      if (!this.#redis.commands.isReady || !this.#redis.isReady()) return;
      this.#logger.warn({ err }, 'presence: renewing failed; retrying');
    }
  }

  async #runTick(events: PresenceEvents): Promise<void> {
    // Some connections may be back before others are, here and on other nodes.
    if (!this.#redis.isReady()) this.#lease.beQuiet();
    // Before the renewal, whose result must not be lost by a failure.
    if (await this.#isOtherServer()) {
      this.#registrations.invalidate();
      this.#isForgotten = true;
    }
    const renewed = await this.#lease.renew(this.#registrations.generation);
    if (renewed.isOutage) this.#registrations.invalidate();
    this.#isForgotten ||= renewed.isNewEpoch;
    await this.#reportOffline(events, renewed);
    if (renewed.nextDueMs !== undefined) this.#expectDue(renewed.nextDueMs);

    const { restored, online } = await this.#registrations.synchronize();
    if (restored.length > 0) events.restored([...restored]);
    for (const user of online) events.online(user);
    if (this.#isForgotten) await this.#commands.leaveAgain(this.#pendingOffline.list(), this.#leaseMs);
    this.#pendingOffline.settle(this.#keepPendingMs, this.#isForgotten || this.#lease.quietMs() > 0);
    this.#isForgotten = false;
    if (this.#lease.quietMs() > 0) return;
    for (const node of renewed.deadNodes) {
      for await (const lost of this.#commands.reap(node)) events.lost(lost);
    }
  }

  /** Whether Redis may lack what this node has written last, after a fail-over or a restart. @throws the error of Redis */
  async #isOtherServer(): Promise<boolean> {
    if (!this.#isConnectionNew) return false;
    this.#isConnectionNew = false;
    const known = this.#server;
    try {
      this.#server = await this.#commands.server();
    } catch (error) {
      this.#isConnectionNew = true;
      throw error;
    }
    return known !== '' && (this.#server === undefined || this.#server !== known);
  }

  async #reportOffline(events: PresenceEvents, { unconfirmed, offline }: Renewed): Promise<void> {
    for (const user of [...unconfirmed.filter(({ userId }) => !this.#reported.has(userId)), ...offline]) {
      this.#reported.add(user.userId);
      this.#pendingOffline.delete(user.userId);
      events.offline(user);
    }
    // There may be more, which need not wait for the end of the next grace time.
    if (offline.length === CHUNK) this.#ticker.wakeUp();
    const users = [...unconfirmed, ...offline];
    await this.#commands.confirm(users);
    for (const { userId } of users) this.#reported.delete(userId);
  }

  /** A grace time ends in `afterMs`. */
  #expectDue(afterMs: number): void {
    this.#ticker.expect(Math.max(afterMs, this.#lease.quietMs()));
  }

  /** A part of the self-check of Redis. @throws while the lease of this node cannot be renewed */
  #ensureRenewed(): void {
    try {
      this.#lease.ensureRenewed();
    } catch (error) {
      this.#ticker.wakeUp();
      throw error;
    }
  }
}

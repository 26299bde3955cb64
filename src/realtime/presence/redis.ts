import { GatewayError } from '../../errors.js';
import { createBatcher, createLoader } from '../../platform/batcher.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { Redis } from '../../platform/redis/connect.js';
import { CHUNK, createPresenceCommands, type PresenceCommands, type Renewal, toPresence } from './commands.js';
import type { Place, Presence, PresenceEntry, PresenceEvents, PresenceStore, RegisteredSocket } from './index.js';
import { PendingOffline } from './pending-offline.js';
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

/** Users of one question to Redis. */
const READS_MAX = 1000;

/**
 * Presence of all nodes that share a Redis.
 *
 * The node's own memory is the truth about its own sockets ({@link Registrations}); Redis holds what all nodes know together.
 * Each tick
 * 1. renews the lease and claims users whose grace time is over: they are reported, then confirmed;
 * 2. if the lease had expired (others may have removed our sockets) or the epoch changed (Redis lost its data), treats all
 *    own sockets as unregistered;
 * 3. removes own sockets from Redis whose removal failed;
 * 4. registers unregistered sockets;
 * 5. if the epoch changed, tells the new Redis which users have just left;
 * 6. removes the sockets of dead nodes, in chunks.
 * The next tick repeats what failed. After an outage steps 1 and 6 report no users for one lease, because other nodes and
 * reconnecting clients are returning as well.
 */
export function createRedisPresence(options: RedisPresenceOptions): LeasedPresenceStore {
  const presence = new RedisPresence(options);
  return {
    start: (events) => presence.start(events),
    add: (entry) => presence.add(entry),
    remove: (entry) => presence.remove(entry),
    get: (userIds) => presence.get(userIds),
    presentAmong: (userIds) => presence.presentAmong(userIds),
    hasSockets: () => presence.hasSockets(),
    placesOf: (userId) => presence.placesOf(userId),
    socketsOf: (userId) => presence.socketsOf(userId),
    nodes: () => presence.nodes(),
    stop: () => presence.stop(),
    leaseAgeMs: () => presence.leaseAgeMs(),
  };
}

/** Presence that holds as long as a lease is renewed. */
export interface LeasedPresenceStore extends PresenceStore {
  /** Milliseconds since the lease was confirmed; `undefined`: it has not begun, or the node has stopped. */
  leaseAgeMs(): number | undefined;
}

class RedisPresence implements LeasedPresenceStore {
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #nodeId: string;
  readonly #leaseMs: number;
  readonly #commands: PresenceCommands;
  readonly #pendingOffline: PendingOffline;
  readonly #registrations: Registrations;
  /** The questions of one turn share their commands, as the next ones do. */
  readonly #read = createLoader<Presence>(
    async (userIds) => new Map((await this.#commands.read(userIds)).map((one) => [one.userId, one])),
    READS_MAX,
  );
  readonly #isPresent = createBatcher<string, boolean>(async (userIds) => {
    await this.#redis.publisher.sendCommand(['PING']);
    const present = await this.#commands.readPresent(userIds);
    return userIds.map((userId) => present.has(userId));
  }, READS_MAX);
  readonly #ticker: ReturnType<typeof createTicker>;
  /** Users reported by this node but not confirmed: not reported again. */
  readonly #reported = new Set<string>();
  #events: PresenceEvents | undefined;
  #renewal: Renewal | undefined;
  /** Redis lost its data, and does not know who has just left. */
  #isForgotten = false;
  /** Until then no user is reported offline. Unix time in milliseconds, as below. */
  #quietUntil = 0;
  /** End of the lease that Redis confirmed last. */
  #leaseEndsAt = 0;
  /** Why the last renewal failed. */
  #failure: unknown;
  #stopListening = (): void => undefined;

  constructor({ redis, clock, logger, nodeId, keyPrefix, graceMs, leaseMs = LEASE_MS }: RedisPresenceOptions) {
    if (!/^[\w.-]+$/.test(nodeId)) throw new TypeError('nodeId must be letters, digits, "_", "." and "-"');
    this.#redis = redis;
    this.#clock = clock;
    this.#logger = logger;
    this.#nodeId = nodeId;
    this.#leaseMs = leaseMs;
    this.#commands = createPresenceCommands({ redis, nodeId, keyPrefix, graceMs, leaseMs });
    this.#pendingOffline = new PendingOffline(clock);
    this.#ticker = createTicker({
      clock,
      intervalMs: Math.max(1, Math.floor(leaseMs / 3)),
      canTick: () => redis.commands.isReady,
      tick: () => this.#tick(),
    });
    this.#registrations = new Registrations({
      ...{ clock, graceMs, leaseMs, commands: this.#commands, pendingOffline: this.#pendingOffline },
      wakeUp: this.#ticker.wakeUp,
      expectDue: (afterMs) => this.#expectDue(afterMs),
    });
  }

  async start(listener: PresenceEvents): Promise<{ isAlone: boolean }> {
    this.#events = listener;
    const stopWatching = this.#redis.onStateChange(() => {
      this.#beQuiet();
      this.#ticker.wakeUp();
    });
    await this.#ticker.start();
    const removeProbe = this.#redis.addProbe(() => this.#ensureRenewed());
    this.#stopListening = () => {
      stopWatching();
      removeProbe();
    };
    return { isAlone: this.#renewal?.others === 0 };
  }

  add(entry: PresenceEntry): Promise<{ isFirst: boolean }> {
    return this.#registrations.add(entry);
  }

  remove({ socketId }: PresenceEntry): Promise<{ isLast: boolean }> {
    return this.#registrations.remove(socketId);
  }

  async get(userIds: readonly string[]): Promise<Presence[]> {
    this.#ensureReady();
    const found = await Promise.all(userIds.map((userId) => this.#read(userId))).catch(unavailable);
    return found.map((one, index) => one ?? toPresence(userIds[index] ?? ''));
  }

  async presentAmong(userIds: readonly string[]): Promise<ReadonlySet<string>> {
    this.#ensureReady();
    const present = await Promise.all(userIds.map((userId) => this.#isPresent(userId))).catch(unavailable);
    return new Set(userIds.filter((_userId, index) => present[index]));
  }

  async hasSockets(): Promise<boolean> {
    this.#ensureReady();
    return this.#commands.hasSockets().catch(unavailable);
  }

  async placesOf(userId: string): Promise<Place[]> {
    this.#ensureReady();
    return this.#commands.placesOf(userId).catch(unavailable);
  }

  leaseAgeMs(): number | undefined {
    if (this.#leaseEndsAt === 0) return undefined;
    return Math.max(0, this.#clock.now() - (this.#leaseEndsAt - this.#leaseMs));
  }

  async socketsOf(userId: string): Promise<RegisteredSocket[]> {
    this.#ensureReady();
    return this.#commands.socketsOf(userId).catch(unavailable);
  }

  async nodes(): Promise<string[]> {
    this.#ensureReady();
    return this.#commands.nodes().catch(unavailable);
  }

  async stop(): Promise<void> {
    this.#stopListening();
    await this.#ticker.stop();
    this.#events = undefined;
    this.#registrations.clear();
    this.#leaseEndsAt = 0;
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
      if (!this.#redis.commands.isReady) return;
      this.#logger.warn({ err }, 'renewing presence failed; the next tick tries again');
    }
  }

  async #runTick(listener: PresenceEvents): Promise<void> {
    const known = this.#renewal;
    // Some connections may be back before others are, here and on other nodes.
    if (!this.#redis.isReady()) this.#beQuiet();
    const renewal = await this.#renewLease();
    this.#renewal = renewal;
    await this.#reportOffline(listener, renewal);
    this.#noteOutage(known, renewal);
    if (renewal.nextDueMs !== undefined) this.#expectDue(renewal.nextDueMs);

    const { restored, online } = await this.#registrations.synchronize();
    if (restored.length > 0) listener.restored([...restored]);
    for (const { userId, accountId } of online) listener.online({ userId, accountId });
    if (this.#isForgotten) await this.#commands.leaveAgain(this.#pendingOffline.list(), this.#leaseMs);
    this.#isForgotten = false;
    this.#pendingOffline.settle();
    if (this.#clock.now() < this.#quietUntil) return;
    for (const node of renewal.deadNodes) {
      for await (const lost of this.#commands.reap(node)) listener.lost(lost);
    }
  }

  /** Our lease had expired, or Redis lost its data. */
  #noteOutage(known: Renewal | undefined, { epoch, wasAlive, others, deadNodes }: Renewal): void {
    if (wasAlive) return;
    const isFirstAndAlone = known === undefined && others === 0 && deadNodes.length === 0;
    if (!isFirstAndAlone) this.#beQuiet();
    if (known === undefined) return;
    this.#isForgotten ||= epoch !== known.epoch;
    this.#registrations.invalidate();
  }

  async #renewLease(): Promise<Renewal> {
    const askedAt = this.#clock.now();
    try {
      const limit = askedAt < this.#quietUntil ? 0 : CHUNK;
      const leasedSince = this.#renewal?.leasedSince ?? '';
      const renewed = await this.#commands.renew(this.#registrations.generation, { limit, leasedSince });
      this.#leaseEndsAt = askedAt + this.#leaseMs;
      this.#failure = undefined;
      return renewed;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  async #reportOffline(listener: PresenceEvents, { unconfirmed, offline }: Renewal): Promise<void> {
    for (const user of [...unconfirmed.filter(({ userId }) => !this.#reported.has(userId)), ...offline]) {
      this.#reported.add(user.userId);
      this.#pendingOffline.delete(user.userId);
      listener.offline(user);
    }
    // There may be more, which need not wait for the end of the next grace time.
    if (offline.length === CHUNK) this.#ticker.wakeUp();
    const users = [...unconfirmed, ...offline];
    await this.#commands.confirm(users);
    for (const { userId } of users) this.#reported.delete(userId);
  }

  /** A grace time ends in `afterMs`. */
  #expectDue(afterMs: number): void {
    this.#ticker.expect(Math.max(afterMs, this.#quietUntil - this.#clock.now()));
  }

  #beQuiet(): void {
    this.#quietUntil = this.#clock.now() + this.#leaseMs;
  }

  /** A part of the self-check of Redis. @throws while the lease of this node cannot be renewed */
  #ensureRenewed(): void {
    if (this.#failure === undefined && this.#clock.now() < this.#leaseEndsAt) return;
    this.#ticker.wakeUp();
    throw this.#failure ?? new Error('the presence lease of this node has expired');
  }

  /** While this node cannot renew its lease its sockets do not count, so an answer would be wrong. */
  #ensureReady(): void {
    if (!this.#redis.isReady()) throw new GatewayError('UNAVAILABLE');
  }
}

const unavailable = (cause: unknown): never => {
  throw new GatewayError('UNAVAILABLE', {}, { cause });
};

import type { Redis } from '../../platform/redis/connect.js';
import type { ScriptReply } from '../../platform/redis/script.js';
import { type DirectoryCall, type DirectoryScript, holdersOf, lastOf, roomsOf } from './define.js';
import { changeRooms, endLease, removeRooms, renewLease } from './scripts.js';

/** Lease of a holder. It is renewed with each self-check. A node that is still subscribed outlives its lease. */
const LEASE_MS = 5_000;
/** Rooms of one script: a script blocks Redis, so one call takes about a millisecond. */
const CHUNK = 500;
/** Chunks of a dead holder that one renewal removes. */
const REAPED_CHUNKS_MAX = 20;

/** What {@link Registrations} needs. */
interface RegistrationOptions {
  readonly redis: Redis;
  readonly nodeId: string;
  /** Begins every key of the directory. */
  readonly base: string;
  /** Gets the retained messages of rooms that this node begins to hold. */
  onRetained(item: string): void;
  /** The lease was renewed. @param isFrozen it was not, because a Redis Cluster is moving the directory */
  onRenewed(isFrozen: boolean): void;
}

/** A room in which this node has sockets, or had some until Redis knows. */
interface HeldRoom {
  /** Namespaces with a socket in the room. */
  count: number;
  /** The command of the current registration that adds it; 0: none was sent. */
  change: number;
  isConfirmed: boolean;
  waiters: (() => void)[];
}

/**
 * The rooms of this node, in memory and in the directory. Memory is the truth. All changes of one turn of the event loop are
 * one command. After a failed command it is not known whether it was executed, or will be, so everything is registered again
 * under a new holder. A late command names the old holder and changes nothing that counts.
 */
export class Registrations {
  readonly #options: RegistrationOptions;
  readonly #rooms = new Map<string, HeldRoom>();
  readonly #changed = new Set<string>();
  readonly #inFlight = new Set<Promise<void>>();
  #generation = 0;
  #changes = 0;
  /** The lease of the current holder has begun. */
  #isBegun = false;
  /** All rooms were registered for the current holder. */
  #isComplete = false;
  /** A Redis Cluster is moving the directory. Nothing can be registered, and nothing is routed. */
  #isFrozen = false;
  #isStopped = false;
  #isScheduled = false;
  readonly #stopListening: (() => void)[];

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const { redis } = options;
    this.#stopListening = [
      redis.addProbe(() => this.renew()),
      redis.onStateChange((isReady) => isReady || this.#releaseWaiters()),
    ];
  }

  /** A namespace of this node has a socket in the room. */
  hold(room: string): void {
    const held = this.#rooms.get(room);
    if (held !== undefined) held.count += 1;
    else this.#rooms.set(room, { count: 1, change: 0, isConfirmed: false, waiters: [] });
    if (held === undefined || held.change === 0) this.#schedule(room);
  }

  /** A namespace of this node has no socket in the room any more. */
  release(room: string): void {
    const held = this.#rooms.get(room);
    if (held === undefined) return;
    held.count -= 1;
    if (held.count > 0) return;
    for (const resolve of held.waiters.splice(0)) resolve();
    if (held.change !== 0) this.#schedule(room);
    else this.#rooms.delete(room);
  }

  /** All rooms of this node are in the directory, or on their way. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Grows when the directory may have missed rooms of this node. */
  get generation(): number {
    return this.#generation;
  }

  isHeld(room: string): boolean {
    return (this.#rooms.get(room)?.count ?? 0) > 0;
  }

  /**
   * Resolves when the other nodes reach this one by the rooms; `undefined`: they do. While Redis is away no connect waits. None waits
   * while the directory is moved either: everything is sent to all nodes until each of them has registered again. Never rejects.
   */
  confirmed(rooms: Iterable<string>): Promise<void> | undefined {
    if (this.#isStopped || this.#isFrozen || !this.#options.redis.isReady()) return undefined;
    const waits: Promise<void>[] = [];
    for (const room of rooms) {
      const held = this.#rooms.get(room);
      if (held === undefined || held.isConfirmed) continue;
      waits.push(new Promise((resolve) => held.waiters.push(resolve)));
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  /** Registers what is missing, and renews the lease. Part of the self-check: Redis is not ready before. @throws its refusal */
  async renew(): Promise<void> {
    if (this.#isStopped) return;
    const generation = this.#generation;
    try {
      const [isKnown, dead] = await this.#renewLease(this.#isComplete);
      if (isKnown === 0) {
        this.#lapse(generation);
        return await this.renew();
      }
      this.#isBegun = true;
      this.#isFrozen = false;
      if (!this.#isComplete) await this.#complete(generation);
      if (dead !== '') await this.#reap(dead);
      this.#options.onRenewed(false);
    } catch (error) {
      this.#lapse(generation);
      if (isMoving(error)) this.#freeze();
      if (!this.#isFrozen) throw error;
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const stop of this.#stopListening) stop();
    this.#releaseWaiters();
    // Without Redis the lease ends by itself.
    await this.#run(endLease, { args: [this.#holder] }).catch(() => undefined);
  }

  get #holder(): string {
    return `${this.#options.nodeId}/${this.#generation}`;
  }

  async #renewLease(isComplete: boolean): Promise<[isKnown: number, dead: string]> {
    const { redis, base } = this.#options;
    const state = [this.#isBegun ? 0 : 1, isComplete ? 1 : 0, redis.isCluster ? 1 : 0];
    return (await this.#run(renewLease, { args: [this.#holder, LEASE_MS, ...state, base] })) as [number, string];
  }

  async #complete(generation: number): Promise<void> {
    this.#flush();
    await Promise.all(this.#inFlight);
    if (generation !== this.#generation) throw new Error('Another registration has begun');
    await this.#renewLease(true);
    this.#isComplete = true;
  }

  /** In two steps, so that the script can declare the keys of the rooms. A room stays until the second, whatever happens. */
  async #reap(dead: string): Promise<void> {
    const { redis, base } = this.#options;
    const key = base + roomsOf(dead);
    for (let chunk = 0; chunk < REAPED_CHUNKS_MAX; chunk += 1) {
      const rooms = await redis.commands.sendCommand<string[]>(['SRANDMEMBER', key, String(CHUNK)], key);
      await this.#run(removeRooms, { keys: [roomsOf(dead), ...rooms.map(holdersOf)], args: [dead, ...rooms] });
      if (rooms.length < CHUNK) return;
    }
  }

  /** What the current holder has written is not known any more. */
  #lapse(generation: number): void {
    if (generation !== this.#generation || (this.#isFrozen && !this.#isBegun)) return;
    this.#generation += 1;
    this.#isBegun = false;
    this.#isComplete = false;
    for (const [room, held] of this.#rooms) {
      held.change = 0;
      held.isConfirmed = false;
      if (held.count > 0) this.#changed.add(room);
      else this.#rooms.delete(room);
    }
  }

  #schedule(room: string): void {
    this.#changed.add(room);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isBegun && !this.#isStopped) this.#flush();
    });
  }

  /** Sends all changes. */
  #flush(): void {
    const added: string[] = [];
    const removed: string[] = [];
    for (const room of this.#changed) {
      const held = this.#rooms.get(room);
      if (held === undefined) continue;
      if (held.count > 0 && held.change === 0) added.push(room);
      if (held.count > 0) continue;
      this.#rooms.delete(room);
      if (held.change !== 0) removed.push(room);
    }
    this.#changed.clear();
    for (let start = 0; start < Math.max(added.length, removed.length); start += CHUNK)
      this.#send(added.slice(start, start + CHUNK), removed.slice(start, start + CHUNK));
  }

  #send(added: readonly string[], removed: readonly string[]): void {
    this.#changes += 1;
    const change = this.#changes;
    for (const room of added) Object.assign(this.#rooms.get(room) ?? {}, { change });
    const generation = this.#generation;
    const keys = [
      roomsOf(this.#holder),
      ...added.flatMap((room) => [holdersOf(room), lastOf(room)]),
      ...removed.map(holdersOf),
    ];
    const args = [this.#holder, added.length, ...added, ...removed];
    const sent = this.#run(changeRooms, { keys, args }).then(
      (reply) => {
        if (generation !== this.#generation) return;
        if (reply === -1) this.#failed(generation, undefined);
        else this.#confirm(change, added, reply as string[]);
      },
      (error: unknown) => this.#failed(generation, error),
    );
    this.#inFlight.add(sent);
    void sent.then(() => this.#inFlight.delete(sent));
  }

  #confirm(change: number, rooms: readonly string[], retained: readonly string[]): void {
    for (const [index, room] of rooms.entries()) {
      const item = retained[index] ?? '';
      if (item !== '') this.#options.onRetained(item);
      const held = this.#rooms.get(room);
      // It was removed and added again since.
      if (held?.change !== change) continue;
      held.isConfirmed = true;
      for (const resolve of held.waiters.splice(0)) resolve();
    }
  }

  #failed(generation: number, error: unknown): void {
    if (generation === this.#generation && isMoving(error)) this.#freeze();
    this.#lapse(generation);
    // The self-check registers everything again.
    void this.#options.redis.ping().catch(() => undefined);
  }

  /** Until the directory has been moved, all nodes get everything that a client of this node may need. */
  #freeze(): void {
    this.#isFrozen = true;
    this.#releaseWaiters();
    this.#options.onRenewed(true);
  }

  #releaseWaiters(): void {
    for (const { waiters } of this.#rooms.values()) for (const resolve of waiters.splice(0)) resolve();
  }

  #run(script: DirectoryScript, call: Omit<DirectoryCall, 'base'>): Promise<ScriptReply> {
    const { redis, base } = this.#options;
    return script.run(redis.commands, { base, ...call });
  }
}

/** Whether a Redis Cluster has refused a command because it moves the keys to another server. */
const isMoving = (error: unknown): boolean => error instanceof Error && /^(?:TRYAGAIN|ASK)\b/.test(error.message);

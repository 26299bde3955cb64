import type { Redis } from '../../platform/redis/connect.js';
import type { ScriptReply } from '../../platform/redis/script.js';
import { type DirectoryCall, type DirectoryScript, holdersOf, lastOf, roomsOf } from './define.js';
import { HeldRooms, type RoomChanges } from './held-rooms.js';
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
  /** The directory can be used from now on, or cannot until the next call. */
  onChecked(isUsable: boolean): void;
}

/**
 * The rooms of this node, in memory and in the directory. Memory is the truth. All changes of one event loop iteration are one
 * command. After a failed command it is not known whether it was executed, or will be, so everything is registered again under a
 * new holder. A late command names the old holder and changes nothing that counts. The same happens on each new connection: it
 * may lead to a server that does not have the last registrations.
 */
export class Registrations {
  readonly #options: RegistrationOptions;
  readonly #rooms = new HeldRooms(() => this.#schedule());
  readonly #inFlight = new Set<Promise<void>>();
  #generation = 0;
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
    // Of a Redis Cluster the commands are sent to all servers. The publisher is connected to the one with the directory.
    const connections = redis.isCluster ? [redis.publisher] : [redis.commands, redis.publisher];
    for (const connection of connections) connection.on('ready', this.#noteConnected);
    this.#stopListening = [
      redis.addProbe(() => this.renew()),
      redis.onStateChange((isReady) => isReady || this.#rooms.stopWaiting()),
      ...connections.map((connection) => () => void connection.off('ready', this.#noteConnected)),
    ];
  }

  hold(room: string): void {
    this.#rooms.hold(room);
  }

  release(room: string): void {
    this.#rooms.release(room);
  }

  isHeld(room: string): boolean {
    return this.#rooms.isHeld(room);
  }

  /** All rooms of this node are in the directory, or on their way. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Grows when the directory may have missed rooms of this node. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Resolves when the other nodes reach this one by the rooms; `undefined`: they do. While Redis is away no connect waits. None waits
   * while the directory is moved either: everything is sent to all nodes until each of them has registered again. Never rejects.
   */
  confirmed(rooms: Iterable<string>): Promise<void> | undefined {
    if (this.#isStopped || this.#isFrozen || !this.#options.redis.isReady()) return undefined;
    return this.#rooms.confirmed(rooms);
  }

  /** Registers what is missing, and renews the lease. Part of the self-check: Redis is not ready before. @throws its refusal */
  async renew(): Promise<void> {
    if (this.#isStopped) return;
    const generation = this.#generation;
    try {
      const [isKnown, dead] = await this.#renewLease(this.#isComplete);
      this.#ensureCurrent(generation);
      if (isKnown === 0) {
        this.#lapse(generation);
        return await this.renew();
      }
      this.#isBegun = true;
      this.#isFrozen = false;
      if (!this.#isComplete) await this.#complete(generation);
      if (dead !== '') await this.#reap(dead);
      this.#ensureCurrent(generation);
      this.#options.onChecked(true);
    } catch (error) {
      this.#lapse(generation);
      if (isMoving(error)) this.#freeze();
      if (!this.#isFrozen) throw error;
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const stop of this.#stopListening) stop();
    this.#rooms.stopWaiting();
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
    this.#ensureCurrent(generation);
    await this.#renewLease(true);
    this.#ensureCurrent(generation);
    this.#isComplete = true;
  }

  #ensureCurrent(generation: number): void {
    if (generation !== this.#generation) throw new Error('Another registration has begun');
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

  /** Called for each new connection, before its first command. Until the next renewal nothing is routed. */
  readonly #noteConnected = (): void => {
    this.#options.onChecked(false);
    this.#lapse(this.#generation);
  };

  /** What the current holder has written is not known any more. */
  #lapse(generation: number): void {
    if (generation !== this.#generation || (this.#isFrozen && !this.#isBegun)) return;
    this.#generation += 1;
    this.#isBegun = false;
    this.#isComplete = false;
    this.#rooms.forgetSent();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isBegun && !this.#isStopped) this.#flush();
    });
  }

  /** Sends all changes. */
  #flush(): void {
    const { command, added, removed } = this.#rooms.takeChanges();
    for (let start = 0; start < Math.max(added.length, removed.length); start += CHUNK) {
      const chunk = (rooms: readonly string[]): string[] => rooms.slice(start, start + CHUNK);
      this.#send({ command, added: chunk(added), removed: chunk(removed) });
    }
  }

  #send({ command, added, removed }: RoomChanges): void {
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
        if (reply === -1) return this.#failed(generation, undefined);
        for (const item of reply as string[]) if (item !== '') this.#options.onRetained(item);
        this.#rooms.confirm(command, added);
      },
      (error: unknown) => this.#failed(generation, error),
    );
    this.#inFlight.add(sent);
    void sent.then(() => this.#inFlight.delete(sent));
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
    this.#rooms.stopWaiting();
    this.#options.onChecked(false);
  }

  #run(script: DirectoryScript, call: Omit<DirectoryCall, 'base'>): Promise<ScriptReply> {
    const { redis, base } = this.#options;
    return script.run(redis.commands, { base, ...call });
  }
}

/** Whether a Redis Cluster has refused a command because it moves the keys to another server. */
const isMoving = (error: unknown): boolean => error instanceof Error && /^(?:TRYAGAIN|ASK)\b/.test(error.message);

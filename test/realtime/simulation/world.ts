import { createHash } from 'node:crypto';
import { rooms } from '../../../src/realtime/rooms.js';
import { createRandom } from '../../support/random.js';
import { SimulatedLog } from './log.js';
import { Network } from './network.js';
import { type Observer, PREFIX, type SimulatedNode, type SimulatedSocket, startNode } from './node.js';
import { type Published, SimulatedRedis } from './redis.js';
import { VirtualTime } from './virtual-time.js';

/** Clocks differ by less than the 5 s that delivery tolerates. */
const SKEW_MAX_MS = 2_400;
/** Until a killed node is replaced. */
const RESTART_MS = [3_000, 20_000] as const;

/** A user, as the outside sees them. */
export interface User {
  readonly id: string;
  /** Comes and goes rarely. */
  readonly isCalm: boolean;
  readonly sockets: Set<SimulatedSocket>;
  /** Since when the user has, or has not, had a socket; when that number changed last. In virtual time. */
  changedAt: number;
  countChangedAt: number;
  /** What contacts were told last; `undefined`: that they are to be told was stored in Redis alone, which has lost it. */
  isAnnounced: boolean | undefined;
  /** The node of the last socket that the user has had. */
  lastNode: SimulatedNode | undefined;
  /** That node was killed, so Redis alone knows that the user is gone. */
  isLeftToRedis: boolean;
}

/** What a socket was sent. */
interface Receipts {
  readonly plain: string[];
  readonly durable: string[];
  readonly connectedAt: number;
}

/** What {@link World} needs. */
export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  /** Users for each node. */
  readonly users: number;
}

/** Nodes, users and their sockets on one Redis and one log, and everything that happened. */
export class World implements Observer {
  readonly random: () => number;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly redis: SimulatedRedis;
  readonly log: SimulatedLog;
  nodes: SimulatedNode[] = [];
  readonly users: User[];
  readonly receipts = new Map<SimulatedSocket, Receipts>();
  readonly violations: string[] = [];
  /** No fault has had an effect for long enough, so what is promised without faults holds. */
  isStrict = false;
  /** Called for each message that is published. */
  onPublish: (published: Published) => void = () => undefined;
  /** When nodes released rooms: by node and room. */
  readonly releasedAt = new Map<string, number>();
  readonly counts = { plain: 0, durable: 0, kills: 0 };
  readonly #history = createHash('sha256');
  readonly #skews = new Map<string, number>();
  #names = 0;

  constructor({ seed, users, nodes }: WorldOptions) {
    this.random = createRandom(seed).next;
    // The first numbers of neighbouring seeds are alike.
    for (let i = 0; i < 10; i += 1) this.random();
    this.time = new VirtualTime(this.random);
    this.network = new Network({ time: this.time, random: this.random, latencyMs: [0.2, 2] });
    this.redis = new SimulatedRedis({
      time: this.time,
      random: this.random,
      onPublish: (published) => this.onPublish(published),
    });
    this.log = new SimulatedLog({ time: this.time, random: this.random });
    this.users = Array.from({ length: users * nodes }, (_, n) => ({
      id: `user-${n}`,
      isCalm: n % 2 === 0,
      sockets: new Set<SimulatedSocket>(),
      isAnnounced: false,
      changedAt: 0,
      countChangedAt: 0,
      lastNode: undefined,
      isLeftToRedis: false,
    }));
  }

  install(): void {
    this.time.install();
    this.network.install();
    this.network.listen(this.redis.accept);
  }

  uninstall(): void {
    this.network.uninstall();
    this.time.uninstall();
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[Math.floor(this.random() * values.length)];
    if (value === undefined) throw new Error('nothing to choose from');
    return value;
  }

  /** Notes what happened. The digest of all notes is the history. */
  note(line: string): void {
    this.#history.update(`${this.time.now.toFixed(3)} ${line}\n`);
  }

  history(): string {
    return this.#history.digest('hex');
  }

  fail(problem: string): void {
    this.violations.push(`${Math.round(this.time.now)} ms: ${problem}`);
  }

  setSkew(name: string): void {
    this.#skews.set(name, Math.round(this.between(-SKEW_MAX_MS, SKEW_MAX_MS)));
  }

  async startNode(): Promise<void> {
    this.#names += 1;
    const name = `node-${this.#names}`;
    this.setSkew(name);
    const skewMs = (): number => this.#skews.get(name) ?? 0;
    const node = await startNode({ name, time: this.time, log: this.log, skewMs, observer: this });
    this.note(`start ${name}`);
    this.nodes.push(node);
  }

  /** Kills a node, unless few are left. Its clients come back to others, and another node takes its place. @returns 0 */
  killNode(noticedAfterMs: number): number {
    if (this.nodes.length < 3) return 0;
    const node = this.pick(this.nodes);
    this.counts.kills += 1;
    this.note(`kill ${node.name}`);
    this.network.kill(node.name, noticedAfterMs);
    this.nodes = this.nodes.filter((other) => other !== node);
    this.#run(node.kill());
    for (const user of this.users)
      for (const socket of [...user.sockets]) {
        if (socket.node !== node) continue;
        this.#left(user, socket);
        if (this.random() < 0.7) this.time.after(this.between(300, 12_000), () => this.connect(user));
      }
    for (const user of this.users) user.isLeftToRedis ||= user.sockets.size === 0 && user.lastNode === node;
    this.time.after(this.between(...RESTART_MS), () => this.#run(this.startNode()));
    return 0;
  }

  /** Redis has lost its data. Nodes tell it of their own users again. */
  redisForgot(): void {
    for (const user of this.users) if (user.isLeftToRedis) user.isAnnounced = undefined;
  }

  /** Ends a node in order. Its clients come back to others. */
  stopNode(): void {
    if (this.nodes.length < 3) return;
    const node = this.pick(this.nodes);
    this.note(`stop ${node.name}`);
    this.nodes = this.nodes.filter((other) => other !== node);
    for (const user of this.users)
      for (const socket of [...user.sockets]) {
        if (socket.node !== node) continue;
        this.disconnect(user, socket);
        this.time.after(this.between(100, 3_000), () => this.connect(user));
      }
    this.#run(node.stop());
    this.#run(this.startNode());
  }

  connect(user: User): void {
    const node = this.pick(this.nodes);
    const id = `socket-${this.receipts.size}-${Math.floor(this.random() * 1e6)}`;
    const connecting = node.connect(id, user.id).then((socket) => {
      if (socket === undefined || !node.isAlive()) return;
      this.note(`connect ${user.id} ${node.name}`);
      this.receipts.set(socket, { plain: [], durable: [], connectedAt: this.time.now });
      user.sockets.add(socket);
      user.isLeftToRedis = false;
      this.#changed(user, 1);
    });
    this.#run(connecting);
  }

  disconnect(user: User, socket: SimulatedSocket): void {
    this.note(`disconnect ${user.id} ${socket.node.name}`);
    socket.node.disconnect(socket.id);
    this.releasedAt.set(`${socket.node.name} ${rooms.user(user.id)}`, this.time.now);
    this.#left(user, socket);
  }

  announced(userId: string, isOnline: boolean): void {
    this.note(`announced ${userId} ${isOnline}`);
    const user = this.users.find(({ id }) => id === userId);
    if (user === undefined) return;
    user.isAnnounced = isOnline;
    user.isLeftToRedis = false;
  }

  received(socket: SimulatedSocket, label: string): void {
    const receipts = this.receipts.get(socket);
    // It was not told yet that it is connected.
    if (receipts === undefined) return;
    this.note(`received ${socket.id} ${label}`);
    (label.startsWith('plain') ? receipts.plain : receipts.durable).push(label);
  }

  /** Runs work that goes on in virtual time. Its failure fails the simulation. */
  #run(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.fail(`unexpected: ${error instanceof Error ? error.stack : String(error)}`));
  }

  #left(user: User, socket: SimulatedSocket): void {
    user.sockets.delete(socket);
    user.lastNode = socket.node;
    this.#changed(user, 0);
  }

  /** @param sizeAtChange the number of sockets at which presence has changed */
  #changed(user: User, sizeAtChange: number): void {
    user.countChangedAt = this.time.now;
    if (user.sockets.size === sizeAtChange) user.changedAt = this.time.now;
  }
}

/** Begins the keys of the directory. */
export const ROUTES = `${PREFIX}:{${PREFIX}:members}:routes:`;

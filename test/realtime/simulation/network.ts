import net from 'node:net';
import { Duplex } from 'node:stream';
import type { VirtualTime } from './virtual-time.js';

type Direction = 'out' | 'in';

/** The network between one client and the server. */
class Link {
  /** Nothing arrives, in either direction; it is kept until the link works again, as TCP does. */
  isCut = false;
  /** New connections are refused. */
  isRefused = false;
  /** The client has ended: nothing of it arrives any more. */
  isGone = false;
  extraMs = 0;
  readonly held: (() => void)[] = [];
  readonly sockets = new Set<VirtualSocket>();
}

/** One end of a connection. */
export class VirtualSocket extends Duplex {
  peer: VirtualSocket | undefined;
  readonly #network: Network;
  readonly #link: Link;
  readonly #direction: Direction;
  #arrivesAt = 0;
  #idleLimitMs = 0;
  #activeAt = 0;
  #isWatching = false;

  constructor(network: Network, link: Link, direction: Direction) {
    super({ allowHalfOpen: false });
    this.#network = network;
    this.#link = link;
    this.#direction = direction;
  }

  /** What arrives in order after everything that was sent before. */
  transmit(deliver: () => void): void {
    if (this.#link.isGone && this.#direction === 'out') return;
    const { time } = this.#network;
    this.#arrivesAt = Math.max(this.#arrivesAt, time.now + this.#network.delayMs(this.#link));
    time.after(this.#arrivesAt - time.now, () => {
      if (this.#link.isGone && this.#direction === 'in') return;
      if (this.#link.isCut || this.#link.held.length > 0) this.#link.held.push(deliver);
      else deliver();
    });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#activeAt = this.#network.time.now;
    this.transmit(() => this.peer?.receive(chunk));
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#link.sockets.delete(this);
    this.transmit(() => this.peer?.destroy());
    done(error);
  }

  receive(chunk: Buffer): void {
    if (this.destroyed) return;
    this.#activeAt = this.#network.time.now;
    this.push(chunk);
  }

  /** Emits `timeout` after so long without traffic; 0: never. */
  setTimeout(limitMs: number): this {
    this.#idleLimitMs = limitMs;
    this.#activeAt = this.#network.time.now;
    if (!this.#isWatching && limitMs > 0) this.#watch(limitMs);
    return this;
  }

  #watch(afterMs: number): void {
    this.#isWatching = true;
    this.#network.time.after(afterMs, () => {
      this.#isWatching = false;
      if (this.destroyed || this.#idleLimitMs === 0) return;
      const restMs = this.#activeAt + this.#idleLimitMs - this.#network.time.now;
      if (restMs > 0) this.#watch(restMs);
      else this.emit('timeout');
    });
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** Options of {@link Network}. */
interface NetworkOptions {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly latencyMs: readonly [number, number];
}

/** A host whose name ends with this is in the simulated network; the rest of the name is the client that connects. */
const SUFFIX = '.simulated';

/** The URL by which a client reaches the server. */
export const urlFor = (client: string): string => `redis://${client}${SUFFIX}:6379`;

/** Carries the connections of clients to one server, in virtual time. */
export class Network {
  readonly time: VirtualTime;
  readonly #random: () => number;
  readonly #latencyMs: readonly [number, number];
  readonly #links = new Map<string, Link>();
  #accept: ((socket: VirtualSocket) => void) | undefined;
  #undo = (): void => undefined;

  constructor({ time, random, latencyMs }: NetworkOptions) {
    this.time = time;
    this.#random = random;
    this.#latencyMs = latencyMs;
  }

  /** Takes the place of `net.createConnection` for the hosts of the simulation. */
  install(): void {
    const { createConnection } = net;
    const connect = (...args: unknown[]): unknown => {
      const [{ host = '' } = {}] = args as [{ host?: string }];
      if (!host.endsWith(SUFFIX)) return Reflect.apply(createConnection, net, args);
      return this.#connect(host.slice(0, -SUFFIX.length));
    };
    Object.assign(net, { createConnection: connect });
    this.#undo = () => void Object.assign(net, { createConnection });
  }

  uninstall(): void {
    this.#undo();
  }

  /** @param accept `undefined`: connections are refused */
  listen(accept: ((socket: VirtualSocket) => void) | undefined): void {
    this.#accept = accept;
  }

  delayMs({ extraMs }: { extraMs: number }): number {
    const [least, most] = this.#latencyMs;
    return least + this.#random() * (most - least) + this.#random() * extraMs;
  }

  /** Nothing arrives until {@link heal}. */
  cut(client: string): void {
    this.#link(client).isCut = true;
  }

  /** Connections break and new ones are refused until {@link heal}. */
  refuse(client: string): void {
    this.#link(client).isRefused = true;
    this.reset(client);
  }

  slow(client: string, extraMs: number): void {
    this.#link(client).extraMs = extraMs;
  }

  /** Breaks connections of a client; one in `share`. */
  reset(client: string, share = 1): void {
    for (const socket of [...this.#link(client).sockets]) {
      if (share < 1 && this.#random() > share) continue;
      socket.peer?.destroy();
      socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    }
  }

  heal(client: string): void {
    const link = this.#link(client);
    Object.assign(link, { isCut: false, isRefused: false, extraMs: 0 });
    for (const deliver of link.held.splice(0)) deliver();
  }

  /** The client ends, at once. @param noticedAfterMs when the server notices */
  kill(client: string, noticedAfterMs: number): void {
    const link = this.#link(client);
    const peers = [...link.sockets].map(({ peer }) => peer);
    link.isGone = true;
    this.time.after(noticedAfterMs, () => {
      for (const peer of peers) peer?.destroy();
    });
  }

  #link(client: string): Link {
    const link = this.#links.get(client) ?? new Link();
    this.#links.set(client, link);
    return link;
  }

  #connect(client: string): VirtualSocket {
    const link = this.#link(client);
    const near = new VirtualSocket(this, link, 'out');
    const far = new VirtualSocket(this, link, 'in');
    near.peer = far;
    far.peer = near;
    link.sockets.add(near);
    near.transmit(() => {
      const accept = link.isRefused ? undefined : this.#accept;
      accept?.(far);
      far.transmit(() => {
        if (accept !== undefined) near.emit('connect');
        else near.destroy(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
      });
    });
    return near;
  }
}

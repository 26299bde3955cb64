import { RedisAdapter } from '@socket.io/redis-adapter';
import type { Namespace, Server } from 'socket.io';
import type { Logger } from '../platform/logging/logger.js';
import type { Redis } from '../platform/redis/connect.js';
import { hasAny } from './memory-adapter.js';
import { joinWrites } from './text-frames.js';

/** What {@link createRedisAdapter} needs. */
export interface RedisAdapterOptions {
  redis: Redis;
  /** Begins the name of every channel. */
  keyPrefix: string;
  logger: Pick<Logger, 'warn'>;
  router: RoomRouter;
  /** A message of another node was read. */
  onRead: () => void;
  /** Another node sends an event to rooms of which sockets of this node are in some. */
  onHeard: (heard: HeardEvent) => void;
}

/** An event of another node to sockets of this one. */
export interface HeardEvent {
  readonly event: string;
  readonly payload: unknown;
  readonly rooms: readonly string[];
  /** Rooms whose sockets are left out. */
  readonly except: readonly string[];
}

/** A message to the nodes that hold any of some rooms. */
export interface RoutedItem {
  /** JSON of a list of two: the kind of the message, by which its listeners are found, and its body; or several, with commas. */
  readonly item: string;
  /** An item of the same form that is kept for nodes that hold the first room later. */
  readonly retained?: string;
  readonly routes: readonly string[];
}

/** A broadcast to the nodes that hold any of some rooms. It is never kept for later. */
type RoutedBroadcast = RoutedItem & { readonly retained?: never };

/** What became of items that were sent. */
export interface SentItems {
  /** They reached all nodes that they were for, as far as this node can detect. */
  readonly isComplete: boolean;
  /** For each item whether another node holds one of its rooms; `undefined`: not known. */
  readonly areHeld: readonly boolean[] | undefined;
}

/** Knows which nodes have sockets in which rooms, and sends messages only to them. */
export interface RoomRouter {
  /** By which rooms the nodes of a target are found; `undefined`: it goes to every node. */
  routesOf(rooms: Iterable<string>): readonly string[] | undefined;
  /**
   * Sends items to the other nodes, in order with everything that is published. Never rejects.
   * @param toAll publishes them to all nodes, in its synchronous part, in the form that every version understands. Called when they
   *   cannot be routed. @returns whether all nodes were reached
   */
  send(items: readonly RoutedItem[], toAll: () => Promise<boolean>): Promise<SentItems>;
  /** A namespace of this node has a socket in a room. */
  hold(room: string): void;
  /** A namespace of this node has no socket in a room any more. */
  release(room: string): void;
  /** Resolves when the other nodes reach this one by the rooms; `undefined`: they do. Never rejects. */
  confirmed(rooms: Iterable<string>): Promise<void> | undefined;
  /** Gets the bodies of messages of a kind that other nodes send. */
  listen(kind: string, listener: (body: unknown) => void): void;
}

/** What is private to the adapter: where it reads the messages and requests of others, and the prefix of its channels. */
interface Internals {
  readonly channel: string;
  onmessage(pattern: null, channel: Buffer, message: Buffer): void;
  onrequest(channel: Buffer, message: Buffer): Promise<void>;
}

type Broadcast = Parameters<RedisAdapter['broadcast']>;

/** A broadcast as it travels. */
interface RemoteBroadcast {
  readonly packet: unknown;
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  readonly flags: object | undefined;
}

/** A channel that the adapter subscribes to on each node, in every version. @param keyPrefix as of the adapter */
export const toEveryNodeChannel = (keyPrefix: string): string => `${keyPrefix}-request#/#`;

/** In the place of a room in the name of a channel: a message holds several broadcasts. No room has this name. */
const GATHERED = '*gathered*';

/** The broadcasts of an adapter that wait to be published together; absent: each is published at once. */
const gathered = Symbol('gathered broadcasts');

/** An adapter that can publish several broadcasts together. */
interface Gathering {
  [gathered]?: RemoteBroadcast[] | undefined;
  /** Publishes what was gathered, except what it returns: messages to some nodes, and how they go to all. */
  takeGathered?(): { readonly routed: readonly RoutedBroadcast[]; toAll(): Promise<boolean> };
  /** Shared by the adapters of all namespaces. */
  readonly router?: RoomRouter;
}

/**
 * What `work` broadcasts in its synchronous part travels to the other nodes as one message, or one for each namespace when it is
 * for every node. Nothing can be published in between, so the order of messages stays the same. Without Redis this only calls
 * `work`.
 */
export function gatherBroadcasts<T>(
  io: { readonly _nsps: ReadonlyMap<string, Pick<Namespace, 'adapter'>> },
  work: () => T,
): T {
  const adapters = [...io._nsps.values()].map(({ adapter }) => adapter as Gathering);
  const [first] = adapters;
  // Without Redis, or within another call.
  if (first?.takeGathered === undefined || first[gathered] !== undefined) return work();
  for (const adapter of adapters) adapter[gathered] = [];
  try {
    return work();
  } finally {
    const taken = adapters.flatMap((adapter) => adapter.takeGathered?.() ?? []);
    const routed = joinAlike(taken.flatMap((one) => one.routed));
    const toAll = async (): Promise<boolean> => {
      const areReached = await Promise.all(taken.map((one) => one.toAll()));
      return areReached.every(Boolean);
    };
    if (routed.length > 0) void first.router?.send(routed, toAll);
  }
}

/** Broadcasts to the same rooms, such as one event in several namespaces, as one item: their nodes are looked up once. */
function joinAlike(items: readonly RoutedBroadcast[]): RoutedBroadcast[] {
  const joined: RoutedBroadcast[] = [];
  for (const { item, routes } of items) {
    const last = joined.at(-1);
    const isAlike =
      last?.routes.length === routes.length && routes.every((route, index) => route === last.routes[index]);
    if (last !== undefined && isAlike) joined[joined.length - 1] = { item: `${last.item},${item}`, routes };
    else joined.push({ item, routes });
  }
  return joined;
}

/**
 * How events travel between nodes: as the JSON that clients get, so that it says the same on every node. The adapter's own
 * encoding loses keys called `__proto__`, integers beyond 2^63 and lone surrogates. Nothing that is emitted here is binary.
 */
const json = {
  encode: (message: unknown): string => JSON.stringify(message),
  decode: (message: Buffer): unknown => JSON.parse(message.toString()),
};

/**
 * The Redis adapter of Socket.IO, which carries events to the other nodes. A request that it cannot read rejects a promise
 * that nothing handles, which would end the process. Here such a request is dropped.
 */
export function createRedisAdapter(options: RedisAdapterOptions): Exclude<Parameters<Server['adapter']>[0], undefined> {
  const { redis, keyPrefix, logger, router, onRead, onHeard } = options;
  return class GuardedAdapter extends RedisAdapter implements Gathering {
    [gathered]: RemoteBroadcast[] | undefined;
    readonly router = router;

    constructor(namespace: unknown) {
      super(namespace, redis.publisher, redis.subscriber, {
        key: keyPrefix,
        publishOnSpecificResponseChannel: true,
        parser: json,
      });
      const internals = this as unknown as Internals;
      const { onrequest, onmessage, channel: prefix } = internals;
      const channelOfGathered = `${prefix}${GATHERED}#`;
      internals.onmessage = (pattern, channel, message) => {
        // Both kinds begin with the id of their sender.
        if (message.toString('latin1', 2, 2 + this.uid.length) === this.uid) return;
        onRead();
        if (channel.toString() === channelOfGathered) this.#receiveGathered(message);
        else onmessage.call(this, pattern, channel, message);
      };
      const ownRequest = `{"uid":"${this.uid}"`;
      internals.onrequest = async (channel, message) => {
        // What this node asked of all nodes it has done itself.
        if (message.toString('latin1', 0, ownRequest.length) === ownRequest) return;
        await onrequest
          .call(this, channel, message)
          .catch((err: unknown) =>
            logger.warn({ err, channel: channel.toString() }, 'redis: unreadable request of the adapter'),
          );
      };
      router.listen(this.nsp.name, (body) => this.#receive(body as RemoteBroadcast));
      this.on('create-room', router.hold);
      this.on('delete-room', router.release);
    }

    /** Resolves when the events of other nodes reach the socket. */
    override addAll(...[id, rooms]: Parameters<RedisAdapter['addAll']>): Promise<void> | undefined {
      super.addAll(id, rooms);
      return router.confirmed(rooms);
    }

    /*
     * The adapter waits for its own request to come back, which does not happen while Redis is away. Here the sockets of this
     * node do not depend on Redis.
     */
    override addSockets(...[options, rooms]: Parameters<RedisAdapter['addSockets']>): void {
      super.addSockets(options, rooms);
      if (options.flags?.local !== true) super.addSockets(here(options), rooms);
    }
    override delSockets(...[options, rooms]: Parameters<RedisAdapter['delSockets']>): void {
      super.delSockets(options, rooms);
      if (options.flags?.local !== true) super.delSockets(here(options), rooms);
    }
    override disconnectSockets(...[options, isClosing]: Parameters<RedisAdapter['disconnectSockets']>): void {
      super.disconnectSockets(options, isClosing);
      // After the answer to the event that is the reason for it.
      if (options.flags?.local !== true) setImmediate(() => super.disconnectSockets(here(options), isClosing));
    }

    override broadcast(...[packet, options]: Broadcast): void {
      const { rooms, except = [], flags } = options;
      const hasReceivers = rooms.size === 0 || hasAny(this.rooms, rooms);
      if (flags?.local === true) {
        if (hasReceivers) super.broadcast(packet, options);
        return;
      }
      const remote = { packet: { ...packet, nsp: this.nsp.name }, rooms: [...rooms], except: [...except], flags };
      const waiting = this[gathered];
      const routes = waiting === undefined ? router.routesOf(rooms) : undefined;
      if (waiting !== undefined) waiting.push(remote);
      else if (routes !== undefined)
        void router.send([this.#toItem(remote, routes)], () => this.#publishToAll([remote], false));
      else {
        super.broadcast(packet, options);
        return;
      }
      if (hasReceivers) this.#broadcastHere(packet, options);
    }

    takeGathered(): { readonly routed: readonly RoutedBroadcast[]; toAll(): Promise<boolean> } {
      const waiting = this[gathered] ?? [];
      this[gathered] = undefined;
      const routed = waiting.flatMap((remote) => {
        const routes = router.routesOf(remote.rooms);
        return routes === undefined ? [] : this.#toItem(remote, routes);
      });
      // Sockets may be in several of the rooms, so the order is kept only if all go the same way.
      if (routed.length === waiting.length) return { routed, toAll: () => this.#publishToAll(waiting, false) };
      void this.#publishToAll(waiting, redis.publisher.areNodesAlike());
      return { routed: [], toAll: async () => true };
    }

    /** @returns whether any other node may have got each of them */
    async #publishToAll(waiting: readonly RemoteBroadcast[], areNodesAlike: boolean): Promise<boolean> {
      const { channel } = this as unknown as Internals;
      const { publisher } = redis;
      if (waiting.length > 1 && areNodesAlike)
        return (await publisher.publish(`${channel}${GATHERED}#`, json.encode([this.uid, waiting]))) > 0;
      // As the adapter does it: nodes of an earlier version understand nothing else.
      const published = waiting.map(({ packet, ...options }) => {
        const [room] = options.rooms;
        const name = room !== undefined && options.rooms.length === 1 ? `${channel}${room}#` : channel;
        return publisher.publish(name, json.encode([this.uid, packet, options]));
      });
      return (await Promise.all(published)).every((receivers) => receivers > 0);
    }

    #toItem(remote: RemoteBroadcast, routes: readonly string[]): RoutedBroadcast {
      return { item: json.encode([this.nsp.name, remote]), routes };
    }

    #receiveGathered(message: Buffer): void {
      const [, broadcasts] = json.decode(message) as [unknown, readonly RemoteBroadcast[]];
      joinWrites(() => {
        for (const broadcast of broadcasts) this.#receive(broadcast);
      });
    }

    #receive({ packet, rooms, except, flags }: RemoteBroadcast): void {
      if (rooms.length > 0 && !hasAny(this.rooms, rooms)) return;
      this.#broadcastHere(packet, { rooms: new Set(rooms), except: new Set(except), flags: flags ?? {} });
      const [event, payload] = (packet as { readonly data: readonly [string, unknown] }).data;
      onHeard({ event, payload, rooms, except });
    }

    #broadcastHere(...[packet, options]: Broadcast): void {
      super.broadcast(packet, here(options));
    }
  };
}

/** The same sockets, of this node only. */
const here = (options: Broadcast[1]): Broadcast[1] => ({ ...options, flags: { ...options.flags, local: true } });

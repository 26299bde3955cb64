import type { RoomRouter, RoutedItem } from '../../library-internals/redis-adapter.js';
import { joinWrites } from '../../library-internals/text-frames.js';
import type { Redis } from '../../platform/redis/connect.js';
import type { ScriptReply } from '../../platform/redis/script.js';
import { routeOf } from '../rooms.js';
import { holdersOf, lastOf, nodeOf } from './define.js';
import { Registrations } from './registrations.js';
import { publishItems, readRooms } from './scripts.js';
import { createTurnSender } from './turn-sender.js';

/** A target with more rooms goes to every node: it concerns most of them, and looking each room up costs Redis time. */
const ROOMS_MAX = 500;
/** How often a node measures how long its own message takes. */
const ECHO_INTERVAL_MS = 1_000;
const ECHO = 'echo';

type Listener = (body: unknown) => void;

/** Sends messages only to the nodes that hold a room. `README.md` says how it works. */
export interface Router extends RoomRouter {
  /** See `Bus.recall`. */
  recall(rooms: readonly string[]): Promise<ReadonlyMap<string, boolean>> | undefined;
  /** See `Bus.mayBeHeld`. */
  mayBeHeld(rooms: readonly string[]): Promise<ReadonlySet<string>>;
  /** See `Bus.mayBeHeldElsewhere`. */
  mayBeHeldElsewhere(room: string): Promise<boolean>;
  /** See `Bus.holdersOf`. */
  holdersOf(room: string): Promise<readonly string[]>;
  /**
   * Sends an item to one other node, in order with everything that is published. Never rejects.
   * @returns false when no such node is subscribed: it is gone, or of an earlier version
   */
  sendTo(node: string, item: RoutedItem['item']): Promise<boolean>;
  /** Grows when this node may have missed messages; `undefined`: it may miss some now. */
  gaps(): number | undefined;
  stop(): Promise<void>;
}

/** What {@link createRouter} needs. */
export interface RouterOptions {
  redis: Redis;
  nodeId: string;
  /** Prefix of every key and channel. */
  keyPrefix: string;
  /** Nodes of every version subscribe to it. */
  everyNodeChannel: string;
  /** A message of this node has come back. */
  onEcho(lagMs: number): void;
  /** A message of another node was read. */
  onRead(): void;
}

/** Creates the router of this node. It works once Redis is ready, and only between nodes that have it. */
export function createRouter(options: RouterOptions): Router {
  const { redis, nodeId, keyPrefix, everyNodeChannel, onEcho, onRead } = options;
  const { publisher, subscriber, isCluster } = redis;
  const base = toBase(keyPrefix);
  const ownChannel = `${base}to:${nodeId}`;
  const listeners = new Map<string, Listener[]>();
  let changes = 0;
  /** The directory cannot be used until the next renewal of the registrations. */
  let isUnusable = false;
  const stopWatching = redis.onStateChange(() => {
    changes += 1;
  });

  const dispatch = ([kind, body]: readonly [string, unknown]): void => {
    for (const listener of listeners.get(kind) ?? []) listener(body);
  };
  const dispatchText = (item: string): void => dispatch(JSON.parse(item) as [string, unknown]);
  const receive = (bytes: Buffer): void => {
    const [sender, items] = JSON.parse(bytes.toString()) as [string, [string, unknown][]];
    if (sender === nodeId && items[0]?.[0] !== ECHO) return;
    if (sender !== nodeId) onRead();
    joinWrites(() => {
      for (const item of items) dispatch(item);
    });
  };
  const registrations = new Registrations({
    redis,
    nodeId,
    base,
    onRetained: dispatchText,
    onChecked: (isUsable) => {
      isUnusable = !isUsable;
    },
  });
  void subscriber.subscribe([ownChannel, `${base}all`], receive, true);
  const load = (): void => void publisher.send({ bytes: 0, messages: 0 }, (client) => publishItems.load(client, base));
  publisher.on('ready', load);
  load();
  listeners.set(ECHO, [(sentAtMs) => onEcho(performance.now() - Number(sentAtMs))]);

  const echo = createEcho(publisher, { nodeId, channel: ownChannel });

  /** The first arguments of scripts that look rooms up. */
  const toHeader = (expected: number): (string | number)[] => [
    nodeId,
    expected,
    isCluster ? 1 : 0,
    base,
    everyNodeChannel,
  ];

  const sendNow: RoomRouter['send'] = async (items, toAll) => {
    // Since the items were given to be sent. An attempt would be overtaken by what follows.
    if (isUnusable) return { isComplete: await toAll(), areHeld: undefined };
    const expectedBefore = publisher.expected();
    const args = [...toHeader(expectedBefore), ...items.flatMap(toArguments)];
    const call = { base, keys: items.flatMap(toKeys), args };
    const bytes = items.reduce((sum, { item }) => sum + item.length, 0);
    const reply = await publisher.sendOrElse<ScriptReply | boolean>(
      { bytes, messages: items.length },
      (client) => publishItems.runLoaded(client, call),
      async ({ message }) => {
        isUnusable = true;
        const areReached = toAll();
        if (message.startsWith('NOSCRIPT')) load();
        return areReached;
      },
    );
    echo();
    if (!Array.isArray(reply)) return { isComplete: reply === true, areHeld: undefined };
    const [isRouted, count, held] = reply as [number, number, string?];
    const isLost = isRouted === 1 ? count > 0 : count < Math.min(expectedBefore, publisher.expected());
    if (isLost) publisher.noteLost(isRouted === 1 ? Math.min(count, items.length) : items.length);
    return {
      isComplete: !isLost,
      areHeld: held === undefined ? undefined : Array.from(held, (digit) => digit === '1'),
    };
  };

  const read = async (rooms: readonly string[]): Promise<ReadonlyMap<string, boolean>> => {
    const keys = rooms.flatMap((room) => [lastOf(room), holdersOf(room)]);
    try {
      const reply = await readRooms.run(redis.commands, { base, keys, args: toHeader(publisher.expected()) });
      const [held = '', ...retained] = reply as string[];
      for (const [index, item] of retained.entries()) {
        const wasSent = registrations.isHeld(rooms[index] ?? '');
        if (item !== '' && !wasSent) dispatchText(item);
      }
      return new Map(held === '' || isUnusable ? [] : rooms.map((room, index) => [room, held[index] === '1']));
    } catch {
      // What they say is only a hint.
      return new Map();
    }
  };

  return {
    routesOf(rooms) {
      const routes = new Set<string>();
      for (const room of rooms) {
        const route = routeOf(room);
        if (route === undefined) return undefined;
        routes.add(route);
      }
      const isRouted = routes.size > 0 && routes.size <= ROOMS_MAX && !isUnusable && publisher.areNodesAlike();
      return isRouted ? [...routes] : undefined;
    },
    send: createTurnSender(publisher, sendNow),
    async sendTo(node, item) {
      const message = `["${nodeId}",[${item}]]`;
      const receivers = await publisher.send({ bytes: message.length, messages: 1 }, (client) =>
        client.publish(`${base}to:${node}`, message),
      );
      return receivers !== 0;
    },
    hold(room) {
      if (routeOf(room) === room) registrations.hold(room);
    },
    release(room) {
      if (routeOf(room) === room) registrations.release(room);
    },
    confirmed: (rooms) => registrations.confirmed(rooms),
    listen(kind, listener) {
      listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
    },
    recall(rooms) {
      const unknown = rooms.filter((room) => !registrations.isHeld(room));
      return unknown.length === 0 || !redis.isReady() ? undefined : read(unknown);
    },
    async mayBeHeld(rooms) {
      if (!redis.isReady() || !publisher.areNodesAlike() || rooms.length > ROOMS_MAX) return new Set(rooms);
      const unknown = rooms.filter((room) => !registrations.isHeld(room));
      if (unknown.length === 0) return new Set(rooms);
      const held = await read(unknown);
      return new Set(rooms.filter((room) => held.get(room) !== false));
    },
    async mayBeHeldElsewhere(room) {
      if (!redis.isReady() || !publisher.areNodesAlike()) return true;
      return (await read([room])).get(room) !== false;
    },
    holdersOf: (room) => readHolders(redis, base + holdersOf(room)),
    gaps: () => (redis.isReady() && registrations.isComplete ? changes + registrations.generation : undefined),
    async stop() {
      stopWatching();
      await registrations.stop();
    },
  };
}

/** Each message to other nodes is one that a node does not get, so it sends one to its own channel now and then. */
function createEcho(publisher: Redis['publisher'], { nodeId, channel }: { nodeId: string; channel: string }) {
  let dueAt = 0;
  return function echo(): void {
    if (performance.now() < dueAt) return;
    dueAt = performance.now() + ECHO_INTERVAL_MS;
    const message = JSON.stringify([nodeId, [[ECHO, performance.now()]]]);
    void publisher.send({ bytes: message.length, messages: 0 }, (client) => client.publish(channel, message));
  };
}

/** The nodes that hold a room. Never rejects. */
async function readHolders({ commands }: Redis, key: string): Promise<readonly string[]> {
  try {
    const holders = await commands.sendCommand<Iterable<string>>(['SMEMBERS', key], key);
    return [...new Set(Array.from(holders, nodeOf))];
  } catch {
    return [];
  }
}

/**
 * In a Redis Cluster all messages pass the master of the members' key, see `platform/redis/connect.ts`. The hash tag puts the
 * directory on the same master. A tag in the prefix itself decides both.
 */
const toBase = (keyPrefix: string): string =>
  /\{[^}]+\}/.test(keyPrefix) ? `${keyPrefix}routes:` : `${keyPrefix}{${keyPrefix}members}:routes:`;

const toKeys = ({ retained, routes }: RoutedItem): string[] => {
  const keys = routes.map(holdersOf);
  return retained === undefined || routes[0] === undefined ? keys : [...keys, lastOf(routes[0])];
};

const toArguments = ({ item, retained = '', routes }: RoutedItem): (string | number)[] => [
  item === retained ? '' : item,
  retained,
  routes.length,
];

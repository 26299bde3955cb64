import { pino } from 'pino';
import { Server } from 'socket.io';
import { expect } from 'vitest';
import { createRedisAdapter, gatherBroadcasts } from '../../../src/library-internals/redis-adapter.js';
import { createRandom } from '../../support/random.js';
import { until } from '../../support/until.js';
import { createRouterCluster, type RouterNode } from './routers.js';

const logger = pino({ enabled: false });
const NAMESPACES = ['/one', '/two'];
const PEOPLE = ['user:1', 'user:2', 'user:3', 'user:4', 'visitor:1', 'visitor:2'];
const ACCOUNTS = ['account:1', 'account:2'];
/** Rooms that are entered later, and are not routed. */
const OTHERS = ['group:all', 'dept_1', 'listener:c:user:1', 'listener:c:user:2'];
/** Routed rooms, more than one message is routed by. */
const MANY = Array.from({ length: 501 }, (_, n) => `user:${n}`);

/** A socket: what the model knows of it, and what it received. */
interface ModelSocket {
  readonly id: string;
  readonly namespace: string;
  readonly node: AdapterNode;
  readonly rooms: Set<string>;
  readonly received: string[];
}

/** An event that was sent, and what the model says of it. */
interface Sent {
  readonly label: string;
  readonly sender: AdapterNode;
  readonly must: Set<ModelSocket>;
  /** Their membership changed while it was on its way. */
  readonly may: Set<ModelSocket>;
  /** The nodes that may read a message for it. */
  readonly readers: Set<AdapterNode>;
}

interface AdapterNode {
  readonly node: RouterNode;
  readonly io: Server;
  reads(): number;
}

/** What to run. */
export interface RandomRunOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly steps: number;
  /** Connections to Redis are killed now and then. */
  readonly kills: boolean;
}

/**
 * Runs random joins, leaves, connects, disconnects and emits on nodes with real adapters. What each socket receives must be
 * what a broadcast to everything would give it: the model knows namespaces, rooms and exceptions, and nothing of routing.
 */
export async function runRandomly({ seed, nodes: count, steps, kills }: RandomRunOptions): Promise<void> {
  const { next: random } = createRandom(seed);
  for (let i = 0; i < 10; i += 1) random();
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const some = <T>(values: readonly T[], most: number): T[] =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => pick(values));
  const cluster = await createRouterCluster();
  const nodes: AdapterNode[] = [];
  const sockets = new Set<ModelSocket>();
  /** Since everything was last settled. */
  let sent: Sent[] = [];
  let labels = 0;
  /** Since then, by node and room: Redis may not know it yet. */
  const released = new Set<string>();
  let isBroken = false;
  let readsBefore = new Map<AdapterNode, number>();

  const noteReads = (): void => {
    readsBefore = new Map(nodes.map((node) => [node, node.reads()]));
  };
  const areReady = (): boolean => nodes.every(({ node }) => node.redis.isReady());
  const settle = async (): Promise<void> => {
    // A node may not have noticed yet that it has lost a connection.
    if (isBroken) await until(() => cluster.settle().then(areReady, () => false));
    await cluster.settle();
    check();
    sent = [];
    released.clear();
    isBroken = false;
    noteReads();
  };
  const check = (): void => {
    for (const socket of sockets) {
      const labelsOf = (filter: (one: Sent) => boolean): string[] => sent.filter(filter).map(({ label }) => label);
      const received = socket.received.splice(0);
      const must = labelsOf(({ must }) => must.has(socket));
      const allowed = new Set(labelsOf(({ must, may }) => must.has(socket) || may.has(socket)));
      expect(received.filter((label) => !allowed.has(label))).toEqual([]);
      expect(new Set(received).size).toBe(received.length);
      if (!isBroken) expect(new Set(received)).toEqual(new Set([...received, ...must]));
      for (const node of nodes) {
        const own = new Set(labelsOf(({ sender }) => sender === node));
        const inOrder = labelsOf(({ label }) => received.includes(label) && own.has(label));
        expect(received.filter((label) => own.has(label))).toEqual(inOrder);
      }
    }
    if (isBroken) return;
    for (const node of nodes)
      if (!sent.some(({ readers }) => readers.has(node))) expect(node.reads()).toBe(readsBefore.get(node));
  };
  /** The membership of a socket changes while earlier events may be on their way. */
  const change = (socket: ModelSocket): void => {
    for (const { must, may } of sent) {
      must.delete(socket);
      may.add(socket);
    }
  };
  const holds = (node: AdapterNode, room: string): boolean =>
    released.has(`${nodes.indexOf(node)} ${room}`) ||
    [...sockets].some((socket) => socket.node === node && socket.rooms.has(room));
  /** The nodes that may read what is sent to rooms: the holders of rooms by which people are found, or all. */
  const readersOf = (sender: AdapterNode, rooms: readonly string[]): AdapterNode[] => {
    const found = rooms.map((room) => /^(?:listener:c:)?((?:user|visitor|account):.*)$/.exec(room)?.[1]);
    const isForAll = found.length === 0 || found.length > 500 || found.includes(undefined);
    return nodes.filter((node) => node !== sender && (isForAll || found.some((room) => holds(node, room ?? ''))));
  };
  const emit = (sender: AdapterNode, gathered?: Sent[]): void => {
    const namespace = pick(NAMESPACES);
    const kinds = [() => some(PEOPLE, 3), () => some(ACCOUNTS, 2), () => some([...PEOPLE, ...OTHERS], 2)];
    const rooms = random() < 0.05 ? MANY : random() < 0.08 ? [] : pick(kinds)();
    const except = random() < 0.3 ? some([...PEOPLE, ...ACCOUNTS, ...OTHERS], 2) : [];
    const label = `${labels++}`;
    const isIn = ({ rooms: own }: ModelSocket, names: readonly string[]): boolean =>
      names.some((name) => own.has(name));
    const must = [...sockets].filter(
      (socket) =>
        socket.namespace === namespace && (rooms.length === 0 || isIn(socket, rooms)) && !isIn(socket, except),
    );
    const one = {
      label,
      sender,
      must: new Set(must),
      may: new Set<ModelSocket>(),
      readers: new Set(readersOf(sender, rooms)),
    };
    sent.push(one);
    gathered?.push(one);
    sender.io.of(namespace).to(rooms).except(except).emit('m', label);
  };
  const connect = async (): Promise<void> => {
    const node = pick(nodes);
    const namespace = pick(NAMESPACES);
    const id = `socket-${labels++}`;
    const rooms = new Set([id, pick(PEOPLE), ...(random() < 0.5 ? [pick(ACCOUNTS)] : [])]);
    const socket: ModelSocket = { id, namespace, node, rooms, received: [] };
    const nsp = node.io.of(namespace);
    nsp.sockets.set(id, {
      id,
      client: { writeToEngine: () => undefined },
      notifyOutgoingListeners: ({ data: [, label] }: { data: [string, string] }) => socket.received.push(label),
    } as never);
    // What is on its way may reach it already.
    change(socket);
    sockets.add(socket);
    await nsp.adapter.addAll(id, rooms);
  };
  const disconnect = (socket: ModelSocket): void => {
    sockets.delete(socket);
    for (const room of socket.rooms) released.add(`${nodes.indexOf(socket.node)} ${room}`);
    const nsp = socket.node.io.of(socket.namespace);
    nsp.sockets.delete(socket.id);
    nsp.adapter.delAll(socket.id);
  };
  const join = (socket: ModelSocket): void => {
    const room = pick(OTHERS);
    // A person listens as themselves.
    if (room.startsWith('listener:') && !socket.rooms.has(room.slice('listener:c:'.length))) return;
    change(socket);
    socket.rooms.add(room);
    void socket.node.io.of(socket.namespace).adapter.addAll(socket.id, new Set([room]));
  };
  const leave = (socket: ModelSocket): void => {
    const room = pick(OTHERS);
    change(socket);
    socket.rooms.delete(room);
    void socket.node.io.of(socket.namespace).adapter.del(socket.id, room);
  };
  const batch = (sender: AdapterNode): void => {
    const items: Sent[] = [];
    gatherBroadcasts(sender.io, () => {
      for (let left = 1 + Math.floor(random() * 20); left > 0; left -= 1) emit(sender, items);
    });
    // If one item goes to all nodes, those of its namespace do.
    if (items.some(({ readers }) => readers.size === nodes.length - 1))
      for (const { readers } of items) for (const node of nodes) if (node !== sender) readers.add(node);
  };
  const kill = async (): Promise<void> => {
    isBroken = true;
    for (const one of sent) for (const socket of one.must) one.may.add(socket);
    await cluster.server.command('CLIENT', 'KILL', 'TYPE', pick(['pubsub', 'normal']), 'SKIPME', 'yes');
  };
  const step = async (): Promise<void> => {
    const [socket] = sockets.size > 0 ? [pick([...sockets])] : [];
    const choice = random();
    if (choice < 0.12 || socket === undefined) await connect();
    else if (choice < 0.2) disconnect(socket);
    else if (choice < 0.27) join(socket);
    else if (choice < 0.34) leave(socket);
    else if (choice < 0.74) emit(pick(nodes));
    else if (choice < 0.88) batch(pick(nodes));
    else if (choice < 0.9 && kills) await kill();
    else await settle();
  };

  try {
    for (let n = 0; n < count; n += 1) {
      const node = await cluster.start();
      let reads = 0;
      const adapter = createRedisAdapter({
        redis: node.redis,
        keyPrefix: 'test',
        logger,
        router: node.router,
        onHeard: () => undefined,
        onRead: () => {
          reads += 1;
        },
      });
      const io = new Server({ adapter });
      for (const name of NAMESPACES) io.of(name);
      nodes.push({ node, io, reads: () => reads + node.reads() });
    }
    await cluster.settle();
    noteReads();
    for (let done = 0; done < steps; done += 1) await step();
    await settle();
  } finally {
    await cluster.close();
  }
}

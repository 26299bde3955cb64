import { pino } from 'pino';
import { Server } from 'socket.io';
import { userNamespaces } from '#shared/contracts/namespaces.js';
import type { Config } from '../../../src/config.js';
import type { Integration, PresentUser } from '../../../src/framework/integration.js';
import { createPresenceTracker } from '../../../src/framework/presence-tracker.js';
import { createCleanup } from '../../../src/platform/cleanup.js';
import { createTaskTracker } from '../../../src/platform/concurrency/task-tracker.js';
import type { Metrics } from '../../../src/platform/metrics.js';
import type { Clock } from '../../../src/platform/time/clock.js';
import { type Cluster, joinCluster } from '../../../src/realtime/cluster.js';
import type { CursorWriter } from '../../../src/realtime/delivery/devices/cursor-writer.js';
import { Cursors } from '../../../src/realtime/delivery/devices/cursors.js';
import type { DeviceExpiry } from '../../../src/realtime/delivery/devices/expiry.js';
import type { QueueLimits } from '../../../src/realtime/delivery/devices/queue-limits.js';
import { Appender } from '../../../src/realtime/delivery/ingest/appender.js';
import { Leaders } from '../../../src/realtime/delivery/ingest/leaders.js';
import { Sender } from '../../../src/realtime/delivery/ingest/sender.js';
import { LogPoll } from '../../../src/realtime/delivery/maintenance/log-poll.js';
import { PeriodicTasks } from '../../../src/realtime/delivery/maintenance/periodic-tasks.js';
import { PollCoordinator } from '../../../src/realtime/delivery/maintenance/poll-coordinator.js';
import { type KeyedRecipient, type Recipient, withKey } from '../../../src/realtime/delivery/message.js';
import { followAnnouncements, roomOf } from '../../../src/realtime/delivery/outbox/notifications.js';
import { Outboxes } from '../../../src/realtime/delivery/outbox/outboxes.js';
import { MailboxSockets } from '../../../src/realtime/delivery/outbox/sockets.js';
import type { PushStore } from '../../../src/realtime/delivery/push/store.js';
import { Log } from '../../../src/realtime/delivery/storage/log.js';
import type { Nodes } from '../../../src/realtime/delivery/storage/nodes.js';
import { Positions } from '../../../src/realtime/delivery/storage/positions.js';
import { createNodeCalls } from '../../../src/realtime/node-calls.js';
import { sendPresence } from '../../../src/realtime/presence/notify.js';
import { rooms } from '../../../src/realtime/rooms.js';
import type { GatewayServer, GatewaySocket } from '../../../src/sockets/socket.js';
import type { SimulatedLog } from './log.js';
import { urlFor } from './network.js';
import type { VirtualTime } from './virtual-time.js';

const NAMESPACE = '/v1/shared';
export const PREFIX = 'simulation';
/** How long a client takes to acknowledge. */
const ACKNOWLEDGE_MS = 20;
const GRACE_MS = 5_000;

/** Is notified of what clients see. */
export interface Observer {
  /** The contacts of a user were told. */
  announced(userId: string, isOnline: boolean): void;
  /** A socket was sent an event. */
  received(socket: SimulatedSocket, label: string): void;
}

/** A socket of a client. */
export interface SimulatedSocket {
  readonly id: string;
  readonly userId: string;
  readonly node: SimulatedNode;
  /** It is known where the device stands: from now on each durable message reaches the socket. */
  isOpen: boolean;
}

/** What {@link startNode} needs. */
interface NodeOptions {
  /** Unique for each start. */
  readonly name: string;
  readonly time: VirtualTime;
  readonly log: SimulatedLog;
  /** How far the clock of the node is from that of Redis, in milliseconds. */
  skewMs(): number;
  readonly observer: Observer;
}

/** A node: all of a gateway that concerns routing, presence and the announcement of durable messages. */
export type SimulatedNode = Awaited<ReturnType<typeof startNode>>;

export async function startNode({ name, time, log: collection, skewMs, observer }: NodeOptions) {
  let isAlive = true;
  const logger = pino({ enabled: false });
  const cleanup = createCleanup(logger);
  const clock: Clock = {
    now: () => time.unix() + skewMs(),
    after(delayMs, task) {
      const timer = setTimeout(() => isAlive && task(), delayMs);
      return () => clearTimeout(timer);
    },
    every(intervalMs, task) {
      const timer = setInterval(() => isAlive && task(), intervalMs);
      return () => clearInterval(timer);
    },
  };
  const config = {
    startupTimeoutMs: 60_000,
    redis: { url: urlFor(name), prefix: PREFIX },
    sockets: { presenceGraceMs: GRACE_MS },
  } as unknown as Config;
  const cluster = await joinCluster(config, {
    clock,
    leaseClock: clock,
    logger,
    metrics: uncounted,
    cleanup,
    onLimitReached: () => undefined,
  });
  const io = new Server({ ...(cluster.adapter && { adapter: cluster.adapter }) }) as unknown as GatewayServer;
  for (const namespace of userNamespaces) io.of(namespace);
  const namespace = io.of(NAMESPACE);
  const delivery = createDeliveryParts({ io, cluster, clock, collection });
  const tracker = createPresenceTracker({
    presence: cluster.presence,
    logger,
    sockets: {
      join: async () => undefined,
      leave: async () => undefined,
      forget: async () => undefined,
      restore: async () => undefined,
      clear: async () => undefined,
      close: async () => undefined,
    },
    integrations: [
      {
        onUsersOnline: (users) => announceAll(users, true),
        onUsersOffline: (users) => announceAll(users, false),
      } satisfies Partial<Integration> as Integration,
    ],
  });
  async function announceAll(users: readonly PresentUser[], isOnline: boolean): Promise<void> {
    await Promise.all(users.map(({ userId }) => announce(userId, isOnline)));
  }
  async function announce(userId: string, isOnline: boolean): Promise<void> {
    const send = async (state: boolean): Promise<boolean> => {
      if (isAlive) observer.announced(userId, state);
      return true;
    };
    await sendPresence(cluster.presence, { userId, isOnline, send });
  }
  await tracker.start();
  delivery.maintenance.start();
  await cluster.join();

  const node = {
    name,
    cluster,
    io,
    isAlive: (): boolean => isAlive,
    /** Whether the node has a socket in a room. */
    holds: (room: string): boolean => namespace.adapter.rooms.has(room),
    /** @returns the socket once its client was told that it is connected; `undefined` when the node has ended meanwhile */
    async connect(id: string, userId: string): Promise<SimulatedSocket | undefined> {
      const own: SimulatedSocket = { id, userId, node, isOpen: false };
      const socket = createSocket({ own, io, clock, received: (label) => isAlive && observer.received(own, label) });
      await namespace.adapter.addAll(id, new Set([id, rooms.user(userId)]));
      if (!isAlive) return undefined;
      namespace.sockets.set(id, socket);
      tracker.connected(socket);
      void delivery.open(socket, withKey({ site: '', userId })).then(() => {
        own.isOpen = true;
      });
      return own;
    },
    disconnect(id: string): void {
      const socket = namespace.sockets.get(id);
      if (socket === undefined) return;
      namespace.sockets.delete(id);
      namespace.adapter.delAll(id);
      socket.data.outbox?.close();
      tracker.disconnected(socket, 'client namespace disconnect');
    },
    emit(userId: string, label: string): void {
      namespace.to(rooms.user(userId)).emit('plain', label);
    },
    /** Resolves when the message is stored. */
    async send(userId: string, label: string): Promise<void> {
      await delivery.sender.send({
        recipient: { site: '', userId },
        namespace: NAMESPACE,
        event: 'durable',
        args: [label],
      });
    },
    /** Ends like a killed process. What it still does reaches nothing, once the network has dropped it. */
    async kill(): Promise<void> {
      isAlive = false;
      delivery.maintenance.stop();
      await cluster.presence.stop();
      await cleanup.run();
    },
    /** Ends after it has disconnected its clients. */
    async stop(): Promise<void> {
      for (const id of [...namespace.sockets.keys()]) node.disconnect(id);
      delivery.maintenance.stop();
      await cluster.leave();
      await cluster.presence.stop();
      await cleanup.run();
      isAlive = false;
    },
  };
  return node;
}

/** The sender, the outboxes and the poll, over a log in memory. Sockets begin at its end. */
function createDeliveryParts(options: { io: GatewayServer; cluster: Cluster; clock: Clock; collection: SimulatedLog }) {
  const { io, cluster, clock, collection } = options;
  const logger = pino({ enabled: false });
  const tasks = createTaskTracker((error) => {
    throw error;
  });
  const positions = new Positions(clock);
  const log = new Log({ models: { DeliveryEntry: { collection } } as never, clock, positions });
  const { bus, nodeId } = cluster;
  const holdersOf = (recipient: Recipient) => bus.holdersOf(roomOf(recipient));
  const leaders = new Leaders({ nodeId, holdersOf, clock, logger });
  const appender = new Appender({ log, positions, leaders, clock, receiptTtlMs: 3_600_000 });
  const sockets = new MailboxSockets(io, []);
  const cursors = new Cursors({ writer: {} as CursorWriter, logger, now: clock.now });
  const outboxes = new Outboxes({
    sockets,
    cursors,
    log,
    clock,
    listener: {
      acknowledged: (outbox, entries) => {
        for (const entry of entries) outbox.settle(entry);
      },
      sent: () => undefined,
      expired: () => undefined,
      resynced: () => undefined,
      readFailed: (error) => {
        throw error;
      },
    },
  });
  const sender = new Sender({
    appender,
    positions,
    leaders,
    outboxes,
    bus,
    tasks,
    nodeCalls: createNodeCalls({ bus, clock, nodeId }),
    limits: { isDue: () => false } as unknown as QueueLimits,
    pushStore: { add: async () => undefined } as unknown as PushStore,
    measures: { stored: () => undefined },
  });
  followAnnouncements(cluster.bus, { positions, outboxes });
  const maintenance = new PeriodicTasks({
    sockets,
    outboxes,
    cursors,
    clock,
    tasks,
    expiry: { removeAway: async () => undefined } as unknown as DeviceExpiry,
    nodes: { beat: async () => undefined } as unknown as Nodes,
    pollCoordinator: new PollCoordinator({
      poll: new LogPoll({ log, clock }),
      outboxes,
      bus: cluster.bus,
      clock,
      tasks,
    }),
    purge: async () => undefined,
    migrate: async () => undefined,
  });
  const open = async (socket: GatewaySocket, recipient: KeyedRecipient): Promise<void> => {
    const outbox = outboxes.open(socket, recipient);
    const position = await log.readLast(recipient.key);
    const all = { upTo: position, holes: [] };
    const acked = { [NAMESPACE]: all, '*': all };
    const cursor = cursors.of(outbox.device, { acked, start: 0, sent: {}, revision: undefined });
    outbox.resume({ cursor, position, last: positions.stored(recipient.key) });
    outboxes.releaseIdle(socket);
  };
  return { sender, maintenance, open };
}

/** A socket as far as the adapter, presence and outboxes use it. Its client acknowledges what it gets. */
function createSocket(options: {
  own: SimulatedSocket;
  io: GatewayServer;
  clock: Clock;
  received: (label: string) => void;
}): GatewaySocket {
  const { own, io, clock, received } = options;
  const principal = { kind: 'user', userId: own.userId, accountId: `account-of-${own.userId}` };
  const socket = {
    id: own.id,
    nsp: io.of(NAMESPACE),
    data: { principal, deviceId: own.id, connectedAt: clock.now(), outbox: undefined, position: 0 },
    client: { writeToEngine: () => undefined },
    notifyOutgoingListeners: ({ data: [, label] }: { data: [string, string] }) => received(label),
    emit: (_event: string, label: string, acknowledge: () => void) => {
      received(label);
      clock.after(ACKNOWLEDGE_MS, acknowledge);
    },
  };
  return socket as unknown as GatewaySocket;
}

const uncounted = {
  publishFailures: { inc: () => undefined },
  presenceLeaseAge: { observe: () => undefined },
  busLag: { observe: () => undefined },
  nodeMessages: { inc: () => undefined },
} as unknown as Metrics;

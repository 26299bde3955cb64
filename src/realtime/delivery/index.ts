/**
 * Durable delivery. `README.md` says how it works. A message takes four steps:
 *
 * 1. **Store** (`sender.ts`, `appender.ts`): it is inserted at the next position of its recipient's log. Then the caller gets
 *    its response.
 * 2. **Offer** (`outboxes.ts`, `notifications.ts`): the outboxes of this node get it, and the other nodes are notified.
 * 3. **Send** (`outbox.ts`): an outbox sends position after position over its socket. What is missing it reads from the log.
 * 4. **Acknowledge** (`acknowledgements.ts`, `cursors.ts`): the cursor of the device moves, and is stored a moment later.
 */
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import { createTaskTracker } from '../../platform/task-tracker.js';
import type { Tracing } from '../../platform/tracing.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import type { Bus } from '../bus.js';
import type { NodeCalls } from '../node-calls.js';
import { Acknowledgements } from './acknowledgements.js';
import { Appender } from './appender.js';
import { QueueClearing } from './clearing.js';
import { CursorWriter } from './cursor-writer.js';
import { Cursors } from './cursors.js';
import type { OnCut } from './cuts.js';
import { DeviceExpiry } from './device-expiry.js';
import { Devices } from './devices.js';
import { createStatusQuery, type MessageStatus } from './diagnostics/status.js';
import { Leaders } from './leaders.js';
import { QueueLimits } from './limits.js';
import { Log } from './log.js';
import { type Device, Mailboxes } from './mailboxes.js';
import { Maintenance } from './maintenance.js';
import { createDeliveryMeasures } from './measures.js';
import { type OutgoingMessage, type Recipient, withKey } from './message.js';
import { Migration } from './migration/index.js';
import { Nodes } from './nodes.js';
import { announcePlaces, followAnnouncements } from './notifications.js';
import { Opener } from './opener.js';
import { Outboxes } from './outboxes.js';
import { LogPoll } from './poll.js';
import { PollTurns } from './poll-turns.js';
import { Positions } from './positions.js';
import { Purge } from './purge.js';
import type { PushStore } from './push/store.js';
import { Sender, type SentMessage } from './sender.js';
import type { MailboxSockets } from './sockets.js';

export type { OutgoingMessage, Recipient } from './message.js';

/** Durable messages to users, over all nodes. */
export interface Delivery {
  /**
   * Stores a message, then sends it.
   * @throws GatewayError `UNAVAILABLE` when the database cannot be reached or is too slow. It may have stored the message all
   *   the same; the caller sends it again.
   */
  send(message: OutgoingMessage): Promise<SentMessage>;
  /** A socket of a recipient has connected. The first messages that it gets are those that waited. */
  connect(socket: GatewaySocket, recipient: Recipient): void;
  disconnect(socket: GatewaySocket, recipient: Recipient): void;
  /** Migrates what an earlier version stored, then listens to the other nodes and begins the maintenance. */
  start(): Promise<void>;
  /** Resolves when all acknowledgements are stored. */
  stop(): Promise<void>;
  /** What became of a message; `undefined` when it is not known, or its receipt has expired. */
  statusOf(id: string): Promise<MessageStatus | undefined>;
  /**
   * Clears what waits for a device, which is told by `_resync` on every node.
   * @returns how many messages waited, counted up to 1000; `undefined`: there is no such device
   */
  clearQueue(recipient: Recipient, deviceId: string): Promise<number | undefined>;
  /**
   * Removes a device that is away, with its queue. One that comes back gets `_resync`.
   * @returns `false`: it was seen meanwhile, and stays; `undefined`: there is no such device
   */
  forgetDevice(recipient: Recipient, deviceId: string): Promise<boolean | undefined>;
  /** A message was sent by push. */
  markPushed(id: string): Promise<void>;
}

interface Dependencies {
  readonly sockets: MailboxSockets;
  readonly models: Models;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** `undefined`: off. */
  readonly tracing: Tracing | undefined;
  readonly bus: Bus;
  readonly nodeCalls: NodeCalls;
  /** Of this node, as in `nodeCalls`. */
  readonly nodeId: string;
  readonly pushStore: PushStore;
  readonly settings: { deviceTtlMs: number; mailboxMax: number; receiptTtlMs: number };
}

export function createDelivery(dependencies: Dependencies): Delivery {
  const { sockets, models, clock, logger, metrics, bus, nodeCalls, nodeId, pushStore, settings } = dependencies;
  const { mailboxMax, receiptTtlMs, deviceTtlMs } = settings;
  const report = (error: unknown): void => logger.warn({ err: error }, 'delivery: database operation failed; retrying');
  const tasks = createTaskTracker(report);
  const isHere = (device: Device): boolean => sockets.ofDevice(device).length > 0;

  const positions = new Positions(clock);
  const measures = createDeliveryMeasures(dependencies);
  const log = new Log({ models, clock, positions }, measures.read);
  const leaders = new Leaders({ nodeId, clock, logger });
  const appender = new Appender({ log, positions, leaders, clock, receiptTtlMs });
  const mailboxes = new Mailboxes(models.DeliveryRecipient);
  const nodes = new Nodes({ model: models.DeliveryNode, clock });
  const onCut: OnCut = ({ recipient: { site, userId: user }, deviceId: device }, reason) => {
    measures.expired(reason);
    logger.info({ user, ...(site !== '' && { site }), device, reason }, 'a device lost messages that waited for it');
  };
  const expiry = new DeviceExpiry({ mailboxes, log, nodes, clock, ttlMs: deviceTtlMs, isHere, onCut });
  const devices = new Devices({ mailboxes, log, nodes, expiry, clock, isHere });
  const limits = new QueueLimits({ mailboxes, log, clock, max: mailboxMax, onCut });
  const writer = new CursorWriter({
    ...{ mailboxes, log, pushStore },
    onRemoved: async (cursor) => (isHere(cursor.device) ? devices.restore(cursor.device, cursor) : undefined),
  });
  const cursors = new Cursors({ writer, logger, now: clock.now });
  const clearing: QueueClearing = new QueueClearing({
    ...{ sockets, cursors, limits, mailboxes, log, clock, bus, listener: measures, report },
  });
  const listener = new Acknowledgements({ sockets, cursors, limits, clearing, tasks, measures, report });
  const outboxes = new Outboxes({ sockets, cursors, log, clock, listener });
  metrics.durableWaiting.observe({}, () => outboxes.waiting);
  const opener = new Opener({
    ...{ outboxes, devices, mailboxes, cursors, limits, log, positions, clock, tasks, mailboxMax, report },
  });
  const sender = new Sender({
    appender,
    positions,
    leaders,
    nodeCalls,
    outboxes,
    limits,
    pushStore,
    bus,
    tasks,
    measures,
  });
  const purge = new Purge({ log, mailboxes, clock, receiptTtlMs });
  const migration = new Migration({
    ...{ models, log, mailboxes, clock, receiptTtlMs },
    onAppended: (recipient, end) => {
      outboxes.notice(recipient, end.position);
      void announcePlaces(bus, [{ recipient, ...end }]);
    },
  });
  const maintenance = new Maintenance({
    ...{ sockets, outboxes, cursors, expiry, nodes, clock, tasks },
    pollTurns: new PollTurns({ poll: new LogPoll({ log, clock }), outboxes, bus, clock, tasks }),
    purge: () => purge.run(),
    migrate: () => migration.run(),
  });

  return {
    send: (message) => sender.send(message),
    connect: (socket, recipient) => opener.open(socket, recipient),
    disconnect(socket, recipient) {
      socket.data.outbox?.close();
      tasks.run(cursors.flush());
      tasks.run(devices.noteConnection({ recipient: withKey(recipient), deviceId: socket.data.deviceId }));
    },
    async start() {
      await migration.run();
      followAnnouncements(bus, { positions, outboxes });
      clearing.start();
      maintenance.start();
    },
    async stop() {
      maintenance.stop();
      await tasks.ended();
      await cursors.flush();
    },
    clearQueue: (recipient, deviceId) => clearing.clear({ recipient: withKey(recipient), deviceId }),
    forgetDevice: (recipient, deviceId) => expiry.forget({ recipient: withKey(recipient), deviceId }),
    statusOf: createStatusQuery({ log, mailboxes, clock }),
    markPushed: (id) => log.markPushed(id),
  };
}

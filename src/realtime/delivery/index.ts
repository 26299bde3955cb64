/**
 * Durable delivery. `README.md` says how it works. A message takes four steps:
 *
 * 1. **Store** (`ingest/sender.ts`, `ingest/appender.ts`): it is inserted at the next position of its recipient's log. Then the
 *    caller gets its response.
 * 2. **Offer** (`outbox/outboxes.ts`, `outbox/notifications.ts`): the outboxes of this node get it, and the other nodes are
 *    notified.
 * 3. **Send** (`outbox/outbox.ts`): an outbox sends position after position over its socket. It reads from the log what is missing.
 * 4. **Acknowledge** (`outbox/acknowledgements.ts`, `devices/cursors.ts`): the cursor of the device moves, and is stored a moment
 *    later.
 */
import type { Models } from '#shared/models/index.js';
import { createTaskTracker } from '../../platform/concurrency/task-tracker.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import type { Clock } from '../../platform/time/clock.js';
import type { Tracing } from '../../platform/tracing.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import type { Bus } from '../bus.js';
import type { NodeCalls } from '../node-calls.js';
import type { OnCut } from './devices/cuts.js';
import { createDeviceLifecycle } from './devices/index.js';
import { createStatusQuery, type MessageStatus } from './diagnostics/status.js';
import { Appender } from './ingest/appender.js';
import { Leaders } from './ingest/leaders.js';
import { Sender, type SentMessage } from './ingest/sender.js';
import { createMaintenance } from './maintenance/index.js';
import { createDeliveryMeasures } from './measures.js';
import { type OutgoingMessage, type Recipient, withKey } from './message.js';
import { createSending } from './outbox/index.js';
import { followAnnouncements, roomOf } from './outbox/notifications.js';
import type { MailboxSockets } from './outbox/sockets.js';
import type { PushStore } from './push/store.js';
import { createStorage } from './storage/index.js';
import type { Device } from './storage/mailboxes.js';

/** Durable messages to users, over all nodes. */
export interface Delivery {
  /**
   * Stores a message, then sends it.
   * @throws GatewayError `UNAVAILABLE` when the database cannot be reached or is too slow. It may have stored the message
   *   nevertheless. The caller retries.
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
   * Clears what waits for a device, which gets `_resync` on every node.
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
  readonly steadyClock: Clock;
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

/** Puts the parts together. To be started before the first socket connects. */
export function createDelivery(dependencies: Dependencies): Delivery {
  const { sockets, models, clock, steadyClock, logger, metrics, bus, nodeCalls, nodeId, pushStore, settings } =
    dependencies;
  const { mailboxMax, receiptTtlMs } = settings;
  const report = (error: unknown): void => logger.warn({ err: error }, 'delivery: database operation failed; retrying');
  const tasks = createTaskTracker(report);
  const measures = createDeliveryMeasures(dependencies);

  const onCut: OnCut = ({ recipient: { site, userId: user }, deviceId: device }, reason) => {
    measures.expired(reason);
    logger.info({ user, ...(site !== '' && { site }), device, reason }, 'a device lost messages that waited for it');
  };

  const storage = createStorage({ models, clock }, measures.read);
  const { log, mailboxes, positions } = storage;
  const isHere = (device: Device): boolean => sockets.ofDevice(device).length > 0;
  const lifecycle = createDeviceLifecycle({ storage, isHere, clock, onCut, settings });
  const { devices, expiry, limits } = lifecycle;
  const sending = createSending({
    storage,
    lifecycle,
    sockets,
    pushStore,
    bus,
    clock,
    logger,
    tasks,
    measures,
    mailboxMax,
    report,
  });
  const { outboxes, opener, cursors, clearing } = sending;
  const holdersOf = (recipient: Recipient) => bus.holdersOf(roomOf(recipient));
  const leaders = new Leaders({ nodeId, holdersOf, clock: steadyClock, logger });
  const appender = new Appender({ log, positions, leaders, clock, receiptTtlMs });
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
  const maintenance = createMaintenance({
    models,
    storage,
    lifecycle,
    sending,
    sockets,
    bus,
    clock,
    tasks,
    receiptTtlMs,
  });
  metrics.durableWaiting.observe({}, () => outboxes.waiting);

  return {
    send: (message) => sender.send(message),
    connect: (socket, recipient) => opener.open(socket, recipient),
    disconnect(socket, recipient) {
      socket.data.outbox?.close();
      tasks.run(cursors.flush());
      tasks.run(devices.noteConnection({ recipient: withKey(recipient), deviceId: socket.data.deviceId }));
    },
    async start() {
      await maintenance.migrate();
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

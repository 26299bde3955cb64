/**
 * Delivery that is acknowledged.
 *
 * Every recipient has a **log** (`log.ts`): one entry per message, with positions 1, 2, 3, … without a gap. Every device of
 * the recipient has a **cursor** (`cursors.ts`): what it has acknowledged of the log. A message takes four steps:
 *
 * 1. **Store**. The message is inserted at the position after the last one that this node knows of. A unique index lets one
 *    message have each position, so if another node was faster the insert fails, and is made again after the new last
 *    position. Position n + 1 can only be stored once n exists: what was sent after an earlier message was answered comes
 *    after it, whatever clocks say, and whoever reads an entry can read everything before it. Everything that arrives in one
 *    turn of the event loop is one insert. Only now does the caller get its answer, so an answer means that the message
 *    survives the end of every node.
 * 2. **Offer**. The entry is offered to the outboxes of this node, and published to the other nodes, which offer it to
 *    theirs. This hint may be lost: every few seconds each node reads which logs have grown lately.
 * 3. **Send** (`outbox.ts`). What was stored before a socket connected goes out in batches, everything after that by itself.
 *    An outbox sends position after position; when one is missing it reads the log.
 * 4. **Acknowledge**. The cursor of the device moves, in memory, and is written some tens of milliseconds later, together
 *    with those of other devices. If that write is lost, messages come again.
 *
 * So a device gets every message at least once and in order, and twice only if an acknowledgement was lost. Where a new
 * device begins is told in `devices.ts`. What becomes of a message on each device follows from log and cursors (`fates.ts`).
 * What a limit cuts off is said: the device gets `_resync` at its next connect. Entries that nobody needs any more are purged
 * (`purge.ts`), late enough that no node takes their positions for free.
 */

import type { Models } from '#shared/models/index.js';
import { GatewayError } from '../../errors.js';
import { createBatcher } from '../../platform/batcher.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import { createTaskTracker } from '../../platform/task-tracker.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import type { Bus } from '../bus.js';
import { baseOf, isAcked, lowestOf, merge } from './acked.js';
import { type Cursor, createCursors } from './cursors.js';
import { type Arrival, CLOCK_SKEW_MS, createDevices } from './devices.js';
import { type Hint, isEntry, toHints } from './hint.js';
import { createLimits } from './limits.js';
import { createLog, type Range, STORING_MAX_MS } from './log.js';
import { createMailboxes } from './mailboxes.js';
import {
  type Entry,
  EVERYWHERE,
  isHeardOn,
  keyOf,
  type NamedMessage,
  newId,
  type OutgoingMessage,
  type Recipient,
  recipientOf,
} from './message.js';
import { createMigration } from './migration.js';
import { createNodes, HEARTBEAT_MS } from './nodes.js';
import { type Device, Outbox } from './outbox.js';
import { createPositions } from './positions.js';
import { createPurge } from './purge.js';
import type { NewPush, PushStore } from './push-store.js';
import { createStatus, type MessageStatus } from './status.js';

export type { OutgoingMessage, Recipient } from './message.js';

/** How often a node makes up for hints that were lost. Well under the 10 s that are promised. */
const LOOK_INTERVAL_MS = 4000;
/** How often devices that have not come back, and entries that nobody needs, are looked for. */
const SWEEP_INTERVAL_MS = 30_000;
/** Messages that are stored at once. */
const GROUP_MAX = 1000;
/** Devices of which one query finds out whether something waits, and entries that tell it. */
const WAITING_GROUP_MAX = 200;
const WAITING_MAX = 5000;
/** So long after its start a node looks for what nodes of an earlier version, which still run, have stored. */
const MIGRATION_MS = 3_600_000;
const TOPIC = 'delivery.log';

/** What became of a message that was stored. */
export interface SentMessage {
  readonly id: string;
  /** Sockets of this node that were offered it. */
  readonly sockets: number;
  /** To be called when the caller is given its answer: a device that connects after that does not get the message. */
  answered(): void;
}

/** The mailbox of every recipient, and what goes out of it over the sockets of this node. */
export interface Delivery {
  /**
   * Stores, then sends.
   * @throws GatewayError `UNAVAILABLE` when the database cannot be reached or is too slow. Whether a message was stored that
   *   was sent to it is not known then; the caller sends it again.
   */
  send(message: OutgoingMessage): Promise<SentMessage>;
  /** Ties a socket to the mailbox of its user. The first thing it gets is what waited. */
  connect(socket: GatewaySocket, recipient: Recipient): void;
  /** The socket is gone. */
  disconnect(socket: GatewaySocket, recipient: Recipient): void;
  /** Takes over what an earlier version stored, then begins to listen to the other nodes and to make up for lost hints. */
  start(): Promise<void>;
  /** Ends when what was acknowledged until now is stored, and which devices were there. */
  stop(): Promise<void>;
  /** What became of a message whose receipt is kept; `undefined` for one that is unknown or too long ago. */
  statusOf(id: string): Promise<MessageStatus | undefined>;
  /** A message was shown by push. */
  markPushed(id: string): Promise<void>;
}

/** The sockets of this node that have a mailbox. */
export interface MailboxSockets {
  of(recipient: Recipient): GatewaySocket[];
  all(): Iterable<{ recipient: Recipient; socket: GatewaySocket }>;
}

interface Dependencies {
  sockets: MailboxSockets;
  models: Models;
  clock: Clock;
  logger: Logger;
  bus: Bus;
  /** Where the pushes are that follow messages which no device acknowledges. */
  pushStore: PushStore;
  settings: { deviceTtlMs: number; mailboxMax: number; receiptTtlMs: number };
}

/** Delivery over the database of the models. */
export function createDelivery(dependencies: Dependencies): Delivery {
  const { sockets, models, clock, logger, bus, pushStore, settings } = dependencies;
  const { mailboxMax, receiptTtlMs, deviceTtlMs } = settings;
  const positions = createPositions(clock);
  const log = createLog({ models, clock, positions, receiptTtlMs });
  const mailboxes = createMailboxes(models.DeliveryRecipient);
  const nodes = createNodes({ model: models.DeliveryNode, clock });
  const limits = createLimits({ mailboxes, log, clock, max: mailboxMax });
  const socketsOf = ({ recipient, deviceId }: Device): GatewaySocket[] =>
    sockets.of(recipientOf(recipient)).filter((socket) => socket.data.deviceId === deviceId);
  const isHere = (device: Device): boolean => socketsOf(device).length > 0;
  const devices = createDevices({ mailboxes, log, nodes, clock, ttlMs: deviceTtlMs, isHere });
  const cursors = createCursors({
    ...{ mailboxes, log, pushStore, logger, now: clock.now },
    onForgotten: async (cursor) => (isHere(cursor.device) ? devices.restore(cursor) : undefined),
  });
  const purge = createPurge({ log, mailboxes, clock, receiptTtlMs });
  const migrate = createMigration({
    ...{ models, log, mailboxes, clock, receiptTtlMs },
    onAppended: (recipient, end) => {
      look(recipient, end.position);
      bus.publish(TOPIC, [{ recipient, ...end }] satisfies Hint[]);
    },
  });
  const stops: (() => void)[] = [];
  const report = (error: unknown): void => logger.warn({ err: error }, 'delivery: the database failed; trying again');
  const background = createTaskTracker(report);

  const outboxesOf = (device: Device): Outbox[] => socketsOf(device).flatMap(({ data }) => data.outbox ?? []);

  /** An idle socket has no outbox, only a position: everything before that was acknowledged. */
  const outboxAt = (socket: GatewaySocket, recipient: string): Outbox => {
    if (socket.data.outbox !== undefined) return socket.data.outbox;
    const { position, deviceId } = socket.data;
    const outbox = new Outbox(socket, { recipient, deviceId }, outboxDependencies);
    const all = { upTo: position, holes: [] };
    const initial = { acked: { [socket.nsp.name]: all, [EVERYWHERE]: all }, start: 0, sent: {}, revision: undefined };
    outbox.resume({ cursor: cursors.of(outbox.device, initial), position, last: position });
    socket.data.outbox = outbox;
    return outbox;
  };

  /** Offers an entry to the sockets of its recipient here. @returns how many there are */
  const offer = (entry: Entry): number => {
    const { recipient, position, namespace } = entry;
    const here = sockets.of(recipientOf(recipient));
    for (const socket of here) {
      const { data, nsp } = socket;
      if (data.outbox !== undefined) data.outbox.offer(entry);
      else if (position === data.position + 1 && !isHeardOn(nsp.name, namespace)) data.position = position;
      else if (position > data.position) outboxAt(socket, recipient).offer(entry);
    }
    return here.length;
  };

  /** Something was stored at a position. */
  const look = (recipient: string, position: number): void => {
    for (const socket of sockets.of(recipientOf(recipient))) {
      const { outbox, position: own } = socket.data;
      if (outbox !== undefined || position > own) outboxAt(socket, recipient).look(position);
    }
  };

  const storeAll = async (messages: readonly NamedMessage[]): Promise<(Stored | Error)[]> => {
    // First, so that none is missing should this node end in between. One without its message comes to nothing.
    const pushes = messages.flatMap(toPushes);
    await pushStore.add(pushes);
    const results = await log.append(messages);
    pushStore.announce(pushes);
    const stored = results.map((entry) => (entry instanceof Error ? entry : { entry, sockets: offer(entry) }));
    const entries = results.filter((result): result is Entry => !(result instanceof Error));
    for (const hints of toHints(entries)) bus.publish(TOPIC, hints);
    const due = new Set(entries.flatMap(({ recipient, position }) => (limits.isDue(position) ? recipient : [])));
    for (const recipient of due) background.run(limits.cut(recipient));
    return stored;
  };
  const store = createBatcher(storeAll, GROUP_MAX);

  const acknowledge = (outbox: Outbox, entries: readonly Entry[]): void => {
    const { cursor, device } = outbox;
    if (outbox.isClosed || cursor === undefined) return;
    const overtaken = outbox.overtakenBy(entries);
    for (const sibling of outboxesOf(device)) for (const entry of entries) sibling.settle(entry);
    cursors.acknowledge(cursor, outbox.claims(), entries);
    if (overtaken !== undefined) background.run(startOver(cursor, overtaken));
  };

  /** The device has missed something that it cannot do without: its queue is of no use any more. */
  const startOver = async (cursor: Cursor, overtaken: Entry): Promise<void> => {
    await cursors.flush();
    // Another socket of the device may have acknowledged it meanwhile.
    const after = await limits.startOver(cursor.device, ({ acked, start }) => !isAcked(acked, start, overtaken));
    if (after === undefined) return;
    cursor.acked = merge(cursor.acked, after.acked);
    Object.assign(cursor, { start: after.start, revision: after.revision });
    for (const outbox of outboxesOf(cursor.device)) {
      outbox.skipTo(after.start);
      outbox.socket.emit('_resync');
    }
  };

  /** The client is told now if it has just connected, otherwise at its next connect. */
  const expired = (outbox: Outbox, entry: Entry): void => {
    if (outbox.cursor !== undefined) cursors.lose(outbox.cursor, entry);
    if (outbox.isTold) return;
    outbox.isTold = outbox.isCatchingUp;
    if (outbox.isCatchingUp) outbox.socket.emit('_resync');
    else background.run(mailboxes.cut(outbox.device));
  };

  const outboxDependencies = {
    ...{ log, now: clock.now, after: clock.after, acknowledge, expired },
    sent: (cursor: Cursor, entry: Entry) => cursors.markSent(cursor, entry),
    failed: report,
  };

  /** How much waits in the ranges of a recipient, asked for all who connect at once; `undefined`: much. */
  const waitingIn = createBatcher(async (asked: readonly (readonly Range[])[]) => {
    const found = await log.waiting(asked.flat(), WAITING_MAX);
    return asked.map(([range]) => found && (found.get(range?.recipient ?? '') ?? 0));
  }, WAITING_GROUP_MAX);

  const open = async (outbox: Outbox, arrival: Arrival, stored: number): Promise<void> => {
    const { device, socket } = outbox;
    const registered = await devices.register(arrival);
    if (outbox.isClosed) return;
    let known = registered.device;
    if (!registered.isNew) background.run(devices.note(device));
    const { namespaces } = arrival;
    const lowest = () => Math.min(...namespaces.map((namespace) => lowestOf(known.acked, known.start, namespace)));
    const last = positions.stored(device.recipient);
    const waiting = await waitingIn(
      namespaces.map((namespace) => ({
        ...{ recipient: device.recipient, namespace },
        after: lowestOf(known.acked, known.start, namespace),
      })),
    );
    let isCut = registered.isCut;
    const isTooMuch = (waiting ?? (await log.readLast(device.recipient)) - lowest()) > mailboxMax;
    if (isTooMuch) {
      // Another node may have cut it since the device was registered.
      known = (await limits.cutDevice(device)) ?? known;
      isCut = true;
    }
    if (isCut && ((await mailboxes.takeCut(device)) || registered.isNew)) {
      socket.emit('_resync');
      outbox.isTold = true;
    }
    const cursor = cursors.of(device, known);
    if (waiting !== 0) {
      const { connectedAt } = arrival;
      await outbox.catchUp({ cursor, position: lowest(), last }, ({ position, createdAt }) => {
        return position <= stored || createdAt < connectedAt - CLOCK_SKEW_MS;
      });
    } else {
      const bases = namespaces.map((namespace) => baseOf(known.acked, known.start, namespace));
      outbox.resume({ cursor, position: Math.max(last, ...bases), last });
    }
    restIfIdle(socket);
  };

  /** Tries until the database has answered or the socket is gone. */
  const openWithRetry = (outbox: Outbox, arrival: Arrival, stored: number): void => {
    open(outbox, arrival, stored).catch((error: unknown) => {
      if (error instanceof GatewayError) return refuse(outbox, error);
      report(error);
      if (!outbox.isClosed) clock.after(LOOK_INTERVAL_MS, () => openWithRetry(outbox, arrival, stored));
    });
  };

  /** The device cannot be kept. */
  const refuse = ({ socket }: Outbox, { code }: GatewayError): void => {
    socket.emit('disconnected', { reason: code });
    socket.disconnect();
  };

  /** Lets go of an outbox that nothing is on its way through. */
  const restIfIdle = (socket: GatewaySocket): void => {
    const { outbox } = socket.data;
    if (outbox === undefined || !outbox.isIdle) return;
    socket.data.position = outbox.position;
    socket.data.outbox = undefined;
  };

  const startedAt = clock.now();
  let lookedAt = startedAt;
  /** Makes up for hints that were lost. */
  const lookAll = async (): Promise<void> => {
    const now = clock.now();
    const lasts = await log.since(lookedAt - STORING_MAX_MS - CLOCK_SKEW_MS);
    for (const [recipient, last] of lasts) look(recipient, last);
    lookedAt = now;
  };

  const sweep = async (): Promise<void> => {
    for (const { socket } of sockets.all()) restIfIdle(socket);
    cursors.forgetIdle((device) => outboxesOf(device).length > 0);
    await nodes.beat();
    await devices.giveUp();
    await purge();
    if (clock.now() - startedAt < MIGRATION_MS) await migrate();
  };

  /** Runs a task every so often, never twice at once. */
  const every = (intervalMs: number, task: () => Promise<void>): void => {
    let isRunning = false;
    const run = async (): Promise<void> => {
      if (isRunning) return;
      isRunning = true;
      await task().finally(() => {
        isRunning = false;
      });
    };
    stops.push(clock.every(intervalMs, () => background.run(run())));
  };

  return {
    async send(message) {
      const id = message.id ?? newId();
      const { entry, sockets: offered } = await store({ ...message, id }).catch((cause: unknown) => {
        throw new GatewayError('UNAVAILABLE', {}, { cause });
      });
      const answered = (): void => positions.answer(entry.recipient, entry.position);
      return { id, sockets: offered, answered };
    },

    connect(socket, recipient) {
      const device = toDevice(recipient, socket);
      const outbox = new Outbox(socket, device, outboxDependencies);
      socket.data.outbox = outbox;
      const answered = positions.answered(device.recipient);
      const stored = positions.stored(device.recipient);
      const namespaces = [socket.nsp.name, EVERYWHERE];
      openWithRetry(outbox, { ...device, namespaces, connectedAt: clock.now(), answered }, stored);
    },

    disconnect(socket, recipient) {
      socket.data.outbox?.close();
      background.run(cursors.flush());
      background.run(devices.note(toDevice(recipient, socket)));
    },

    async start() {
      await migrate();
      bus.subscribe(TOPIC, (message) => {
        for (const hint of message as readonly Hint[]) {
          positions.learn(hint.recipient, hint.position, hint.createdAt);
          if (isEntry(hint)) offer(hint);
          else look(hint.recipient, hint.position);
        }
      });
      background.run(nodes.beat());
      every(LOOK_INTERVAL_MS, lookAll);
      every(HEARTBEAT_MS, nodes.beat);
      every(SWEEP_INTERVAL_MS, sweep);
    },

    async stop() {
      for (const stop of stops) stop();
      await background.ended();
      await cursors.flush();
    },
    statusOf: createStatus({ log, mailboxes, clock }),
    markPushed: log.markPushed,
  };
}

interface Stored {
  readonly entry: Entry;
  readonly sockets: number;
}

const toDevice = (recipient: Recipient, { data }: GatewaySocket): Device => ({
  recipient: keyOf(recipient),
  deviceId: data.deviceId,
});

/** The push that follows a message; none for most. */
function toPushes({ id, recipient: { userId }, event, push }: NamedMessage): NewPush[] {
  if (push === undefined) return [];
  const { title, body, afterMs } = push;
  return [{ userIds: [userId], notification: { title, body, data: { id, event } }, isFallback: true, afterMs }];
}
